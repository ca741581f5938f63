"""When we speak: every situation that a message can be in."""

import itertools

import pytest

from bots.policy import Situation, is_for_us

PERSON = {"is_from_person": True}

# what is known, whether we answer
TABLE: list[tuple[dict[str, bool], bool]] = [
    ({}, False),  # people talking in a channel
    ({"mentions_others": True}, False),
    ({"is_direct": True}, True),
    ({"is_direct": True, "mentions_others": True}, True),
    ({"mentions_us": True}, True),
    ({"mentions_us": True, "mentions_others": True}, True),
    ({"is_auto_reply": True}, True),
    ({"is_auto_reply": True, "mentions_others": True}, True),
    ({"is_follow_up": True}, True),
    ({"is_follow_up": True, "mentions_others": True}, False),  # to somebody else in the thread
    ({"is_follow_up": True, "mentions_others": True, "mentions_us": True}, True),
    ({"is_follow_up": True, "mentions_others": True, "is_direct": True}, True),
    ({"is_follow_up": True, "mentions_others": True, "is_auto_reply": True}, True),
]
FLAGS = ("is_direct", "mentions_us", "mentions_others", "is_follow_up", "is_auto_reply")


@pytest.mark.parametrize(("known", "is_ours"), TABLE)
def test_is_for_us_answers_people(known: dict[str, bool], *, is_ours: bool) -> None:
    assert is_for_us(Situation(**PERSON, **known)) is is_ours


@pytest.mark.parametrize("values", list(itertools.product([False, True], repeat=len(FLAGS))))
def test_is_for_us_never_answers_bots_and_ourselves(values: tuple[bool, ...]) -> None:
    known = dict(zip(FLAGS, values, strict=True))

    assert not is_for_us(Situation(is_from_person=False, **known))
