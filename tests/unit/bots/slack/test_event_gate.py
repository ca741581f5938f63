"""Events that came before are recognised; the others come in few at a time, in their order."""

import asyncio
from functools import partial

import pytest

from bots.slack.event_gate import MAX_AT_ONCE, MAX_REMEMBERED, EventGate
from bots.slack.parse.events import EventName

BRIEF_S = 0.05
MESSAGE = "T1 C1 1.0"
OWN = EventName("Ev1", MESSAGE)
MENTION = EventName("Ev2", MESSAGE, is_mention=True)


class Work:
    """What is done about events, until it may end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def take(self, event: str, *, is_taken: bool = True) -> bool:
        self.begun.append(event)
        await self.may_end.wait()
        return is_taken


async def taken() -> bool:
    return True


async def refused() -> bool:
    return False


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


# Few at a time


async def test_few_are_inside_and_the_others_follow_in_their_order() -> None:
    gate, work = EventGate(), Work()
    events = [f"E{number}" for number in range(2 * MAX_AT_ONCE)]

    async with asyncio.TaskGroup() as group:
        for event in events:
            group.create_task(gate.take(EventName(event), partial(work.take, event)))
        await settle()
        at_first = list(work.begun)
        work.may_end.set()

    assert at_first == events[:MAX_AT_ONCE]
    assert work.begun == events


async def test_what_takes_longer_than_slack_waits_makes_room_and_goes_on() -> None:
    gate, work = EventGate(answer_s=BRIEF_S), Work()
    slow = [EventName(f"E{number}") for number in range(MAX_AT_ONCE)]

    outcomes = await asyncio.gather(*(gate.take(e, partial(work.take, e.id)) for e in slow))
    assert await gate.take(EventName("next"), taken)
    again = asyncio.create_task(gate.take(slow[0], partial(work.take, "again")))
    await settle()
    work.may_end.set()

    assert outcomes == [False] * MAX_AT_ONCE
    assert await again
    assert "again" not in work.begun


# Copies


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("num_before", [0, MAX_AT_ONCE], ids=["inside", "waiting"])
async def test_a_copy_shares_the_outcome_of_the_first(num_before: int, *, is_taken: bool) -> None:
    gate, work = EventGate(), Work()

    async with asyncio.TaskGroup() as group:
        for number in range(num_before):
            group.create_task(gate.take(EventName(f"E{number}"), lambda: work.take("before")))
        copies = [
            group.create_task(
                gate.take(EventName("event"), lambda: work.take("event", is_taken=is_taken))
            )
            for _ in range(3)
        ]
        await settle()
        work.may_end.set()

    assert [copy.result() for copy in copies] == [is_taken] * 3
    assert work.begun.count("event") == 1


async def test_an_event_that_comes_again_later_is_taken_anew() -> None:
    gate, work = EventGate(), Work()
    work.may_end.set()

    outcomes = [
        await gate.take(EventName("event"), partial(work.take, "event", is_taken=outcome))
        for outcome in (False, True)
    ]

    assert outcomes == [False, True]


async def test_who_waits_may_give_up_and_the_event_is_taken_all_the_same() -> None:
    gate, work = EventGate(), Work()
    first, patient = (
        asyncio.create_task(gate.take(EventName("event"), lambda: work.take("event")))
        for _ in range(2)
    )
    await settle()

    first.cancel()
    await settle()
    assert first.cancelled()
    assert not patient.done()
    work.may_end.set()

    assert await patient
    assert work.begun == ["event"]


async def test_what_is_under_way_when_the_process_ends_is_not_taken() -> None:
    gate, work = EventGate(), Work()
    events = [OWN, MENTION, *(EventName(f"E{number}") for number in range(2 * MAX_AT_ONCE))]
    waiting = [
        asyncio.create_task(gate.take(event, partial(work.take, event.id))) for event in events
    ]
    await settle()

    await gate.close()

    assert await asyncio.gather(*waiting) == [False] * len(events)


async def test_what_goes_wrong_inside_is_told_to_who_waits_and_holds_nobody_up() -> None:
    gate = EventGate()

    async def fail() -> bool:
        await asyncio.sleep(0)
        raise OSError("away")

    copies = [asyncio.create_task(gate.take(EventName("event"), fail)) for _ in range(2)]
    await asyncio.wait(copies)

    assert [str(copy.exception()) for copy in copies] == ["away"] * 2
    for number in range(MAX_AT_ONCE + 1):
        with pytest.raises(OSError, match="away"):
            await gate.take(EventName(f"E{number}"), fail)


# The two events of a mention


async def test_a_mention_is_left_to_the_messages_own_event() -> None:
    gate, work = EventGate(), Work()
    work.may_end.set()

    assert await gate.take(OWN, partial(work.take, "own"))
    assert await gate.take(MENTION, partial(work.take, "mention"))

    assert work.begun == ["own"]


async def test_a_mention_that_comes_first_is_left_to_the_messages_own_event_too() -> None:
    gate, work = EventGate(), Work()
    mentions = [MENTION, EventName("Ev3", MESSAGE, is_mention=True)]
    early = [asyncio.create_task(gate.take(m, partial(work.take, "mention"))) for m in mentions]
    await settle()

    own = asyncio.create_task(gate.take(OWN, partial(work.take, "own")))
    await settle()
    assert not early[0].done()
    work.may_end.set()

    assert await asyncio.gather(own, *early) == [True] * 3
    assert work.begun == ["own"]


async def test_an_event_that_has_come_is_waited_for_as_long_as_it_takes() -> None:
    gate, work = EventGate(twin_s=BRIEF_S), Work()
    async with asyncio.TaskGroup() as group:
        for number in range(MAX_AT_ONCE):
            event = EventName(f"E{number}")
            group.create_task(gate.take(event, partial(work.take, "other")))
        group.create_task(gate.take(OWN, partial(work.take, "own")))  # waits for its turn
        mention = group.create_task(gate.take(MENTION, partial(work.take, "mention")))
        _, waiting = await asyncio.wait({mention}, timeout=3 * BRIEF_S)
        assert waiting
        work.may_end.set()

    assert mention.result()
    assert set(work.begun) == {"other", "own"}


async def test_a_mention_is_taken_where_the_other_event_does_not_come_or_fails() -> None:
    gate, work = EventGate(twin_s=BRIEF_S), Work()
    work.may_end.set()

    assert await gate.take(MENTION, partial(work.take, "alone"))
    assert not await gate.take(OWN, refused)

    assert await gate.take(MENTION, partial(work.take, "failed"))
    assert await gate.take(OWN, partial(work.take, "own"))
    assert await gate.take(MENTION, partial(work.take, "late"))
    assert work.begun == ["alone", "failed", "own"]


async def test_a_mention_is_taken_where_the_other_event_breaks_down_before_it() -> None:
    gate, work = EventGate(), Work()
    work.may_end.set()

    async def fail() -> bool:
        await settle()
        raise OSError("away")

    own = asyncio.create_task(gate.take(OWN, fail))
    mention = asyncio.create_task(gate.take(MENTION, partial(work.take, "mention")))

    assert await mention
    with pytest.raises(OSError, match="away"):
        await own
    assert work.begun == ["mention"]


async def test_what_was_taken_stays_taken_when_it_comes_again_and_fails() -> None:
    gate = EventGate()
    others = "T1 C1 2.0"
    for number, message in enumerate((MESSAGE, others)):
        assert await gate.take(EventName(f"E{number}", message), taken)

    assert not await gate.take(EventName("again", MESSAGE), refused)

    assert await gate.take(MENTION, refused)
    assert await gate.take(EventName("Ev3", others, is_mention=True), refused)


async def test_a_message_of_another_place_is_another_message() -> None:
    gate = EventGate(twin_s=BRIEF_S)
    assert await gate.take(OWN, taken)

    for number, place in enumerate(("T2 C1 1.0", "T1 C2 1.0", "T1 C1 1.1")):
        mention = EventName(f"E{number}", place, is_mention=True)
        assert not await gate.take(mention, refused)


async def test_memory_is_bounded() -> None:
    gate = EventGate(twin_s=BRIEF_S)
    assert await gate.take(OWN, taken)

    for number in range(MAX_REMEMBERED):
        assert await gate.take(EventName(f"E{number}", str(number)), taken)

    assert await gate.take(EventName("known", "0", is_mention=True), refused)
    assert not await gate.take(MENTION, refused)
