"""A task that asks Redis all the time ends at the first request: no cancellation gets lost."""

import asyncio
import random

from bots.store import AsyncStore, open_store

NUM_TASKS = 300
ASKED_WITHIN_S = 0.003
"""Some of the requests meet redis-py in the moment in which it has just sent."""
ENDS_WITHIN_S = 10.0


async def ask_forever(store: AsyncStore) -> None:
    while True:
        await store.state_of("nothing")


async def test_a_task_that_is_cancelled_in_a_call_ends(quiet_redis: str) -> None:
    store = await open_store(quiet_redis, allow_volatile=False)
    delays = random.Random(7)
    try:
        for _ in range(NUM_TASKS):
            task = asyncio.create_task(ask_forever(store))
            await asyncio.sleep(delays.uniform(0, ASKED_WITHIN_S))

            task.cancel()

            _, pending = await asyncio.wait([task], timeout=ENDS_WITHIN_S)
            assert not pending
            assert task.cancelled()
    finally:
        await store.close()
