"""The access decision as a table: who, where, and what is listed."""

import dataclasses

import pytest

from bots.access.decision import (
    AccessCode,
    AccessFacts,
    decide_access,
    is_place_closed,
    may_be_entered,
)
from bots.access.request import AccessHints, AccessRequest, facts_without_platform
from bots.access.sentences import CONTACTS, NOT_ALLOWED, SENTENCES, refusal_sentence
from shared.access import AccessLists, parse_names
from shared.jobs import Origin, Platform

YES, DENIED, NOT = AccessCode.ALLOWED, AccessCode.DENIED, AccessCode.NOT_ALLOWED
UNSURE, STRANGER, INSTALL = AccessCode.UNSURE, AccessCode.STRANGER, AccessCode.USER_INSTALL

MEMBER = AccessFacts(
    Platform.SLACK, "U1", "T1", frozenset({"C1"}), homes={"T1": None}, groups=frozenset({"S1"})
)
GUEST = dataclasses.replace(MEMBER, user="U2", is_guest=True, groups=frozenset())
STRANGE = dataclasses.replace(
    MEMBER, user="U3", homes={"T9": None}, groups=frozenset(), is_stranger=True
)
BOT = dataclasses.replace(MEMBER, user="U4", is_bot=True, groups=frozenset())
HIDDEN = facts_without_platform(AccessRequest(Origin(Platform.SLACK, "T1", "C1", "", "1.1", "U1")))
"""Slack does not say who it is."""
PERSON = AccessFacts(
    Platform.DISCORD,
    "51",
    "11",
    frozenset({"21", "22"}),
    category="31",
    homes={"11": frozenset({"41"})},
)
ELSEWHERE = dataclasses.replace(PERSON, team="12", channels=frozenset({"29"}), homes={"12": None})
DISCORD_DM = dataclasses.replace(
    PERSON, team="@me", channels=frozenset({"90"}), category="", is_direct=True
)
LOST_DM = dataclasses.replace(DISCORD_DM, homes={}, are_homes_known=False)
ROLES_LOST = dataclasses.replace(PERSON, homes={"11": None})
PLACE_LOST = dataclasses.replace(PERSON, is_place_known=False, category="")
INSTALLED = dataclasses.replace(PERSON, is_user_install=True)


def dm(facts: AccessFacts) -> AccessFacts:
    return dataclasses.replace(facts, is_direct=True, channels=frozenset({"D1"}))


