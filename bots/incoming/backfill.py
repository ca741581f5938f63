"""Backfill: finds messages that were missed before a start or while every connection was lost.

Where to start is a pure function of the read marks. Reading a platform's history is its adapter's
task; this is what all adapters share: one process at a time, a few channels at a time, and a fault
of one channel that affects no other.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from bots.incoming.read_marks import Seen
from bots.incoming.reception import LEDGER_AWAY
from bots.store import AsyncStore
from shared.errors import PlatformError
from shared.ledger import keys
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")
OVERLAP_S = 60.0
"""Messages are handled side by side: one may have been lost though a later one was seen."""
MAX_MESSAGES = 200
"""Per channel; of more the latest are read."""
AT_ONCE = 4
"""Channels that are read at once."""
TURN_S = 60
WAIT_S = 1.0
MS = 1000


@dataclass(frozen=True, slots=True)
class BackfillWindow:
    """From where to look in each channel."""

    seen: Seen
    lookback_s: float
    time_of: Callable[[str], float]
    """When a message was written, in seconds since 1970, by its id."""

    @property
    def is_open(self) -> bool:
        """Whether there is anything to look for: not at the very first start."""
        return self.lookback_s > 0 and self.seen.alive_at_s is not None

    @property
    def earliest_s(self) -> float:
        """The time before which nothing is read, whatever the platform returns.

        What is older than the installation was never asked of us: a ledger that is new, or was
        emptied, knows none of the questions that were answered before.
        """
        return max(self.seen.now_s - self.lookback_s, self.seen.installed_at_s)

    def start_s(self, channel: str) -> float:
        """The time after which a channel's messages are read."""
        latest = self.seen.latest.get(channel)
        seen_s = self.time_of(latest) if latest else self.seen.alive_at_s or self.seen.now_s
        return max(seen_s - OVERLAP_S, self.earliest_s)

    def holds(self, channel: str, message: str) -> bool:
        """Whether a message is of the time that is looked at.

        Not every server that speaks a platform's protocol knows its parameters of time.
        """
        return self.time_of(message) >= self.start_s(channel)

    def has_news(self, channel: str, latest: str) -> bool:
        """Whether a channel with this latest message may have missed messages."""
        seen = self.seen.latest.get(channel)
        if seen is not None and self.time_of(latest) <= self.time_of(seen):
            return False
        return self.time_of(latest) > self.start_s(channel)


async def look_through(places: Iterable[T], look: Callable[[T], Awaitable[int]]) -> int:
    """Look through the places, a few at a time; returns how many messages were found.

    A place that the platform does not show, or not now, is skipped.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def pass_through(place: T) -> int:
        async with gate:
            try:
                return await look(place)
            except PlatformError as error:
                log.warning("lookback_refused", reason=str(error))
                return 0

    return sum(await asyncio.gather(*(pass_through(place) for place in places)))


async def backfill(
    store: AsyncStore, platform: str, since_s: float, look: Callable[[], Awaitable[int]]
) -> None:
    """Look, unless another process has; again from the start if Redis goes away meanwhile.

    Args:
        store: holds the lock between processes.
        platform: whose messages are looked for.
        since_s: when this process began to listen, by Redis's clock.
        look: looks at everything; returns how many messages were found.
    """
    while True:
        try:
            async with _turn(store, platform, since_s) as is_needed:
                num_found = await look() if is_needed else 0
        except LEDGER_AWAY as error:
            log.warning("lookback_interrupted", error=type(error).__name__)
            await asyncio.sleep(WAIT_S)
        else:
            log.info("looked_back", platform=platform, num_messages=num_found)
            return


@contextlib.asynccontextmanager
async def _turn(store: AsyncStore, platform: str, since_s: float) -> AsyncIterator[bool]:
    """Wait until no other process runs a backfill; True if this one still has to.

    It need not if another process has finished one that began after ``since_s`` (by Redis's
    clock), which is when this process began to listen. Two at once do no harm.

    Raises:
        redis.RedisError, TimeoutError, OSError: Redis is away.
    """
    lock, done = keys.lookback(platform), keys.lookback_done(platform)
    token = secrets.token_hex(8)
    while not await store.client.set(lock, token, nx=True, ex=TURN_S):  # noqa: ASYNC110 - other processes set no event
        await asyncio.sleep(WAIT_S)
    try:
        began_s = await _time_s(store)
        finished = await store.client.get(done)
        if finished is not None and float(finished) >= since_s:
            yield False
            return
        yield True
        await store.client.set(done, str(began_s), ex=TURN_S)
    finally:
        with contextlib.suppress(*LEDGER_AWAY):
            if await store.client.get(lock) == token.encode():
                await store.client.delete(lock)


async def _time_s(store: AsyncStore) -> float:
    """Seconds since 1970 by Redis's clock."""
    seconds, microseconds = await store.client.time()
    return float(seconds) + float(microseconds) / 1_000_000
