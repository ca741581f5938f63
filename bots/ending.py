"""Ends tasks for certain. Knows nothing of what they do."""

import asyncio
from collections.abc import Collection
from typing import Any

ASK_AGAIN_S = 0.5


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    One request may get lost: redis-py sends through ``asyncio.wait_for``, which in Python 3.11
    forgets a cancellation that meets it in the moment it is done (github.com/python/cpython/issues/
    86296).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)  # their faults are nobody's news any more
