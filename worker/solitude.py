"""Many at a time, or one alone: whoever must be alone waits for the others and keeps new ones out.

A readers-writer gate that prefers the writer. Knows neither jobs nor the engine; who waits is told
by its caller when to give up.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Solitude:
    """A place for many, or for one alone. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_together = 0
        self._has_hermit = False
        self._num_would_be_hermits = 0

    @contextmanager
    def entering(self, *, alone: bool, is_over: Callable[[], bool]) -> Iterator[bool]:
        """Be inside while the block runs.

        Args:
            alone: whether nobody else may be inside.
            is_over: whether to wait no longer; asked again after each ``wake``.

        Yields:
            Whether we are inside; False if it was over before.
        """
        with self._changed:
            has_entered = self._wait_alone(is_over) if alone else self._wait_together(is_over)
        try:
            yield has_entered
        finally:
            if has_entered:
                self._leave(alone=alone)

    def wake(self) -> None:
        """Let everybody who waits ask again whether it is over."""
        with self._changed:
            self._changed.notify_all()

    def _wait_together(self, is_over: Callable[[], bool]) -> bool:
        self._changed.wait_for(
            lambda: is_over() or not (self._has_hermit or self._num_would_be_hermits)
        )
        if is_over():
            return False
        self._num_together += 1
        return True

    def _wait_alone(self, is_over: Callable[[], bool]) -> bool:
        self._num_would_be_hermits += 1
        self._changed.wait_for(lambda: is_over() or not (self._has_hermit or self._num_together))
        self._num_would_be_hermits -= 1
        if is_over():
            self._changed.notify_all()  # those whom we kept out
            return False
        self._has_hermit = True
        return True

    def _leave(self, *, alone: bool) -> None:
        with self._changed:
            if alone:
                self._has_hermit = False
            else:
                self._num_together -= 1
            self._changed.notify_all()
