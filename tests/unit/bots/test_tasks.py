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
