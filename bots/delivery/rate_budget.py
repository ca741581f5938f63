"""Client of the rate budget that all bots processes share, by method of a platform.

Endings may use up all of it and try for more; partial texts leave a reserve for endings, and
notices leave one for texts, too. While Redis is away each process keeps the rate of a single one.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TypeVar

import redis

from bots.delivery.turns import Rank
from bots.store import AsyncStore
from shared.ledger import rate_budget
from shared.ledger.calls import Call
from shared.ledger.rate_budget import Bucket
from shared.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")
AWAY = (redis.RedisError, TimeoutError, OSError)
ALONE_S = 2.0
"""After a failed call Redis is not asked for so long: endings do not wait for its timeouts."""


@dataclass(eq=False, slots=True)
class _Known:
    """What this process knows of a bucket."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until_s: dict[Rank, float] = field(default_factory=dict)
    """Rank -> when to ask again, by the loop's clock, as Redis has just answered."""


class SharedRateBudget:
    """The shared budget, for one event loop. See ``turns.RateBudget``."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._alone_until_s = float("-inf")

    async def take(self, bucket: Bucket, rank: Rank) -> float:
        """Count one call in a bucket; returns 0, or the seconds until the next try."""
        known = self._known.setdefault(bucket.name, _Known())
        async with known.lock:  # one request serves all who wait here
            now_s = asyncio.get_running_loop().time()
            told_s = max((s for of, s in known.until_s.items() if of <= rank), default=now_s)
            if told_s > now_s:
                return told_s - now_s
            wait_s = await self._run(rate_budget.take(bucket, rank), 0.0)
            known.until_s[rank] = now_s + wait_s
            return wait_s

    async def spend(self, bucket: Bucket) -> None:
        """Count a call that is made in any case; later calls wait for it."""
        await self._run(rate_budget.spend(bucket), 0.0)

    async def close(self, bucket: Bucket, for_s: float) -> None:
        """Block calls in all processes for this long, as the platform has asked."""
        await self._run(rate_budget.close(bucket, for_s), otherwise=False)

    async def _run(self, call: Call[T], otherwise: T) -> T:
        loop = asyncio.get_running_loop()
        if loop.time() < self._alone_until_s:
            return otherwise
        try:
            return await self._store.run(call)
        except AWAY as error:
            self._alone_until_s = loop.time() + ALONE_S
            log.warning("budget_not_shared", error=type(error).__name__)
            return otherwise
