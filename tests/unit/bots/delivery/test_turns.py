"""Turns are given in order of rank, one at a time, and not while the platform wants to be alone."""

import asyncio
from collections.abc import Callable

import pytest

from bots.delivery.turns import Rank, RateAllowance, Turns
from shared.errors import RateLimitedError

WAIT_S = 5.0
LIMIT_S = 0.05
PLACE, ELSEWHERE = "C1", "C2"


class Street:
    """People who want turns, and the order in which they had them."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.had: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def queue_up(
        self, name: str, rank: Callable[[], Rank | None], place: str = PLACE
    ) -> asyncio.Task[None]:
        """Somebody waits for a turn; returns when they do."""
        task = asyncio.create_task(self._have_turn(name, rank, place))
        self._tasks.append(task)
        await asyncio.sleep(0)
        return task

    async def _have_turn(self, name: str, rank: Callable[[], Rank | None], place: str) -> None:
        async with self.turns.turn(place, rank) as has_turn:
            if has_turn:
                self.had.append(name)

    async def everybody(self) -> list[str]:
        """The order, once all who have not left had their turn."""
        await asyncio.wait_for(asyncio.gather(*self._tasks, return_exceptions=True), WAIT_S)
        return self.had


def always(rank: Rank | None) -> Callable[[], Rank | None]:
    return lambda: rank


async def test_turns_go_to_endings_then_texts_then_notices_each_in_their_order() -> None:
    street = Street()
    async with street.turns.turn(PLACE, always(Rank.TEXT)):
        for name, rank in [
            ("n1", Rank.NOTICE),
            ("t1", Rank.TEXT),
            ("e1", Rank.ENDING),
            ("t2", Rank.TEXT),
            ("e2", Rank.ENDING),
        ]:
            await street.queue_up(name, always(rank))
        assert street.had == [], "one at a time"

    assert await street.everybody() == ["e1", "e2", "t1", "t2", "n1"]


async def test_places_do_not_wait_for_each_other() -> None:
    street = Street()
    async with street.turns.turn(PLACE, always(Rank.TEXT)):
        await street.queue_up("elsewhere", always(Rank.NOTICE), ELSEWHERE)

        assert await street.everybody() == ["elsewhere"]


async def test_who_does_not_want_a_turn_any_more_leaves_at_once() -> None:
    street = Street()
    ranks: list[Rank | None] = [Rank.TEXT]
    async with street.turns.turn(PLACE, always(Rank.TEXT)):
        leaver = await street.queue_up("leaver", lambda: ranks[-1])
        ranks.append(None)

        street.turns.look(PLACE)

        await asyncio.wait_for(leaver, WAIT_S)
    assert street.had == []


async def test_who_is_cancelled_holds_nobody_up() -> None:
    street = Street()
    async with street.turns.turn(PLACE, always(Rank.TEXT)):
        gone = await street.queue_up("gone", always(Rank.ENDING))
        await street.queue_up("next", always(Rank.TEXT))
        gone.cancel()

    assert await street.everybody() == ["next"]


async def test_who_is_cancelled_with_a_turn_just_given_passes_it_on() -> None:
    street = Street()
    async with street.turns.turn(PLACE, always(Rank.TEXT)):
        gone = await street.queue_up("gone", always(Rank.ENDING))
        await street.queue_up("next", always(Rank.TEXT))
    gone.cancel()  # it has the turn, and does not know yet

    assert await street.everybody() == ["next"]


async def limit(street: Street, place: str, *, is_everywhere: bool = False) -> float:
    """The platform says "not so fast" in a place; returns when that is over, by the loop."""
    error = RateLimitedError(LIMIT_S, is_everywhere=is_everywhere)
    with pytest.raises(RateLimitedError):
        async with street.turns.turn(place, always(Rank.TEXT)):
            raise error
    return asyncio.get_running_loop().time() + LIMIT_S


async def test_after_a_limit_endings_elsewhere_go_on_and_all_else_waits() -> None:
    street = Street()
    await limit(street, PLACE)
    await street.queue_up("text elsewhere", always(Rank.TEXT), ELSEWHERE)
    await street.queue_up("text", always(Rank.TEXT))
    await street.queue_up("ending", always(Rank.ENDING))
    await street.queue_up("ending elsewhere", always(Rank.ENDING), ELSEWHERE)
    assert street.had == ["ending elsewhere"]

    order = await street.everybody()

    assert sorted(order) == sorted(["ending elsewhere", "ending", "text", "text elsewhere"])
    assert order.index("ending") < order.index("text")


async def test_after_a_limit_that_holds_everywhere_everybody_waits() -> None:
    street = Street()
    await limit(street, PLACE, is_everywhere=True)
    await street.queue_up("ending elsewhere", always(Rank.ENDING), ELSEWHERE)
    assert street.had == []

    assert await street.everybody() == ["ending elsewhere"]


async def test_after_a_limit_one_finds_out_whether_it_is_over() -> None:
    street = Street()
    until_s = await limit(street, PLACE)
    asked_at_s: list[float] = []

    async def ask() -> None:
        async with street.turns.turn(PLACE, always(Rank.ENDING)):
            asked_at_s.append(asyncio.get_running_loop().time())
            if len(asked_at_s) == 1:
                raise RateLimitedError(LIMIT_S)

    results = await asyncio.wait_for(
        asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True), WAIT_S
    )

    assert [isinstance(result, RateLimitedError) for result in results].count(True) == 1
    first, *others = asked_at_s
    assert first >= until_s - LIMIT_S / 2
    assert all(other >= first + LIMIT_S / 2 for other in others)


# seconds, whether there is one left: two at once, then one each three seconds
TAKEN: list[tuple[float, bool]] = [
    (0.0, True),
    (0.0, True),
    (0.0, False),
    (2.9, False),
    (3.0, True),
    (3.0, False),
    (100.0, True),
    (100.0, True),
    (100.0, False),
]


def test_an_allowance_has_some_at_once_and_then_gives_evenly() -> None:
    now_s = [0.0]
    allowance = RateAllowance(2, 3.0, lambda: now_s[0])

    for at_s, is_left in TAKEN:
        now_s[0] = at_s
        assert allowance.take() is is_left, at_s
