"""Selects the messages that a task works on from those that Slack showed.

Messages are as Slack has them, the oldest first.
"""
# Pure. Uses babel.

from collections.abc import Collection, Sequence

from bots.slack.parse.events import is_from_person
from bots.slack.parse.payloads import Json
from bots.slack.parse.text import Identity

MAX_MESSAGES = 500
"""For one task; of more, the latest."""
MAX_CHARS = 100_000
"""In all of them together; of more, the latest."""


def ts_of(message: Json) -> float:
    """When a message was written, in seconds since 1970."""
    return float(message["ts"])


def before(messages: Sequence[Json], ts: str) -> list[Json]:
    """Those that were written before one."""
    return [message for message in messages if ts_of(message) < float(ts)]


def since(messages: Sequence[Json], ts: str) -> list[Json]:
    """The given message and those written after it."""
    return [message for message in messages if ts_of(message) >= float(ts)]


def since_last_of(messages: Sequence[Json], user: str) -> list[Json]:
    """Those after a person's last message; all of them if there is none."""
    own = [number for number, message in enumerate(messages) if message.get("user") == user]
    return list(messages[own[-1] + 1 :]) if own else list(messages)


def by_people(messages: Sequence[Json], me: Identity, opted_out: Collection[str]) -> list[Json]:
    """Messages of people who have not opted out; neither ours nor another bot's."""
    return [
        message
        for message in messages
        if is_from_person(message, me) and message["user"] not in opted_out and message.get("text")
    ]


def one(
    messages: Sequence[Json], me: Identity, opted_out: Collection[str], asker: str
) -> list[Json]:
    """The last one that has text and is not ours: the message that the asker points at.

    It may be a bot's. Askers may point at their own, even if they have opted out.
    """
    for message in reversed(messages):
        author = message.get("user")
        if message.get("text") and author != me.user_id:
            return [] if author in opted_out and author != asker else [message]
    return []


def latest(messages: Sequence[Json]) -> list[Json]:
    """The latest of many, in their order and each once."""
    in_order = sorted({message["ts"]: message for message in messages}.values(), key=ts_of)
    kept: list[Json] = []
    num_chars = 0
    for message in reversed(in_order[-MAX_MESSAGES:]):
        num_chars += len(str(message.get("text", "")))
        if num_chars > MAX_CHARS:
            break
        kept.append(message)
    return kept[::-1]
