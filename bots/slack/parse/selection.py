"""Which of the messages that Slack showed a task works on. Pure.

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
    """One and those that were written after it."""
    return [message for message in messages if ts_of(message) >= float(ts)]


def since_last_of(messages: Sequence[Json], user: str) -> list[Json]:
    """Those after the last one that somebody wrote; all of them if there is none."""
    own = [number for number, message in enumerate(messages) if message.get("user") == user]
    return list(messages[own[-1] + 1 :]) if own else list(messages)


def by_people(messages: Sequence[Json], me: Identity, opted_out: Collection[str]) -> list[Json]:
    """What people wrote who have not opted out; neither ours nor another bot's."""
    return [
        message
        for message in messages
        if is_from_person(message, me) and message["user"] not in opted_out and message.get("text")
    ]


def one(
    messages: Sequence[Json], me: Identity, opted_out: Collection[str], asker: str
) -> list[Json]:
    """The last one that has text and is not ours: the message that is meant.

    A bot's may be meant. Who asks may mean their own, whatever else they have opted out of.
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
