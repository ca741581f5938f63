"""Who need not be listened to for a moment, by a clock that is passed in."""

import asyncio

import pytest

from bots.incoming.flood_guard import MAX_AT_ONCE, MAX_REMEMBERED, FloodGuard
from shared.ledger.lifecycle import AskAllowance

ALLOWANCE = AskAllowance(user_per_min=20, channel_per_min=120, max_open_per_user=5, max_queue=100)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("reason", "hold_s"),
    [
        ("user_rate", 1.5),  # half of 60 s / 20
        ("channel_rate", 0.25),  # half of 60 s / 120
        ("open_jobs", 0.5),
        ("queue_full", 0.5),
    ],
)
def test_who_was_refused_is_held_off_until_it_may_be_otherwise(reason: str, hold_s: float) -> None:
    clock = Clock()
    flood_guard = FloodGuard(ALLOWANCE, clock)

    flood_guard.note_refused("alice", reason)

    assert flood_guard.holds_off("alice")
    assert not flood_guard.holds_off("bob")
    clock.now_s += hold_s - 0.01
    assert flood_guard.holds_off("alice")
    clock.now_s += 0.02
    assert not flood_guard.holds_off("alice")
    assert flood_guard.num_dropped == 2


def test_a_message_that_was_only_too_long_holds_nobody_off() -> None:
    flood_guard = FloodGuard(ALLOWANCE, Clock())

    flood_guard.note_refused("alice", "too_long")

    assert not flood_guard.holds_off("alice")


def test_nobody_is_held_off_where_nothing_is_limited() -> None:
    flood_guard = FloodGuard(None, Clock())

    flood_guard.note_refused("alice", "user_rate")

    assert not flood_guard.holds_off("alice")


def test_memory_is_bounded_and_forgets_whom_it_heard_of_first() -> None:
    flood_guard = FloodGuard(ALLOWANCE, Clock())

    for number in range(MAX_REMEMBERED + 1):
        flood_guard.note_refused(f"user{number}", "user_rate")

    assert not flood_guard.holds_off("user0")
    assert flood_guard.holds_off("user1")
    assert flood_guard.holds_off(f"user{MAX_REMEMBERED}")


async def test_few_of_one_persons_messages_have_their_files_fetched() -> None:
    flood_guard = FloodGuard(ALLOWANCE)
    is_there = asyncio.Event()
    begun: list[str] = []

    async def fetch(asker: str) -> None:
        async with flood_guard.few_of(asker):
            begun.append(asker)
            await is_there.wait()

    async with asyncio.TaskGroup() as group:
        for asker in [*["alice"] * (MAX_AT_ONCE + 2), "bob"]:
            group.create_task(fetch(asker))
        await asyncio.sleep(0)
        at_first = list(begun)
        is_there.set()

    assert at_first == [*["alice"] * MAX_AT_ONCE, "bob"]
    assert begun.count("alice") == MAX_AT_ONCE + 2


async def test_few_of_one_persons_messages_and_one_of_a_channels_are_before_the_ledger() -> None:
    flood_guard = FloodGuard(ALLOWANCE)
    answer = asyncio.Event()
    begun: list[str] = []

    async def ask(name: str, asker: str, channel: str) -> None:
        async with flood_guard.in_line(asker, channel):
            begun.append(name)
            await answer.wait()

    everywhere = [(f"alice{number}", "alice", f"C{number}") for number in range(MAX_AT_ONCE + 2)]
    here = [("bob0", "bob", "here"), ("carol0", "carol", "here"), ("bob1", "bob", "here")]
    async with asyncio.TaskGroup() as group:
        for name, asker, channel in (*everywhere, *here):
            group.create_task(ask(name, asker, channel))
        await asyncio.sleep(0)
        at_first = list(begun)
        answer.set()

    assert at_first == [*(f"alice{number}" for number in range(MAX_AT_ONCE)), "bob0"]
    assert [name for name in begun if name[:-1] != "alice"] == ["bob0", "carol0", "bob1"]
    assert [name for name in begun if name[:-1] == "alice"] == [name for name, _, _ in everywhere]
