"""A place to try the way in: a Redis that can be killed and frozen, and bots and a worker on it.

What was accepted is read in the ledger; what was answered, in the fake platforms.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import redis

from shared.jobs import Job
from shared.ledger import codec, keys
from tests.chaos.processes import RedisServer
from tests.e2e.conftest import free_port
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S
from tests.running import RunningModule

POLL_S = 0.02
QUIET_KEYS = (keys.worker("").encode(), keys.WORKERS.encode())


class Site:
    """One Redis and what is known of the ledger in it."""

    def __init__(self, folder: Path) -> None:
        self.server = RedisServer(folder / "redis", free_port())
        self.client = redis.Redis.from_url(self.server.url)
        self.folder = folder

    @property
    def settings(self) -> dict[str, str]:
        """Settings of bots here; each call is for bots of their own."""
        return {
            "PARLEY_REDIS_URL": self.server.url,
            "PARLEY_HTTP_PORT": str(free_port()),
            "PARLEY_DATA_DIR": str(self.folder / "data"),
        }

    def start_redis(self) -> None:
        """Start it, on the data that it has."""
        self.server.child.start()
        self.server.wait_ready()

    def kill_redis(self) -> None:
        """SIGKILL."""
        self.server.child.kill(0)

    def clear(self) -> None:
        """Forget everything but who is alive."""
        for key in self.client.scan_iter():
            if not key.startswith(QUIET_KEYS):
                self.client.delete(key)

    def jobs(self) -> dict[str, Job]:
        """Message -> its job, of all that were accepted; withdrawn and refused ones left out."""
        found: dict[str, Job] = {}
        for key in self.client.scan_iter(f"{keys.job('')}*", count=1000):
            state, document = self.client.hmget(key, ["state", "job"])
            if document and state != b"withdrawn":
                job = codec.decode(document, Job)
                found[job.origin.message] = job
        return found

    def state(self, job: Job) -> str:
        """A job's state."""
        state: Any = self.client.hget(keys.job(job.id), "state")
        return state.decode() if state else ""

    async def wait_accepted(self, *messages: str) -> dict[str, Job]:
        """Wait until these messages are jobs; all jobs."""
        wanted = set(messages)
        await wait_until(lambda: wanted <= set(self.jobs()), f"jobs for {len(wanted)} messages")
        return self.jobs()


async def wait_until(
    is_met: Callable[[], object], what: str, timeout_s: float = PATIENCE_S
) -> None:
    """Wait for something that happens in another process."""
    deadline_s = time.monotonic() + timeout_s
    while not await asyncio.to_thread(is_met):
        assert time.monotonic() < deadline_s, f"no {what} within {timeout_s} s"
        await asyncio.sleep(POLL_S)


@contextlib.contextmanager
def site_at(folder: Path) -> Iterator[Site]:
    """A site with its Redis running."""
    site = Site(folder)
    try:
        site.start_redis()
        yield site
    finally:
        site.client.close()
        site.client.connection_pool.disconnect()
        site.server.child.stop()


@contextlib.asynccontextmanager
async def bots_at(
    settings: Mapping[str, str], is_ready: Callable[[RunningModule], Awaitable[None]]
) -> AsyncIterator[RunningModule]:
    """Bots that are ready; at their end it is looked whether there was an exception anywhere."""
    bots = RunningModule("bots", settings=settings).__enter__()
    try:
        await is_ready(bots)
        yield bots
    finally:
        await asyncio.to_thread(bots.stop)
    assert "Traceback" not in bots.output, bots.output


def make_slack() -> FakeSlack:
    """A Slack whose timestamps are the wall clock's, and that is as patient as the real one."""
    return FakeSlack(
        first_ts_s=int(time.time()), ts_clock=time.time, retry_after_s=3.0, max_retries=20
    )
