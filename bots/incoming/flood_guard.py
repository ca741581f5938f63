"""Flood guard: remembers who was refused a moment ago, so that a flood costs this process little.

The ledger enforces the limits; this only keeps its decision for the short time in which it cannot
change, and lets few of one person's messages, and one of a channel's, be with the ledger at once.
The caller passes the clock in.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bots.remembered import Marks
from shared.ledger.lifecycle import AskAllowance

MAX_REMEMBERED = 10_000
MAX_AT_ONCE = 4
"""Messages of one person that are with the ledger; the others may turn out to be of a flood."""
SHARE = 0.5
"""Of the time until a bucket has its next message: the ledger is asked again before its decision
can change, so that no message is refused here that it would accept."""
OPEN_JOBS_HOLD_S = 0.5
"""An answer may be done at any time."""


@dataclass(slots=True)
class _Line:
    """Messages that are with the ledger, and those queued behind them."""

    gate: asyncio.Semaphore
    num_messages: int = 0


class FloodGuard:
    """Which people's messages to drop right now."""

    def __init__(
        self, allowance: AskAllowance | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hold_s = _holds(allowance) if allowance else {}
        self._held_off = Marks(MAX_REMEMBERED, clock)
        self._lines: dict[str, _Line] = {}
        self.num_dropped = 0

    @contextlib.asynccontextmanager
    async def in_line(self, asker: str, channel: str) -> AsyncIterator[None]:
        """Wait until few of this person's messages, and none of this channel, are with the ledger.

        So messages of a channel are recorded in the order of their arrival.
        """
        async with self._in(f"asker {asker}", MAX_AT_ONCE), self._in(f"channel {channel}", 1):
            yield

    def few_of(self, asker: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait until few of this person's messages have their files fetched."""
        return self._in(f"files {asker}", MAX_AT_ONCE)

    @contextlib.asynccontextmanager
    async def _in(self, name: str, num_at_once: int) -> AsyncIterator[None]:
        line = self._lines.setdefault(name, _Line(asyncio.Semaphore(num_at_once)))
        line.num_messages += 1
        try:
            async with line.gate:
                yield
        finally:
            line.num_messages -= 1
            if line.num_messages == 0:
                del self._lines[name]

    def note_refused(self, asker: str, reason: str) -> None:
        """Record that the ledger refused this person's message, for this reason."""
        hold_s = self._hold_s.get(reason)
        if hold_s is not None:
            self._held_off.mark(asker, hold_s)

    def holds_off(self, asker: str) -> bool:
        """Whether the ledger would refuse this person's messages again."""
        is_held_off = asker in self._held_off
        self.num_dropped += is_held_off
        return is_held_off


def _holds(allowance: AskAllowance) -> dict[str, float]:
    """Reason of a refusal -> for how long it stands, in seconds."""
    minute_s = 60.0
    return {
        "user_rate": SHARE * minute_s / allowance.user_per_min,
        "channel_rate": SHARE * minute_s / allowance.channel_per_min,
        "open_jobs": OPEN_JOBS_HOLD_S,
        "queue_full": OPEN_JOBS_HOLD_S,
    }
