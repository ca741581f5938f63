"""Slash commands and menus become what every platform calls them."""

from collections.abc import Mapping
from typing import Any

import pytest

from bots.incoming.context import From, LastHours, Meant
from bots.slack.parse import commands, shortcuts
from bots.slack.parse.text import Identity
from shared.errors import NothingThereError
from shared.jobs import Audience, job_id
from shared.tasks import Ask, Complete, Form, Learn, Quoted, Report, Summarize, Translate, Write

ME = Identity("U0PARLEY", "T1", "https://team.slack.com/")
PAYLOAD = {
    "command": "/parley",
    "text": "ask What is a &lt;tag&gt;?",
    "channel_id": "C1",
    "user_id": "U1",
    "team_id": "T1",
    "trigger_id": "13345224609.738474920.8088930838",
    "response_url": "https://hooks.slack.com/commands/1",
}
SAID = Quoted("alice", "The build is red.", "https://team.slack.com/archives/C1/p15000001", 1.5)


def read(**changed: str) -> commands.Command:
    command = commands.read_command({**PAYLOAD, **changed}, ME)
    assert command is not None
    return command


def test_a_command_sent_twice_is_one_job_and_two_commands_are_two() -> None:
    ids = {job_id(read().origin), job_id(read().origin)}

    assert len(ids) == 1
    assert job_id(read(trigger_id="2.2.2").origin) not in ids


def test_a_command_has_its_words_without_slacks_markup_and_its_address() -> None:
    command = read()

    assert command.words == "ask What is a <tag>?"
    assert command.origin.ticket == PAYLOAD["response_url"]
    assert command.origin.thread == ""


@pytest.mark.parametrize("missing", ["command", "channel_id", "user_id", "trigger_id"])
@pytest.mark.parametrize("value", ["", None, 7])
def test_what_is_no_command_is_none(missing: str, value: object) -> None:
    assert commands.read_command({**PAYLOAD, missing: value}, ME) is None


def test_a_short_command_is_the_long_one() -> None:
    short = read(command="/translate", text="fr Good morning")

    assert short.words == read(text="translate fr Good morning").words


@pytest.mark.parametrize(
    ("words", "task", "is_private"),
    [
        ("ask What is it?", Ask(), False),
        ("private ask What is it?", Ask(), True),
        ("ask What is it? privately", Ask(), True),
        ("translate fr Good morning", Translate("fr"), True),
        ("complete Once upon a time", Complete(), False),
        ("sentiment 7 days", Report(7), False),
        ("privately sentiment 7 days", Report(7), True),
    ],
)
def test_an_answer_is_private_where_it_is_for_one_or_asked_to_be(
    *, words: str, task: object, is_private: bool
) -> None:
    command = read(text=words)
    incoming = commands.to_incoming(command, commands.parse(command), are_we_in=True)

    assert incoming.task == task
    expected = Audience.ASKER if is_private else Audience.CHANNEL
    assert incoming.origin.audience is expected


def test_a_summary_of_hours_has_them_fetched_and_is_private() -> None:
    command = read(text="summarize 4 hours")
    incoming = commands.to_incoming(command, commands.parse(command), are_we_in=True)

    assert incoming.wanted == LastHours(4)
    assert isinstance(incoming.task, Summarize)
    assert incoming.origin.audience is Audience.ASKER


def test_without_words_a_translation_is_of_the_message_before() -> None:
    assert commands.parse(read(text="translate fr")).wanted == Meant()


@pytest.mark.parametrize(
    ("is_private", "is_direct", "are_we_in", "expected"),
    [
        (False, False, True, Audience.CHANNEL),
        (True, False, True, Audience.ASKER),
        (True, True, True, Audience.CHANNEL),
        (False, False, False, Audience.ASKER),
        (False, True, False, Audience.ASKER),
    ],
)
def test_who_sees_an_answer(
    *, is_private: bool, is_direct: bool, are_we_in: bool, expected: Audience
) -> None:
    seen_by = commands.audience(is_private=is_private, is_direct=is_direct, are_we_in=are_we_in)

    assert seen_by is expected


def test_to_forget_in_a_direct_message_is_done_with_its_conversation() -> None:
    command = read(channel_id="D1", text="new")
    parsed = commands.parse(command)

    assert commands.is_new(parsed)
    assert commands.to_incoming(command, parsed, are_we_in=True).origin.conversation == (
        "slack:T1:D1:"
    )


# Menus


def menu(*, message: Mapping[str, object] | None = None, **changed: object) -> dict[str, object]:
    return {
        "callback_id": shortcuts.TRANSLATE,
        "trigger_id": "1.2.3",
        "channel": {"id": "C1"},
        "user": {"id": "U1"},
        "team": {"id": "T1"},
        "message": {"ts": "1.5", "user": "U2", "text": "The build is red.", **(message or {})},
        "response_url": "https://hooks.slack.com/app/1",
        **changed,
    }


def test_a_menus_answer_stands_beside_the_message_or_in_the_thread_that_it_is_in() -> None:
    threads = [
        shortcut.origin.thread
        for thread in (None, "1.5", "1.0")
        if (shortcut := shortcuts.read_shortcut(menu(message={"thread_ts": thread}), ME))
    ]

    assert threads == ["", "", "1.0"]


@pytest.mark.parametrize(
    "broken",
    [
        {"callback_id": "other"},
        {"trigger_id": None},
        {"channel": None},
        {"user": {}},
        {"message": {"ts": "soon"}},
    ],
)
def test_what_is_no_menu_of_ours_is_none(broken: dict[str, Any]) -> None:
    assert shortcuts.read_shortcut(menu(), ME) is not None
    assert shortcuts.read_shortcut(menu(**broken), ME) is None


@pytest.mark.parametrize(
    ("callback", "task", "text"),
    [
        (shortcuts.TRANSLATE, Translate("fr"), SAID.text),
        (shortcuts.ASK, Ask(), SAID.text),
        (shortcuts.DRAFT, Write(Form.REPLY, reply_to=SAID), ""),
        (shortcuts.SENTIMENT, Report(), ""),
        (shortcuts.LEARN, Learn("Message of alice.txt", "", SAID.link), SAID.text),
    ],
)
def test_each_entry_asks_for_its_task(callback: str, task: object, text: str) -> None:
    shortcut = shortcuts.read_shortcut(menu(callback_id=callback), ME)
    assert shortcut is not None

    origin = shortcuts.to_origin(shortcut, are_we_in=True)
    incoming = shortcuts.to_incoming(callback, origin, SAID, "fr")

    assert (incoming.task, incoming.text, incoming.wanted) == (task, text, None)
    assert incoming.origin.audience is Audience.ASKER


def test_a_summary_begins_at_its_message() -> None:
    shortcut = shortcuts.read_shortcut(menu(callback_id=shortcuts.SUMMARIZE), ME)
    assert shortcut is not None

    incoming = shortcuts.to_incoming(shortcuts.SUMMARIZE, shortcut.origin, SAID, "fr")

    assert incoming.wanted == From("1.5")


def test_a_message_without_text_ends_in_a_sentence() -> None:
    shortcut = shortcuts.read_shortcut(menu(), ME)
    assert shortcut is not None

    empty = Quoted("alice", "")
    incoming = shortcuts.to_incoming(shortcuts.TRANSLATE, shortcut.origin, empty, "fr")

    assert incoming.refusal == NothingThereError().to_reply()
