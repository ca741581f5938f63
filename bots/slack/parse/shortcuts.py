"""Parses message shortcuts (menus) into ``Incoming``; knows Slack's field names alone.

Slack sends the message along, so only later messages have to be fetched.
"""
# Pure. Uses babel.

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from bots.incoming.context import From, others_of
from bots.incoming.intake import Incoming
from bots.slack.parse.commands import ACT, audience
from bots.slack.parse.payloads import Json, is_timestamp, read_files
from bots.slack.parse.text import Identity
from shared.errors import NothingThereError
from shared.jobs import Origin, Platform
from shared.tasks import Ask, Form, Learn, Quoted, Report, Summarize, Task, Translate, Write

MENU = "menu"
TRANSLATE, SUMMARIZE, DRAFT = "parley_translate", "parley_summarize", "parley_draft"
SENTIMENT, ASK, LEARN = "parley_sentiment", "parley_ask", "parley_learn"


@dataclass(frozen=True, slots=True)
class MessageShortcut:
    """A menu entry that a person used on a message."""

    callback: str
    origin: Origin
    """The message's, with the person who used the menu."""
    author: str
    """The author of the message; empty for a bot without a user."""
    text: str
    """As Slack has it."""
    files: tuple[Json, ...]

    @property
    def message(self) -> Json:
        """The message, as far as it is quoted."""
        origin = self.origin
        message = {"ts": origin.message, "text": self.text, "thread_ts": origin.thread}
        return {**message, "user": self.author} if self.author else message

    @property
    def is_direct(self) -> bool:
        """Whether it was used in a direct message."""
        return self.origin.channel.startswith("D")


def read_shortcut(payload: Json, me: Identity) -> MessageShortcut | None:
    """A shortcut on a message; None if it is not one of ours."""
    parts = [payload.get(name) for name in ("channel", "message", "user", "team")]
    channel, message, user, team = (part if isinstance(part, dict) else {} for part in parts)
    callback, trigger = payload.get("callback_id"), payload.get("trigger_id")
    ts, where, who = message.get("ts"), channel.get("id"), user.get("id")
    if callback not in TASKS or not all(isinstance(name, str) for name in (trigger, where, who)):
        return None
    if not is_timestamp(ts):
        return None
    thread = str(message.get("thread_ts") or "")
    origin = Origin(
        platform=Platform.SLACK,
        team=str(team.get("id") or me.team_id),
        channel=str(where),
        # An answer about the first message of a thread is posted beside it, not below it.
        thread="" if thread == ts else thread,
        message=str(ts),
        user=str(who),
        act=f"{MENU}:{trigger}",
        ticket=str(payload.get("response_url") or ""),
    )
    files = tuple(read_files(message.get("files")))
    return MessageShortcut(
        str(callback), origin, str(message.get("user") or ""), str(message.get("text") or ""), files
    )


def to_origin(shortcut: MessageShortcut, *, are_we_in: bool) -> Origin:
    """Where its answer goes: to the person who used it."""
    seen_by = audience(is_private=True, is_direct=shortcut.is_direct, are_we_in=are_we_in)
    return dataclasses.replace(shortcut.origin, audience=seen_by)


def to_incoming(callback: str, origin: Origin, message: Quoted, language: str) -> Incoming:
    """A task on a message in the form that all platforms share.

    Args:
        callback: of the shortcut.
        origin: where the answer goes.
        message: that it was used on.
        language: of the person who used it, the target of translations.
    """
    task = TASKS[callback](message, language)
    quoted = others_of(origin.user, [message])
    if isinstance(task, Summarize):
        return Incoming(origin, "", ACT, task=task, wanted=From(origin.message))
    if isinstance(task, Report):
        return Incoming(origin, "", ACT, task=task)
    if not message.text:
        return Incoming(origin, "", ACT, task=task, refusal=NothingThereError().to_reply())
    text = "" if isinstance(task, Write) else message.text
    return Incoming(origin, text, ACT, task=task, quoted=quoted)


def note_name(author: str) -> str:
    """The name of a message as a document."""
    return f"Message of {author}.txt"


TASKS: dict[str, Callable[[Quoted, str], Task]] = {
    TRANSLATE: lambda _, language: Translate(language),
    SUMMARIZE: lambda *_: Summarize((), "what was said from this message on"),
    DRAFT: lambda message, _: Write(Form.REPLY, reply_to=message),
    SENTIMENT: lambda *_: Report(),
    ASK: lambda *_: Ask(),
    LEARN: lambda message, _: Learn(note_name(message.author), "", message.link),
}
"""The task of each menu entry."""
