"""Starts what the tests talk to: a real Redis for the session, emptied for every test, and a real
worker process with a small real model."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.cli.embedded_redis import embedded_redis
from shared.ledger import keys
from tests.leftovers import Guard, check_clients
from tests.running import RunningModule
from worker.knowledge.reader_pool import ReaderPool, ReadLimits

pytest_plugins = ["tests.ordering"]


def pytest_configure(config: pytest.Config) -> None:
    """Make what a test leaves behind an error of that test."""
    config.pluginmanager.register(Guard(), "leftovers")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis of our own, as an operator without one would get it."""
    with embedded_redis(Path(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same Redis, empty but for signs of life."""
    with redis.Redis.from_url(redis_server) as client:
        for key in client.scan_iter():
            if not key.startswith((keys.worker("").encode(), keys.WORKERS.encode())):
                client.delete(key)
    return redis_server


@pytest.fixture(scope="module")
def readers() -> Iterator[ReaderPool]:
    """Reads files; its process is there already."""
    with contextlib.closing(ReaderPool(ReadLimits(max_readers=1))) as pool:
        pool.isolation()
        yield pool


@pytest.fixture(scope="session")
def quiet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second Redis for the session, to which no worker listens."""
    with embedded_redis(Path(tmp_path_factory.mktemp("quiet"))) as url:
        yield url


@pytest.fixture
def quiet_redis(quiet_server: str) -> Iterator[str]:
    """The same, empty; a test that leaves a connection to it open fails."""
    with redis.Redis.from_url(quiet_server) as client:
        client.flushall()
    yield quiet_server
    check_clients(quiet_server)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis for one test, which no other test's worker listens to."""
    with embedded_redis(tmp_path / "redis") as url:
        yield url


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small real chat model."""
    from tests.fakes.tiny_model import save_tiny_model  # noqa: PLC0415 - seconds of import

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def endless_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but its answers always have full length."""
    from tests.fakes.tiny_model import save_tiny_model  # noqa: PLC0415 - the same

    return save_tiny_model(tmp_path_factory.mktemp("models") / "endless", ends=False)


@pytest.fixture(scope="session")
def worker_settings(redis_server: str, endless_model: Path) -> dict[str, str]:
    """Settings of a worker with the small model: answers are long enough to stream."""
    return {
        "PARLEY_REDIS_URL": redis_server,
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_CONCURRENCY": "8",
        "PARLEY_CACHE_TOKENS": "8192",
        "PARLEY_MAX_NEW_TOKENS": "120",
        "PARLEY_TEMPERATURE": "0",
        "PARLEY_LEASE_S": "3",
        "PARLEY_DEVICE": "cpu",
    }


@pytest.fixture(scope="session")
def worker(worker_settings: dict[str, str]) -> Iterator[RunningModule]:
    """A worker process for the session, which takes some three seconds for an answer."""
    with RunningModule("tests.paced_worker", settings=worker_settings) as process:
        process.wait_for_event("worker_ready")
        yield process
