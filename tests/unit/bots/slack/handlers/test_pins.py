"""What Slack lists as pinned, as the events that told of it or should have."""

from typing import Any

import pytest

from bots.incoming.intake import intake, unasked
from bots.slack.parse import automation
from bots.slack.parse.automation import pinned_of
from shared.jobs import Audience, job_id
from shared.tasks import Quoted

ITEM: dict[str, Any] = {
    "type": "message",
    "created": 1_700_000_100,
    "created_by": "U0ALICE",
    "message": {"type": "message", "user": "U0BOB", "ts": "1700000000.000100", "text": "Hm."},
}


def test_a_pinned_message_is_its_pinners_and_learned_again_if_it_is_pinned_again() -> None:
    first = pinned_of(ITEM, "C1", "T1")
    again = pinned_of({**ITEM, "created": 1_700_000_200}, "C1", "T1")

    assert first is not None
    assert again is not None
    origin = first.origin
    assert (origin.team, origin.channel, origin.message) == ("T1", "C1", "1700000000.000100")
    assert (origin.user, origin.audience, first.author) == ("U0ALICE", Audience.ASKER, "U0BOB")
    assert job_id(origin) != job_id(again.origin)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {**ITEM, "type": "file", "file": {"id": "F1"}},
        {**ITEM, "message": None},
        {**ITEM, "message": {"user": "U0BOB", "ts": "no time"}},
    ],
)
def test_what_is_pinned_and_no_message_is_left_alone(item: dict[str, Any]) -> None:
    assert pinned_of(item, "C1", "T1") is None


def test_nobody_is_told_of_what_was_pinned_unheard() -> None:
    pin = pinned_of(ITEM, "C1", "T1")
    assert pin is not None
    lesson = automation.pinned(pin.origin, Quoted("bob", "Hm."))

    heard, unheard = intake(lesson, 100), intake(unasked(lesson), 100)

    assert heard is not None
    assert unheard is not None
    assert (heard.job.is_unasked, unheard.job.is_unasked) == (False, True)
