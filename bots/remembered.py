"""What is remembered for a while, in the memory of one process: the latest so many entries."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_REMEMBERED = 5_000


class Marks:
    """Names that are marked for a while."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``most``: how many names; ``clock`` is in seconds."""
        self._most = most
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def mark(self, name: str, for_s: float) -> None:
        """Mark a name from now on for so many seconds."""
        self._until[name] = self._clock() + for_s
        self._until.move_to_end(name)
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def __contains__(self, name: str) -> bool:
        """Whether a name is marked now."""
        return self._clock() < self._until.get(name, float("-inf"))


class Remembered(Generic[T]):
    """A cache of a platform's answers that expire, so that it is asked seldom."""

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
