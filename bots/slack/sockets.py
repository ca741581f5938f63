"""Keeps Socket Mode's connections open, and reports times without any connection.

Slack sends each event to one of an app's connections, and nothing to an app without any. Knows
nothing of Slack's client but what a ``Socket`` is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shared.errors import PlatformError
from shared.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_S = 0.5
REOPEN_S = 15.0
"""An attempt that takes longer is given up for a new one."""
LONGEST_PAUSE_S = 10.0


class Socket(Protocol):
    """One connection."""

    async def session(self) -> object | None:
        """The connection, if it is alive; another object after each reconnect."""
        ...

    async def reopen(self) -> None:
        """Connect again, unless that is being done.

        Raises:
            PlatformError: it did not work.
        """
        ...


async def watch(sockets: Sequence[Socket], on_gap: Callable[[], Awaitable[None]]) -> None:
    """Reconnect broken connections until cancelled.

    Args:
        sockets: they are open.
        on_gap: called when events are received again after a time in which some may have been
            missed: when none of the connections was there at the last look.
    """
    async with asyncio.TaskGroup() as group:
        for socket in sockets:
            group.create_task(_keep_open(socket))
        known = await _sessions(sockets)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not (now := await _sessions(sockets)):
                continue
            if not any(session is old for session in now for old in known):
                log.warning("sockets_were_down")
                await on_gap()
            known = now


async def _sessions(sockets: Sequence[Socket]) -> list[object]:
    found = [await socket.session() for socket in sockets]
    return [session for session in found if session is not None]


async def _keep_open(socket: Socket) -> None:
    pause_s = LOOK_EVERY_S
    while True:
        await asyncio.sleep(pause_s)
        if await socket.session() is not None:
            pause_s = LOOK_EVERY_S
            continue
        pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        try:
            async with asyncio.timeout(REOPEN_S):
                await socket.reopen()
        except (PlatformError, TimeoutError) as error:
            log.warning("socket_down", reason=str(error) or type(error).__name__)
