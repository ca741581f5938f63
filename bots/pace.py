"""Whose turn it is to call the platform: one call at a time in each place, endings first.

A platform that says "not so fast" is left alone for as long as it asks; then one call goes ahead of
all others and finds out whether it has had enough. Knows neither platforms nor the ledger.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import IntEnum

from shared.errors import RateLimitedError

Clock = Callable[[], float]


class Rank(IntEnum):
    """What goes before what."""

    ENDING = 0
    TEXT = 1
    NOTICE = 2


@dataclass(eq=False, slots=True)
class _Waiting:
    rank: Callable[[], Rank | None]
    number: int
    turn: asyncio.Future[bool]


@dataclass(eq=False, slots=True)
class _Place:
    """What happens in one place: at most one call, and those who wait for it to end."""

    is_taken: bool = False
    closed_until_s: float = 0.0
    waiting: list[_Waiting] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Pace:
    """The turns of one platform. For one event loop."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._numbers = itertools.count()
        self._calm_until_s = 0.0
        """Until then nothing but endings goes out, in any place: the platform has had enough."""
        self._closed_until_s = 0.0
        """Until then nothing goes out at all."""

    @contextlib.asynccontextmanager
    async def turn(self, name: str, rank: Callable[[], Rank | None]) -> AsyncIterator[bool]:
        """Wait for a turn in a place and have it while the block runs.

        A ``RateLimitedError`` that leaves the block is noted, and everybody waits as it says.

        Args:
            name: the place.
            rank: asked whenever a turn is given away, and when somebody calls ``look``; None for
                one who does not want it any more.

        Yields:
            whether there is a turn; False if it was not wanted any more.
        """
        place = self._places.setdefault(name, _Place())
        has_turn = await self._take(name, place, rank)
        try:
            yield has_turn
        except RateLimitedError as error:
            self._slow_down(place, error)
            raise
        finally:
            if has_turn:
                place.is_taken = False
                self._give(name, place)

    def look(self, name: str) -> None:
        """Somebody who waits in this place may have another rank now."""
        if place := self._places.get(name):
            self._give(name, place)

    async def _take(self, name: str, place: _Place, rank: Callable[[], Rank | None]) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(rank, next(self._numbers), turn)
        place.waiting.append(waiting)
        self._give(name, place)
        try:
            return await turn
        except asyncio.CancelledError:
            if waiting in place.waiting:
                place.waiting.remove(waiting)
            elif turn.done() and not turn.cancelled() and turn.result():
                place.is_taken = False
            self._give(name, place)
            raise

    def _give(self, name: str, place: _Place) -> None:
        """Give the place's turn to whoever is first, if it is free and the time has come."""
        if place.timer:
            place.timer.cancel()
            place.timer = None
        # Who was cancelled has a turn no more, and is not awake yet to say so.
        place.waiting = [waiting for waiting in place.waiting if not waiting.turn.cancelled()]
        ranks = {waiting: waiting.rank() for waiting in place.waiting}
        for waiting in [waiting for waiting, rank in ranks.items() if rank is None]:
            _give_up(place, waiting)
        if place.is_taken:
            return
        loop = asyncio.get_running_loop()
        from_s = max(place.closed_until_s, self._closed_until_s)
        first = min(place.waiting, key=lambda who: (ranks[who], who.number), default=None)
        if first and ranks[first] is not Rank.ENDING:
            from_s = max(from_s, self._calm_until_s)
        if loop.time() < from_s:
            place.timer = loop.call_at(from_s, self._give, name, place)
        elif first:
            place.is_taken = True
            place.waiting.remove(first)
            first.turn.set_result(True)
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


class Allowance:
    """So many at once, and then one at a time, evenly. Decides by a clock that is passed in."""

    def __init__(self, burst: int, every_s: float, clock: Clock) -> None:
        self._burst = burst
        self._every_s = every_s
        self._clock = clock
        self._full_at_s = clock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        now_s = self._clock()
        full_at_s = max(self._full_at_s, now_s) + self._every_s
        if full_at_s > now_s + self._burst * self._every_s:
            return False
        self._full_at_s = full_at_s
        return True
