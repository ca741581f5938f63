"""Starts what the tests talk to: a real Redis for the session, emptied for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.launcher.embedded_redis import embedded_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis of our own, as an operator without one would get it."""
    with embedded_redis(Path(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same Redis, empty."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
