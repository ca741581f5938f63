"""An answer that comes late, to a client that may have hung up meanwhile."""

import asyncio

from aiohttp import web

LOOK_EVERY_S = 0.05


async def pause(request: web.Request, seconds: float) -> None:
    """Wait before an answer, as long as a client waits for it; the fake can close meanwhile."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds
    while loop.time() < until_s and request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - a transport sets no event
        await asyncio.sleep(LOOK_EVERY_S)
