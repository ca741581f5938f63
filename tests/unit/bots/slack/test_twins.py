"""One mention comes as two events: the one without files leaves it to the other, if that comes."""

import asyncio

import pytest

from bots.slack.handlers.attachments import MAX_REMEMBERED, Twins

PLACE = ("C1", "1.0")


async def test_a_mention_is_left_to_the_messages_own_event() -> None:
    twins = Twins()

    with twins.taking(*PLACE):
        pass

    assert await twins.took(*PLACE)


async def test_an_event_that_has_come_is_waited_for_as_long_as_it_takes() -> None:
    twins, may_end = Twins(), asyncio.Event()

    async def take() -> None:
        with twins.taking(*PLACE):
            await may_end.wait()

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(twins.took(*PLACE))
        group.create_task(take())
        _, waiting = await asyncio.wait(
            {asked}, timeout=0.6
        )  # longer than for one that never comes
        assert waiting
        may_end.set()

    assert asked.result()


async def test_a_mention_is_taken_where_the_other_event_does_not_come_or_fails() -> None:
    twins = Twins()

    assert not await twins.took(*PLACE)
    with pytest.raises(TimeoutError), twins.taking(*PLACE):
        raise TimeoutError

    assert not await twins.took(*PLACE)
    with twins.taking(*PLACE):
        pass
    assert await twins.took(*PLACE)


async def test_what_was_taken_stays_taken_when_it_comes_again_and_fails() -> None:
    twins = Twins()
    for place in (PLACE, ("C1", "2.0")):
        with twins.taking(*place):
            pass

    with pytest.raises(TimeoutError), twins.taking(*PLACE):
        raise TimeoutError

    assert await twins.took(*PLACE)
    assert await twins.took("C1", "2.0")


async def test_memory_is_bounded() -> None:
    twins = Twins()
    with twins.taking("C1", "first"):
        pass

    for number in range(MAX_REMEMBERED):
        with twins.taking("C1", str(number)):
            pass

    assert await twins.took("C1", "0")
    assert not await twins.took("C1", "first")
