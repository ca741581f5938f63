"""Which messages a task works on."""

import dataclasses

import pytest

from bots.discord.parse import selection
from bots.discord.parse.payloads import DiscordPlace, Facts, id_at, origin_of
from bots.discord.parse.selection import MAX_CHARS, MAX_MESSAGES
from bots.incoming.context import LastHours, SinceAsker, Wanted, WholeThread

ALICE, BOB = 3, 4
NOW_S = 1_790_000_000.0
HOUR_S = 3600.0
PLACE = DiscordPlace(10, 20)


def said(minutes_ago: float, author: int = BOB, text: str = "hello", **more: object) -> Facts:
    message = id_at(NOW_S - minutes_ago * 60)
    facts = Facts(PLACE, message, author, text, frozenset({1}), is_from_person=True)
    return dataclasses.replace(facts, **more)  # type: ignore[arg-type]  # fields by name


OLD, MINE, LATE, LAST = said(180), said(90, ALICE), said(30), said(1)
ALL = [OLD, MINE, LATE, LAST]
ASKED = dataclasses.replace(origin_of(PLACE, id_at(NOW_S), ALICE), act="command:summarize")


@pytest.mark.parametrize(
    ("wanted", "start"),
    [
        (LastHours(2.0), 1),  # 120 minutes: OLD is older
        (LastHours(1.0), 2),
        (LastHours(24.0), None),  # there may be more further back
        (SinceAsker(), 2),
        (WholeThread(), None),
    ],
)
def test_what_is_wanted_begins_behind_the_last_that_is_not(
    wanted: Wanted, start: int | None
) -> None:
    assert selection.start_of(ALL, ASKED, wanted) == start


def test_a_chain_is_a_message_with_what_replies_to_it_and_to_those() -> None:
    first = said(60)
    second = said(50, reply_to=first.message)
    third = said(40, reply_to=second.message)
    later = [first, second, said(45), third, said(30, reply_to=1)]

    assert selection.chain(later, first.message) == [first, second, third]


def test_bots_silence_and_people_who_opted_out_are_left_out() -> None:
    bots, silent, out = said(3, is_from_person=False), said(2, text=""), said(1, ALICE)

    assert selection.kept([LATE, bots, silent, out], {str(ALICE)}, is_one=False) == [LATE]


def test_the_one_that_was_pointed_at_may_be_a_bots_but_not_of_who_opted_out() -> None:
    bots = said(3, is_from_person=False)

    assert selection.kept([bots], set(), is_one=True) == [bots]
    assert selection.kept([said(1, ALICE)], {str(ALICE)}, is_one=True) == []


def test_of_too_many_the_latest_are_kept() -> None:
    many = [said(1000 - number) for number in range(MAX_MESSAGES + 5)]
    long = [said(3 - number, text="x" * (MAX_CHARS // 2)) for number in range(3)]

    assert selection.kept(many, set(), is_one=False) == many[5:]
    assert selection.kept(long, set(), is_one=False) == long[1:]


def test_the_message_above_is_a_persons_that_says_something() -> None:
    page = [LATE, LAST, said(0.5, text=""), said(0.2, is_from_person=False)]

    assert selection.last_of_a_person(page) == [LAST]
    assert selection.last_of_a_person([]) == []


def test_what_was_said_before_ends_before_the_question() -> None:
    assert selection.before(ALL, LAST.message) == ALL[:3]