SLACK = [
    # who and where, allowed, denied, expected
    (MEMBER, "", "", YES),
    (dm(MEMBER), "", "", YES),
    (GUEST, "", "", YES),
    (dm(GUEST), "", "", YES),
    (STRANGE, "", "", YES),
    (dm(STRANGE), "", "", STRANGER),
    (BOT, "", "", YES),
    (MEMBER, "slack:T1", "", YES),
    (MEMBER, "slack:*", "", YES),
    (MEMBER, "slack:T2", "", NOT),
    (MEMBER, "discord:11", "", NOT),
    (dm(MEMBER), "slack:T1", "", YES),
    (dm(MEMBER), "slack:T1/C1", "", NOT),
    (dm(MEMBER), "slack:T1/D1", "", YES),
    (MEMBER, "slack:T1/C1", "", YES),
    (MEMBER, "slack:T2/C1", "", NOT),
    (MEMBER, "slack:*/C1", "", YES),
    (MEMBER, "slack:T1/C2", "", NOT),
    (MEMBER, "slack:T1/U1", "", YES),
    (dm(MEMBER), "slack:T1/U1", "", YES),
    (MEMBER, "slack:T1/U2", "", NOT),
    (MEMBER, "slack:T1/S1", "", YES),
    (dm(MEMBER), "slack:T1/S1", "", YES),
    (GUEST, "slack:T1/S1", "", NOT),
    # Deny goes before allow, in channels and direct messages alike.
    (MEMBER, "", "slack:T1", DENIED),
    (dm(MEMBER), "", "slack:T1", DENIED),
    (MEMBER, "slack:T1", "slack:T1/U1", DENIED),
    (dm(MEMBER), "slack:T1", "slack:T1/U1", DENIED),
    (MEMBER, "slack:T1/U1", "slack:T1/S1", DENIED),
    (dm(MEMBER), "slack:T1/U1", "slack:T1/S1", DENIED),
    (MEMBER, "slack:T1/U1", "slack:T1/C1", DENIED),
    (dm(MEMBER), "slack:T1/U1", "slack:T1/C1", YES),
    (MEMBER, "", "slack:T2", YES),
    (MEMBER, "", "slack:*/bots", YES),
    # Guests are answered where their channel is allowed.
    (GUEST, "slack:T1", "", YES),
    (GUEST, "slack:T1/C1", "", YES),
    (GUEST, "slack:T1/C2", "", NOT),
    (GUEST, "slack:T1/guests", "", YES),
    (MEMBER, "slack:T1/guests", "", NOT),
    (GUEST, "slack:T1", "slack:T1/guests", DENIED),
    (dm(GUEST), "slack:T1", "slack:*/guests", DENIED),
    (MEMBER, "slack:T1", "slack:*/guests", YES),
    # So are people of other organisations; a direct message is in no shared channel.
    (STRANGE, "slack:T1", "", YES),
    (STRANGE, "slack:T1/C1", "", YES),
    (STRANGE, "slack:T1/C2", "", NOT),
    (dm(STRANGE), "slack:T1", "", NOT),
    (dm(STRANGE), "slack:T9", "", YES),
    (STRANGE, "slack:T9", "", YES),
    (dm(STRANGE), "slack:T1, slack:T1/strangers", "", YES),
    (dm(STRANGE), "slack:T1, slack:T1/U3", "", YES),
    (STRANGE, "", "slack:T9", DENIED),
    (STRANGE, "", "slack:*/strangers", DENIED),
    (STRANGE, "", "slack:T1/strangers", DENIED),
    (STRANGE, "", "slack:T1/guests", YES),
    (BOT, "slack:T1", "slack:*/bots", DENIED),
    (BOT, "slack:T1/bots", "", YES),
    # What Slack does not say is not taken for granted, and asked for only where it matters.
    (HIDDEN, "", "", YES),
    (HIDDEN, "slack:T1", "", YES),
    (HIDDEN, "slack:T1/U1", "", YES),
    (HIDDEN, "slack:T1/S1", "", UNSURE),
    (HIDDEN, "", "slack:T1/S1", UNSURE),
    (HIDDEN, "", "slack:*/guests", UNSURE),
    (HIDDEN, "", "slack:T9", UNSURE),
    (HIDDEN, "", "slack:T1/U1", DENIED),
    (dm(HIDDEN), "", "", UNSURE),
    (dm(HIDDEN), "slack:T1", "", UNSURE),
    (dm(HIDDEN), "slack:T1/U1", "", YES),
]
DISCORD = [
    (PERSON, "", "", YES),
    (DISCORD_DM, "", "", YES),
    (PERSON, "discord:11", "", YES),
    (ELSEWHERE, "discord:11", "", NOT),
    (DISCORD_DM, "discord:11", "", YES),
    (DISCORD_DM, "discord:12", "", NOT),
    (DISCORD_DM, "discord:*", "", YES),
    (PERSON, "discord:11/channel:21", "", YES),
    (PERSON, "discord:11/channel:22", "", YES),
    (PERSON, "discord:12/channel:22", "", NOT),
    (DISCORD_DM, "discord:11/channel:21", "", NOT),
    (PERSON, "discord:11/category:31", "", YES),
    (PERSON, "discord:11/category:32", "", NOT),
    (PERSON, "discord:11/role:41", "", YES),
    (DISCORD_DM, "discord:11/role:41", "", YES),
    (PERSON, "discord:11/role:42", "", NOT),
    (ELSEWHERE, "discord:11/role:41", "", NOT),
    (PERSON, "discord:11/user:51", "", YES),
    (DISCORD_DM, "discord:11/user:51", "", YES),
    (ELSEWHERE, "discord:11/user:51", "", NOT),
    (ELSEWHERE, "discord:*/user:51", "", YES),
    (PERSON, "discord:11", "discord:11/role:41", DENIED),
    (DISCORD_DM, "discord:11", "discord:11/role:41", DENIED),
    (PERSON, "discord:11", "discord:11/channel:22", DENIED),
    (PERSON, "", "discord:11/category:31", DENIED),
    (DISCORD_DM, "", "discord:11/user:51", DENIED),
    (DISCORD_DM, "", "discord:11", DENIED),
    (ELSEWHERE, "", "discord:11", YES),
    (ROLES_LOST, "", "discord:11/role:41", UNSURE),
    (ROLES_LOST, "discord:11/role:41", "", UNSURE),
    (ROLES_LOST, "discord:11", "", YES),
    (LOST_DM, "", "", YES),
    (LOST_DM, "discord:11", "", UNSURE),
    (LOST_DM, "", "discord:11", UNSURE),
    (LOST_DM, "", "discord:11/role:41", UNSURE),
    (LOST_DM, "discord:11/user:51", "", YES),
    (PLACE_LOST, "", "discord:11/channel:99", UNSURE),
    (PLACE_LOST, "", "discord:12/channel:99", YES),
    (INSTALLED, "", "", INSTALL),
    (INSTALLED, "discord:11/user:51", "", INSTALL),
]


@pytest.mark.parametrize(("facts", "allowed", "denied", "expected"), [*SLACK, *DISCORD])
def test_who_may_ask_where(
    facts: AccessFacts, allowed: str, denied: str, expected: AccessCode
) -> None:
    decision = decide_access(facts, [lists(allowed, denied)])

    assert decision.code is expected, decision.reason
    assert decision.is_allowed is (expected is YES)
    assert decision.reason


