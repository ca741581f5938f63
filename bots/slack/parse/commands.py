"""Parses slash commands into ``Incoming``; knows Slack's field names and nothing of its client.

A command belongs to no message and no thread: its job is named after Slack's trigger, which is the
same should Slack send the command again.
"""
# Pure. Uses babel.

import dataclasses
import re
from dataclasses import dataclass

from bots.incoming.intake import NEW_WORDS, Incoming
from bots.incoming.intents.parser import HELP as OF_TASKS
from bots.incoming.intents.parser import Parsed, parse_command
from bots.incoming.policy import Situation
from bots.slack.parse.payloads import Json
from bots.slack.parse.text import Identity, plain_text
from shared.jobs import Audience, Origin, Platform
from shared.tasks import Translate

COMMAND = "command"
OUR_NAME = "/parley"
ACT = Situation(is_from_person=True, is_act=True)
PRIVATELY = re.compile(r"^private(?:ly)? |(?<!\s)\s++privately$", re.IGNORECASE)
NEEDED = ("command", "channel_id", "user_id", "trigger_id")
HELP = f"""{OF_TASKS}
`stop` ends what I am writing for you here
`quota` shows what you have used today
`settings` and `settings workspace` are for administrators and for who made the channel
`forget-me` deletes what I keep of you"""
NO_CONVERSATION = (
    "In a channel each thread is a conversation of its own: mention me in the thread and write "
    "`/new` to make me forget it."
)


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command as it was typed."""

    origin: Origin
    words: str

    @property
    def is_direct(self) -> bool:
        """Whether it was typed in a direct message."""
        return self.origin.channel.startswith("D")


def read_command(payload: Json, me: Identity) -> Command | None:
    """A slash command; None if the payload is not one.

    ``/translate fr`` and ``/parley translate fr`` are the same.
    """
    if not all(isinstance(payload.get(name), str) and payload[name] for name in NEEDED):
        return None
    name, trigger = payload["command"], payload["trigger_id"]
    words = plain_text(str(payload.get("text") or ""), me)
    if name != OUR_NAME:
        words = f"{name.removeprefix('/')} {words}".strip()
    origin = Origin(
        platform=Platform.SLACK,
        team=str(payload.get("team_id") or me.team_id),
        channel=payload["channel_id"],
        thread="",
        message=trigger,
        user=payload["user_id"],
        act=f"{COMMAND}:{trigger}",
        ticket=str(payload.get("response_url") or ""),
    )
    return Command(origin, words)


def parse(command: Command) -> Parsed:
    """Parse a command; ``private`` before or behind its words keeps the answer private."""
    words = PRIVATELY.sub("", command.words).strip()
    parsed = parse_command(words)
    is_private = words != command.words.strip() or isinstance(parsed.task, Translate)
    return dataclasses.replace(parsed, is_private=is_private or parsed.is_private)


def is_new(parsed: Parsed) -> bool:
    """Whether it asks to forget a conversation."""
    return parsed.task is None and parsed.text.lower() in NEW_WORDS


def to_incoming(command: Command, parsed: Parsed, *, are_we_in: bool) -> Incoming:
    """The command in the form that all platforms share.

    Args:
        command: as it was typed.
        parsed: what it asks for.
        are_we_in: whether we may post in its channel; else only the asker sees the answer.
    """
    origin = dataclasses.replace(
        command.origin,
        # The conversation to forget is the direct message as a whole.
        act="" if is_new(parsed) else command.origin.act,
        audience=audience(
            is_private=parsed.is_private, is_direct=command.is_direct, are_we_in=are_we_in
        ),
    )
    return Incoming(origin, parsed.text, ACT, task=parsed.task, wanted=parsed.wanted)


def audience(*, is_private: bool, is_direct: bool, are_we_in: bool) -> Audience:
    """Who sees an answer: a direct message to us is private already."""
    if not are_we_in:
        return Audience.ASKER
    return Audience.ASKER if is_private and not is_direct else Audience.CHANNEL
