"""Cancels asyncio tasks until they have really ended."""

import asyncio
from collections.abc import Collection
from typing import Any

ASK_AGAIN_S = 5.0
"""Long enough for a graceful close: another request would cut that short."""


async def end(tasks: Collection[asyncio.Task[Any]], ask_again_s: float = ASK_AGAIN_S) -> None:
    """Cancel tasks until they have ended.

    One request may get lost: redis-py sends through ``asyncio.wait_for``, which in Python 3.11
    forgets a cancellation that arrives in the moment it completes
    (github.com/python/cpython/issues/86296).

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
        except asyncio.CancelledError as error:  # an outer call repeats its request equally late
            cancelled = error
    await asyncio.gather(*tasks, return_exceptions=True)  # their exceptions do not matter any more
    if cancelled:
        raise cancelled
