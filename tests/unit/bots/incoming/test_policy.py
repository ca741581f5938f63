"""When we speak: every situation that a message can be in."""

import itertools
from typing import Any

import pytest

from bots.incoming.policy import MAX_BOTS_IN_A_ROW, Situation, decide, is_for_us
from shared.preferences import WhenToSpeak

PERSON = {"is_from_person": True, "author": "alice"}
BOT = {"is_from_person": False, "is_allowed_bot": True, "author": "otherbot"}
ALWAYS, QUESTIONS, MENTIONS, OFF = (
    {"when_to_speak": mode}
    for mode in (
        WhenToSpeak.ALWAYS,
        WhenToSpeak.QUESTIONS,
        WhenToSpeak.MENTIONS,
        WhenToSpeak.OFF,
    )
)
US, OTHERS, THREAD, REPLY, DIRECT, ACT, QUESTION, NAMED, MUTED, QUIET = (
    {name: True}
    for name in (
        "mentions_us",
        "mentions_others",
        "is_follow_up",
        "replies_to_us",
        "is_direct",
        "is_act",
        "is_question",
        "names_us",
        "is_muted",
        "is_quiet",
    )
)


def talk(*users: str) -> dict[str, Any]:
    """Who has spoken since we were last spoken to, the latest first."""
    return {"talk": users}


# what is known, whether we answer, a part of the reason
TABLE: list[tuple[dict[str, Any], bool, str]] = [
    # in a channel
    (PERSON, False, "nothing says"),
    (PERSON | QUESTION, False, "nothing says"),
    (PERSON | NAMED, False, "nothing says"),  # of us, not to us
    (PERSON | OTHERS, False, "somebody else"),
    (PERSON | US, True, "mentions us"),
    (PERSON | US | OTHERS, True, "mentions us"),
    (PERSON | ACT, True, "command"),
    (PERSON | ACT | OTHERS, True, "command"),
    # in a direct message
    (PERSON | DIRECT, True, "direct message"),
    (PERSON | DIRECT | OTHERS, True, "direct message"),
    # replies
    (PERSON | REPLY, True, "replies to"),
    (PERSON | REPLY | OTHERS, False, "somebody else"),
    (PERSON | REPLY | OTHERS | US, True, "mentions us"),
    # threads of ours
    (PERSON | THREAD, True, "goes on in a thread"),
    (PERSON | THREAD | OTHERS, False, "somebody else"),
    (PERSON | THREAD | OTHERS | US, True, "mentions us"),
    # where people talk to each other
    (PERSON | THREAD | talk("bob"), False, "somebody else spoke before"),
    (PERSON | THREAD | talk("bob") | QUESTION, False, "somebody else spoke before"),
    (PERSON | THREAD | talk("bob", "carol"), False, "somebody else spoke before"),
    (PERSON | THREAD | talk("bob", "carol") | QUESTION, False, "somebody else spoke before"),
    (PERSON | THREAD | talk("alice", "bob"), False, "talk to each other"),
    (PERSON | THREAD | talk("alice", "bob") | QUESTION, False, "talk to each other"),
    (PERSON | THREAD | talk("alice"), True, "goes on"),  # nobody has answered her aside
    (PERSON | THREAD | talk("alice", "alice"), True, "goes on"),
    (PERSON | THREAD | talk("bob", "carol") | NAMED, True, "our name"),
    (PERSON | THREAD | talk("bob", "carol") | US, True, "mentions us"),
    (PERSON | THREAD | talk("bob", "carol") | ALWAYS, False, "somebody else spoke before"),
    # channels where every message is answered
    (PERSON | ALWAYS, True, "every message"),
    (PERSON | ALWAYS | OTHERS, False, "somebody else"),
    (PERSON | ALWAYS | OTHERS | US, True, "mentions us"),
    (PERSON | ALWAYS | THREAD, True, "goes on in a thread"),
    # only questions
    (PERSON | QUESTIONS, False, "no question"),
    (PERSON | QUESTIONS | QUESTION, True, "it is a question"),
    (PERSON | QUESTIONS | QUESTION | OTHERS, False, "somebody else"),
    (PERSON | QUESTIONS | NAMED, True, "it is a question"),
    (PERSON | QUESTIONS | US, True, "mentions us"),
    (PERSON | QUESTIONS | THREAD, True, "goes on in a thread"),
    (PERSON | QUESTIONS | REPLY, True, "replies to"),
    # none at all
    (PERSON | OFF, False, "switched off"),
    (PERSON | OFF | US, False, "switched off"),
    (PERSON | OFF | THREAD, False, "switched off"),
    (PERSON | OFF | REPLY, False, "switched off"),
    (PERSON | OFF | DIRECT, True, "direct message"),  # that is no channel
    (PERSON | OFF | ACT, True, "command"),
    # a muted thread
    (PERSON | MUTED | THREAD, False, "muted"),
    (PERSON | MUTED | THREAD | QUESTION, False, "muted"),
    (PERSON | MUTED | THREAD | NAMED, False, "muted"),
    (PERSON | MUTED | REPLY, False, "muted"),
    (PERSON | MUTED | THREAD | ALWAYS, False, "muted"),
    (PERSON | MUTED | THREAD | US, True, "mentions us"),
    (PERSON | MUTED | ACT, True, "command"),
    # quiet hours
    (PERSON | QUIET | THREAD, False, "quiet hours"),
    (PERSON | QUIET | REPLY, False, "quiet hours"),
    (PERSON | QUIET | ALWAYS, False, "quiet hours"),
    (PERSON | QUIET | QUESTIONS | QUESTION, False, "quiet hours"),
    (PERSON | QUIET | US, True, "mentions us"),
    (PERSON | QUIET | DIRECT, True, "direct message"),
    (PERSON | QUIET | ACT, True, "command"),
    # other bots
    (BOT | US, True, "mentions us"),
    (BOT | ALWAYS, True, "every message"),
    (BOT, False, "nothing says"),
    (BOT | US | {"num_bots": MAX_BOTS_IN_A_ROW - 1}, True, "mentions us"),
    (BOT | US | {"num_bots": MAX_BOTS_IN_A_ROW}, False, "messages of bots"),
    (BOT | DIRECT | {"num_bots": MAX_BOTS_IN_A_ROW}, False, "messages of bots"),
    (PERSON | US | {"num_bots": MAX_BOTS_IN_A_ROW}, True, "mentions us"),
]
FLAGS = (
    "is_direct",
    "mentions_us",
    "mentions_others",
    "is_follow_up",
    "replies_to_us",
    "is_act",
    "names_us",
    "is_question",
)


@pytest.mark.parametrize(("known", "speaks", "reason"), TABLE)
def test_decide_says_whether_and_why(known: dict[str, Any], *, speaks: bool, reason: str) -> None:
    verdict = decide(Situation(**known))

    assert verdict.speaks is speaks
    assert reason in verdict.reason


@pytest.mark.parametrize("mode", WhenToSpeak)
def test_bots_and_ourselves_are_never_answered(mode: WhenToSpeak) -> None:
    for values in itertools.product([False, True], repeat=len(FLAGS)):
        known: dict[str, Any] = dict(zip(FLAGS, values, strict=True))

        assert not is_for_us(Situation(is_from_person=False, when_to_speak=mode, **known))
