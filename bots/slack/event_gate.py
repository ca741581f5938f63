"""Lets few events in at a time, and each once: the others wait outside, where they cost little.

Slack sends an event again that is not acknowledged within three seconds. Whoever begins with all of
a flood at once, and with each copy anew, has the more to do the later it is, and in the end does
nothing in time.
"""

import asyncio
from collections.abc import Awaitable, Callable

MAX_AT_ONCE = 64


class EventGate:
    """The way in for events, in the order in which they come."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(MAX_AT_ONCE)
        self._outcomes: dict[str, asyncio.Future[bool]] = {}
        """Event -> whether it was taken, of those that wait or are inside."""

    async def let_in(self, event: str, take: Callable[[], Awaitable[bool]]) -> bool:
        """Take an event when it is its turn; a copy of one that is on its way shares its outcome.

        Args:
            event: its id, the same in each copy.
            take: returns whether it was taken.
        """
        if outcome := self._outcomes.get(event):
            return await asyncio.shield(outcome)
        outcome = self._outcomes[event] = asyncio.get_running_loop().create_future()
        is_taken = False
        try:
            async with self._gate:
                is_taken = await take()
        finally:
            del self._outcomes[event]
            outcome.set_result(is_taken)
        return is_taken
