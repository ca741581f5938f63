"""What Slack's record of a person says: guests, people of other organisations, bots."""

from typing import Any

import pytest

from bots.access.request import AccessHints, AccessRequest, facts_without_platform
from bots.slack.handlers.access import facts_with_record
from bots.slack.parse.events import home_of
from bots.slack.parse.payloads import read_body
from bots.slack.parse.text import Identity
from shared.jobs import Origin, Platform

ME = Identity("U0PARLEY", "T1", enterprise_id="E1")
ALONE = Identity("U0PARLEY", "T1")
ASKED = AccessRequest(Origin(Platform.SLACK, "T1", "C1", "", "1.1", "U1"))
MEMBER, GUEST, STRANGER = (False, False), (True, False), (False, True)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"team_id": "T1"}, MEMBER),
        ({"team_id": "T1", "is_restricted": False, "is_ultra_restricted": False}, MEMBER),
        ({"team_id": "T1", "is_restricted": True}, GUEST),
        ({"team_id": "T1", "is_ultra_restricted": True}, GUEST),
        # Slack marks as strangers only people of no channel that it shares with us.
        ({"team_id": "T9"}, STRANGER),
        ({"team_id": "T9", "is_stranger": False}, STRANGER),
        ({"team_id": "T1", "is_stranger": True}, STRANGER),
        ({"team_id": "T9", "is_restricted": True}, (True, True)),
        # Of our organisation, in another workspace of it.
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T2"]}}, MEMBER),
        ({"team_id": "E1", "enterprise_user": {"enterprise_id": "E1", "teams": ["T1"]}}, MEMBER),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E9", "teams": ["T2"]}}, STRANGER),
        ({"team_id": "T9", "enterprise_user": "nonsense"}, STRANGER),
        ({}, MEMBER),
    ],
)
def test_a_record_says_whether_a_person_is_of_us(
    record: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    facts = facts_with_record(facts_without_platform(ASKED), record, ME)

    assert (facts.is_guest, facts.is_stranger) == expected
    assert facts.are_homes_known
    assert ("T1" in facts.homes) is (expected in {MEMBER, GUEST} or bool(record.get("is_stranger")))


def test_without_an_organisation_of_ours_no_one_elses_counts() -> None:
    record = {"team_id": "T2", "enterprise_user": {"enterprise_id": "", "teams": ["T2"]}}

    assert facts_with_record(facts_without_platform(ASKED), record, ALONE).is_stranger


def test_an_event_says_where_its_author_comes_from() -> None:
    event = {"type": "message", "user": "U1", "team": "T1", "source_team": "T9", "user_team": "T9"}

    body = read_body({"team_id": "T1", "event": event})

    assert body is not None
    assert home_of(body["event"]) == "T9"
    assert home_of({"team": "T1"}) == "T1"
    assert home_of({}) == ""


def test_a_record_goes_before_what_an_event_said() -> None:
    hinted = AccessRequest(ASKED.origin, hints=AccessHints(home="T9"))

    facts = facts_with_record(facts_without_platform(hinted), {"team_id": "T1"}, ME)

    assert facts.is_stranger is False
