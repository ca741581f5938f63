"""Few events at a time, each once, in the order in which they came."""

import asyncio
from functools import partial

import pytest

from bots.slack.event_gate import MAX_AT_ONCE, EventGate


class Work:
    """What is done about events, until it may end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def take(self, event: str, *, is_taken: bool = True) -> bool:
        self.begun.append(event)
        await self.may_end.wait()
        return is_taken


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_few_are_inside_and_the_others_follow_in_their_order() -> None:
    event_gate, work = EventGate(), Work()
    events = [f"E{number}" for number in range(2 * MAX_AT_ONCE)]

    async with asyncio.TaskGroup() as group:
        for event in events:
            group.create_task(event_gate.let_in(event, partial(work.take, event)))
        await settle()
        at_first = list(work.begun)
        work.may_end.set()

    assert at_first == events[:MAX_AT_ONCE]
    assert work.begun == events


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("num_before", [0, MAX_AT_ONCE], ids=["inside", "waiting"])
async def test_a_copy_shares_the_outcome_of_the_first(num_before: int, *, is_taken: bool) -> None:
    event_gate, work = EventGate(), Work()

    async with asyncio.TaskGroup() as group:
        for number in range(num_before):
            group.create_task(event_gate.let_in(f"E{number}", lambda: work.take("before")))
        copies = [
            group.create_task(
                event_gate.let_in("event", lambda: work.take("event", is_taken=is_taken))
            )
            for _ in range(3)
        ]
        await settle()
        work.may_end.set()

    assert [copy.result() for copy in copies] == [is_taken] * 3
    assert work.begun.count("event") == 1


async def test_an_event_that_comes_again_later_is_taken_anew() -> None:
    event_gate, work = EventGate(), Work()
    work.may_end.set()

    outcomes = [
        await event_gate.let_in("event", partial(work.take, "event", is_taken=outcome))
        for outcome in (False, True)
    ]

    assert outcomes == [False, True]


async def test_a_copy_may_give_up_and_a_first_one_that_gives_up_is_not_taken() -> None:
    event_gate, work = EventGate(), Work()
    first, impatient, patient = (
        asyncio.create_task(event_gate.let_in("event", lambda: work.take("event")))
        for _ in range(3)
    )
    await settle()

    impatient.cancel()
    await settle()
    assert not patient.done()
    first.cancel()
    await settle()

    assert patient.result() is False
    assert impatient.cancelled()
    assert first.cancelled()
    work.may_end.set()
    assert await event_gate.let_in("event", lambda: work.take("event"))


async def test_what_goes_wrong_inside_is_told_to_the_first_and_holds_nobody_up() -> None:
    event_gate = EventGate()

    async def fail() -> bool:
        await asyncio.sleep(0)
        raise OSError("away")

    async with asyncio.TaskGroup() as group:

        async def first() -> None:
            with pytest.raises(OSError, match="away"):
                await event_gate.let_in("event", fail)

        group.create_task(first())
        copy = group.create_task(event_gate.let_in("event", fail))

    assert copy.result() is False
    for number in range(MAX_AT_ONCE + 1):
        with pytest.raises(OSError, match="away"):
            await event_gate.let_in(f"E{number}", fail)
