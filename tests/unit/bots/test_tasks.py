"""Tasks end also if they lose a cancellation."""

import asyncio

from bots.tasks import end


async def test_a_task_that_loses_a_cancellation_is_asked_again() -> None:
    num_asked = 0

    async def stubborn() -> None:
        nonlocal num_asked
        while num_asked < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                num_asked += 1

    async def faulty() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it ended")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(faulty())]
    await asyncio.sleep(0)

    await end(tasks, ask_again_s=0.01)

    assert num_asked == 2
    assert all(task.done() for task in tasks)
    await end([])


async def test_who_is_asked_again_while_it_ends_its_own_tasks_leaves_none() -> None:
    """As an adapter that ends its parts, one of which has lost the first cancellation."""
    parts: list[asyncio.Task[None]] = []

    async def forgetful() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def adapter() -> None:
        parts.append(asyncio.create_task(forgetful()))
        try:
            await asyncio.Event().wait()
        finally:
            await end(parts, ask_again_s=60)

    running = asyncio.create_task(adapter())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await end([running], ask_again_s=0.01)

    assert parts[0].done()
    assert running.cancelled()
