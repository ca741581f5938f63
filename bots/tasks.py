"""Ends tasks for certain. Knows nothing of what they do."""

import asyncio
from collections.abc import Collection
from typing import Any

ASK_AGAIN_S = 5.0
"""Long enough for whoever hangs up politely: asking again would cut that short."""


async def end(tasks: Collection[asyncio.Task[Any]], ask_again_s: float = ASK_AGAIN_S) -> None:
    """Cancel tasks until they have ended.

    One request may get lost: redis-py sends through ``asyncio.wait_for``, which in Python 3.11
    forgets a cancellation that meets it in the moment it is done (github.com/python/cpython/issues/
    86296).

    Raises:
        asyncio.CancelledError: this call was cancelled, too; the tasks have ended all the same.
    """
    pending = set(tasks)
    cancelled: asyncio.CancelledError | None = None
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending, timeout=ask_again_s)
        except asyncio.CancelledError as error:  # an outer one asks again, as late as this one
            cancelled = error
    await asyncio.gather(*tasks, return_exceptions=True)  # their faults are nobody's news any more
    if cancelled:
        raise cancelled
