"""Answers of a platform that are remembered for a while, so that it is asked seldom."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_REMEMBERED = 5_000


class Remembered(Generic[T]):
    """A cache of answers that expire; the latest so many of them."""

    def __init__(self, good_for_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._good_for_s = good_for_s
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()

    async def get(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of this name; requested if it is not cached."""
        known = self._known.get(name)
        if known and self._clock() < known[0]:
            return known[1]
        answer = await ask()
        self._known[name] = (self._clock() + self._good_for_s, answer)
        self._known.move_to_end(name)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return answer
