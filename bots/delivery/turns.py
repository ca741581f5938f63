"""Turns: the order of calls to a platform. One call at a time in each place, endings first.

After a rate limit a platform is not called for as long as it asks; then one call goes ahead of all
others to find out whether the limit still holds. All processes share a budget, which is asked
before each turn. Knows neither platforms nor the ledger.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from shared.errors import RateLimitedError
from shared.ledger.rate_budget import Bucket

Clock = Callable[[], float]


class Rank(IntEnum):
    """The priority of a call."""

    ENDING = 0
    TEXT = 1
    NOTICE = 2


class RateBudget(Protocol):
    """The calls that all processes together may make to a platform."""

    async def take(self, bucket: Bucket, rank: Rank) -> float:
        """Count one call in a bucket; returns 0, or the seconds until the next try."""
        ...

    async def close(self, bucket: Bucket, for_s: float) -> None:
        """Block all calls for this long."""
        ...


@dataclass(eq=False, slots=True)
class _Waiting:
    rank: Callable[[], Rank | None]
    number: int
    turn: asyncio.Future[bool]
    from_s: float = 0.0
    """No turn before this, by the loop's clock, as the budget answered."""


@dataclass(eq=False, slots=True)
class _Place:
    """The state of one place: at most one running call, and those that wait for it to end."""

    is_taken: bool = False
    closed_until_s: float = 0.0
    waiting: list[_Waiting] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Turns:
    """The turns of one platform, for one event loop."""

    def __init__(self, budget: RateBudget | None = None) -> None:
        """``budget``: None for a process that shares none."""
        self._budget = budget
        self._places: dict[str, _Place] = {}
        self._numbers = itertools.count()
        self._calm_until_s = 0.0
        """Until then only endings are sent, in any place: the platform has reported a rate
        limit."""
        self._closed_until_s = 0.0
        """Until then nothing is sent at all."""

    @contextlib.asynccontextmanager
    async def turn(
        self, name: str, rank: Callable[[], Rank | None], bucket: Bucket | None = None
    ) -> AsyncIterator[bool]:
        """Wait for a turn in a place and hold it while the block runs.

        A ``RateLimitedError`` that leaves the block is noted, and all calls wait as it says.

        Args:
            name: the place.
            rank: called whenever a turn is given away, and on ``look``; None from a caller that no
                longer wants it.
            bucket: the bucket of the block's first call; None for an uncounted call.

        Yields:
            whether there is a turn; False if it was no longer wanted.
        """
        has_turn = await self._take_paid(name, rank, bucket)
        try:
            yield has_turn
        except RateLimitedError as error:
            self._slow_down(self._place(name), error)
            if bucket and self._budget and not error.is_shared:
                await self._budget.close(bucket, error.retry_after_s)
            raise
        finally:
            if has_turn:
                self._free(name)

    def look(self, name: str) -> None:
        """Re-read the ranks of those who wait in this place."""
        if name in self._places:
            self._give(name)

    async def _take_paid(
        self, name: str, rank: Callable[[], Rank | None], bucket: Bucket | None
    ) -> bool:
        """Wait for a turn that the budget allows; others use the place's turns meanwhile."""
        number, from_s = next(self._numbers), 0.0
        while await self._take(name, rank, number, from_s):
            if bucket is None or self._budget is None:
                return True
            is_paid, wait_s = False, 0.0
            try:
                wanted = rank()
                if wanted is not None:
                    wait_s = await self._budget.take(bucket, wanted)
                    is_paid = wait_s <= 0
            finally:
                if not is_paid:
                    self._free(name)
            if is_paid or wanted is None:
                return is_paid
            from_s = asyncio.get_running_loop().time() + wait_s
        return False

    async def _take(
        self, name: str, rank: Callable[[], Rank | None], number: int, from_s: float
    ) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(rank, number, turn, from_s)
        place = self._place(name)
        place.waiting.append(waiting)
        self._give(name)
        try:
            return await turn
        except asyncio.CancelledError:
            if waiting in place.waiting:
                place.waiting.remove(waiting)
            elif turn.done() and not turn.cancelled() and turn.result():
                place.is_taken = False
            self._give(name)
            raise

    def _place(self, name: str) -> _Place:
        return self._places.setdefault(name, _Place())

    def _free(self, name: str) -> None:
        self._place(name).is_taken = False
        self._give(name)

    def _give(self, name: str) -> None:
        """Give the place's turn to the first waiter, if it is free and the time has come."""
        place = self._place(name)
        if place.timer:
            place.timer.cancel()
            place.timer = None
        # A cancelled waiter has no turn any more, and is not awake yet to say so.
        place.waiting = [waiting for waiting in place.waiting if not waiting.turn.cancelled()]
        ranks = {waiting: waiting.rank() for waiting in place.waiting}
        for waiting in [waiting for waiting, rank in ranks.items() if rank is None]:
            _give_up(place, waiting)
        if place.is_taken:
            return
        if not place.waiting:
            self._forget(name, place)
            return
        starts = {who: self._start(place, who, ranks[who]) for who in place.waiting}
        loop = asyncio.get_running_loop()
        ready = [who for who, from_s in starts.items() if from_s <= loop.time()]
        if not ready:
            place.timer = loop.call_at(min(starts.values()), self._give, name)
            return
        first = min(ready, key=lambda who: (ranks[who], who.number))
        place.is_taken = True
        place.waiting.remove(first)
        first.turn.set_result(True)

    def _start(self, place: _Place, who: _Waiting, rank: Rank | None) -> float:
        """When the next turn in the place may start, by the loop's clock."""
        calm_s = self._calm_until_s if rank is not Rank.ENDING else 0.0
        return max(place.closed_until_s, self._closed_until_s, calm_s, who.from_s)

    def _forget(self, name: str, place: _Place) -> None:
        """Drop the state of a place without callers or waiters, once it is open again."""
        until_s = max(place.closed_until_s, self._closed_until_s)
        loop = asyncio.get_running_loop()
        if loop.time() < until_s:
            place.timer = loop.call_at(until_s, self._give, name)
        else:
            self._places.pop(name, None)

    def _slow_down(self, place: _Place, error: RateLimitedError) -> None:
        until_s = asyncio.get_running_loop().time() + error.retry_after_s
        place.closed_until_s = max(place.closed_until_s, until_s)
        self._calm_until_s = max(self._calm_until_s, until_s)
        if error.is_everywhere:
            self._closed_until_s = max(self._closed_until_s, until_s)


def _give_up(place: _Place, waiting: _Waiting) -> None:
    place.waiting.remove(waiting)
    waiting.turn.set_result(False)


class RateAllowance:
    """A token bucket: a burst, then one at a time, evenly. The caller passes the time in."""

    def __init__(self, burst: int, every_s: float, clock: Clock) -> None:
        self._burst = burst
        self._every_s = every_s
        self._clock = clock
        self._full_at_s = clock()

    def take(self) -> bool:
        """Take one token, if there is one left."""
        now_s = self._clock()
        full_at_s = max(self._full_at_s, now_s) + self._every_s
        if full_at_s > now_s + self._burst * self._every_s:
            return False
        self._full_at_s = full_at_s
        return True
