"""Whether this process reaches its platform, and what follows for its outbox entries.

A process that does not, because its network or its proxy is broken, would keep the entries in hand
for ever, though another process could show them. It gives them up: they stay in the outbox, where
another process claims them, and this one takes none for a while.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReachPatience:
    """How long a platform is waited for, in seconds."""

    give_up_after_s: float = 30.0
    """After so long without one successful call: a platform's own faults are mostly shorter."""
    pause_s: float = 15.0
    """A healthy process claims what was given up within 10 s of it."""


REACH_PATIENCE = ReachPatience()


class Reach:
    """The reach of one platform from this process; used by one event loop."""

    def __init__(
        self,
        on_resume: Callable[[], None],
        patience: ReachPatience = REACH_PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a platform that is reached.

        Args:
            on_resume: called when entries may be taken again.
            patience: how long a platform is waited for.
            clock: in seconds.
        """
        self._on_resume = on_resume
        self._patience = patience
        self._clock = clock
        self._missed_since_s: float | None = None
        self._given_up = asyncio.Event()

    @property
    def is_given_up(self) -> bool:
        """Whether endings in hand are given up, and no others are taken."""
        return self._given_up.is_set()

    def note_reached(self) -> None:
        """An ending was shown."""
        self._missed_since_s = None

    def note_missed(self) -> None:
        """The platform did not answer a call for an ending."""
        now_s = self._clock()
        if self._missed_since_s is None:
            self._missed_since_s = now_s
        if now_s - self._missed_since_s < self._patience.give_up_after_s or self.is_given_up:
            return
        log.error("endings_given_up", seconds=round(now_s - self._missed_since_s))
        self._given_up.set()
        asyncio.get_running_loop().call_later(self._patience.pause_s, self._resume)

    async def wait(self, seconds: float) -> None:
        """Wait, but no longer than until endings are given up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._given_up.wait()

    def _resume(self) -> None:
        self._missed_since_s = None
        self._given_up.clear()
        self._on_resume()