@pytest.mark.parametrize(
    ("facts", "is_confined"),
    [(MEMBER, False), (GUEST, True), (STRANGE, True), (HIDDEN, True), (BOT, False)],
)
def test_guests_and_strangers_see_their_channels_documents_alone(
    facts: AccessFacts, *, is_confined: bool
) -> None:
    for allowed in ("", "slack:T1", "slack:T1/C1", "slack:T1/guests, slack:T1"):
        assert decide_access(facts, [lists(allowed)]).is_confined is is_confined
    assert not decide_access(PERSON, [lists()]).is_confined


def test_user_installs_are_answered_where_they_are_switched_on() -> None:
    def code(allowed: str, denied: str = "") -> AccessCode:
        return decide_access(INSTALLED, [lists(allowed, denied)], user_installs=True).code

    assert code("") is YES
    assert code("discord:77/user:51") is YES, "a person is the same person outside servers"
    assert code("discord:77") is NOT
    assert code("", "discord:77/user:51") is DENIED
    assert code("", "discord:11") is DENIED


def test_a_workspace_narrows_and_never_widens() -> None:
    operator, own = lists("slack:T1"), lists("slack:T1/C2")

    assert decide_access(MEMBER, [operator, own]).code is NOT
    assert decide_access(MEMBER, [lists("slack:T1/C2"), lists("slack:T1/C1")]).code is NOT
    assert decide_access(MEMBER, [lists("slack:T1/U1"), lists("slack:T1/C1")]).code is YES
    assert decide_access(MEMBER, [lists("slack:T1"), lists("", "slack:T1/U1")]).code is DENIED
    assert decide_access(MEMBER, [lists("", "slack:T1/U1"), lists("slack:T1/U1")]).code is DENIED


@pytest.mark.parametrize("number", [0, 1])
def test_lists_that_cannot_be_read_let_nobody_in(number: int) -> None:
    layers = [lists(), lists()]
    layers[number] = AccessLists(is_known=False)

    assert decide_access(MEMBER, layers).code is UNSURE


def test_the_terminal_is_always_allowed() -> None:
    console = AccessFacts(Platform.CONSOLE, "user", "local")

    assert decide_access(console, [lists("slack:T1")]).is_allowed


def test_an_event_that_names_a_persons_workspace_is_believed() -> None:
    origin = Origin(Platform.SLACK, "T1", "D1", "", "1.1", "U1")
    ours = facts_without_platform(AccessRequest(origin, hints=AccessHints(home="T1")))
    foreign = facts_without_platform(AccessRequest(origin, hints=AccessHints(home="T9")))

    assert decide_access(ours, [lists()]).code is YES
    assert decide_access(foreign, [lists()]).code is STRANGER


def test_a_place_is_closed_by_its_own_names_alone() -> None:
    assert is_place_closed(MEMBER, [lists("", "slack:T1/C1")])
    assert is_place_closed(MEMBER, [lists(), lists("", "slack:T1")])
    assert is_place_closed(PERSON, [lists("", "discord:11/category:31")])
    assert not is_place_closed(MEMBER, [lists("slack:T1/C2", "slack:T1/U1")])


@pytest.mark.parametrize(
    ("allowed", "denied", "expected"),
    [
        ("", "", True),
        ("slack:T1", "", True),
        ("slack:T1/U1", "", True),
        ("slack:*/U1", "", True),
        ("slack:T2", "", False),
        ("discord:1", "", False),
        ("", "slack:T1", False),
        ("slack:T1", "slack:*", False),
        ("", "slack:T1/C1", True),
    ],
)
def test_a_workspace_may_be_entered_if_any_person_of_it_may_ask(
    allowed: str, denied: str, *, expected: bool
) -> None:
    assert may_be_entered(Platform.SLACK, "T1", lists(allowed, denied)) is expected


@pytest.mark.parametrize("code", [each for each in AccessCode if each is not YES])
def test_a_refusal_says_whom_to_ask_in_four_languages(code: AccessCode) -> None:
    said = {
        refusal_sentence(code, Platform.SLACK, "it@example.org", locale)
        for locale in ("en-US", "de-DE", "fr", "es-ES", "es-419", "", "ja", "no such")
    }
    assert len(said) == 4
    assert all("it@example.org" in sentence for sentence in said)
    for language, contact in CONTACTS.items():
        assert contact in refusal_sentence(code, Platform.SLACK, "", language)
    assert all(len(each) == 4 for each in (NOT_ALLOWED, *SENTENCES.values()))


def lists(allowed: str = "", denied: str = "") -> AccessLists:
    return AccessLists(
        parse_names(allowed) if allowed else frozenset(),
        parse_names(denied) if denied else frozenset(),
    )
