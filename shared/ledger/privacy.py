"""A person's stored data: exported, and deleted on request. Calls for either side.

A person is identified by their id in one workspace; the same person elsewhere is another.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from shared.jobs import Job, Origin, Turn
from shared.ledger import codec, keys, ratings
from shared.ledger.calls import Call, Raw, text_of
from shared.ledger.lua import privacy as scripts
from shared.ledger.ratings import FIRST, PAGE_SIZE, RatingsPage
from shared.replies import ThoughtSoFar

__all__ = ["FIRST", "START"]

SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\*?[]"})
"""The special characters of Redis's patterns."""
START = "0"
"""The cursor that a scan begins and ends with."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The numbers of deleted items."""

    conversations: int = 0
    questions: int = 0
    verdicts: int = 0
    """The person's ratings of answers."""
    stopped: int = 0
    """Questions that were being answered, and were withdrawn."""
    ratings: int = 0
    """Sentiment ratings of the person's messages."""
    documents: int = 0
    """Documents that were learned from the person's messages, files and pins."""
    quotations: int = 0
    """Other people's remembered messages and questions that held the person's words."""
    left: tuple[str, ...] = ()
    """Other people's questions with the person's words that are being answered."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels with ratings, by their Redis keys."""

    channels: tuple[str, ...]
    next_cursor: str
    """``START`` if there are no more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A person's stored data, except ratings."""

    is_opted_out: bool
    verdicts: dict[str, str]
    """Job -> the person's rating of its answer."""
    conversations: dict[str, tuple[Turn, ...]]
    """Those in which the person asked, including what others asked there."""
    questions: tuple[Job, ...]
    """Of the last days, and the dead letters."""
    used: dict[str, dict[str, int]]
    thoughts: dict[str, str]
    """Job -> what the model thought before its answer, for a day."""


def rated_channels(origin: Origin, cursor: str = START) -> Call[Channels]:
    """Some of the channels of the origin's workspace that have ratings."""
    prefix = keys.ratings(origin.tenant, "")

    def read(raw: Raw) -> Channels:
        next_cursor, *names = (text_of(word) for word in raw)
        return Channels(tuple(name.removeprefix(prefix) for name in names), next_cursor)

    return Call(scripts.FIND_KEYS, (cursor, f"{prefix.translate(SPECIAL)}*"), read)


def ratings_of(origin: Origin, channel: str, start: str) -> Call[RatingsPage]:
    """The ratings of the person's messages in a channel, one page of the channel's at a time."""
    return _ratings_of(origin, channel, start, are_to_go=False)


def forget_ratings(origin: Origin, channel: str, start: str) -> Call[RatingsPage]:
    """Delete the ratings of the person's messages in a page of a channel's."""
    return _ratings_of(origin, channel, start, are_to_go=True)


def _ratings_of(origin: Origin, channel: str, start: str, *, are_to_go: bool) -> Call[RatingsPage]:
    args = (
        keys.ratings(origin.tenant, channel),
        keys.rated(origin.tenant, channel),
        origin.user,
        start,
        PAGE_SIZE,
        int(are_to_go),
    )
    return Call(scripts.RATINGS_OF, args, ratings.read_page)


def kept(origin: Origin, days: tuple[int, ...]) -> Call[Kept]:
    """The stored data of the origin's person.

    Args:
        origin: the person and the workspace.
        days: the days whose usage is included, by their numbers since 1970.
    """
    used = keys.used("user", origin.asker)
    args = (
        origin.asker,
        keys.feedback(origin.asker),
        keys.opted_out(origin.tenant),
        origin.user,
        *(f"{used}:{day}" for day in days),
    )
    return Call(scripts.KEPT, args, _read_kept)


def _read_kept(raw: Any) -> Kept:  # noqa: ANN401 - a script's answer: lists in a list
    is_opted_out, verdicts, conversations, jobs, used, thoughts = raw
    words = [text_of(word) for word in verdicts]
    return Kept(
        is_opted_out=is_opted_out == 1,
        verdicts=dict(zip(words[::2], words[1::2], strict=True)),
        conversations={
            text_of(name): tuple(codec.decode(turn, Turn) for turn in turns)
            for name, *turns in conversations
        },
        questions=tuple(codec.decode(job, Job) for job in jobs),
        used={
            text_of(name).rpartition(":")[2]: {"messages": int(messages), "tokens": int(tokens)}
            for name, messages, tokens in used
        },
        thoughts={
            text_of(job): codec.decode(thought, ThoughtSoFar).text for job, thought in thoughts
        },
    )


def as_json(found: Kept, rated: list[ratings.Rated]) -> str:
    """A person's stored data as a JSON document for that person."""
    questions = [json.loads(codec.encode(job))["body"] for job in found.questions]
    document = {
        **dataclasses.asdict(found),
        "questions": questions,
        "ratings": [dataclasses.asdict(one) for one in rated],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


STILL_DELETING = (
    "I am deleting what I keep of you. There is much of it, so it takes a few minutes more; you "
    "need not do anything."
)


def forgotten_text(gone: Forgotten) -> str:
    """The confirmation that a person reads. Pure."""
    parts = [
        _count(gone.conversations, "conversation"),
        _count(gone.questions, "question"),
        _count(gone.verdicts, "verdict on an answer", "verdicts on answers"),
        _count(gone.ratings, "rating of a message", "ratings of messages"),
    ]
    text = f"I have deleted {', '.join(parts[:-1])} and {parts[-1]} of yours."
    if gone.documents:
        text += f" {_count(gone.documents, 'document')} of yours went, too."
    if gone.stopped:
        were = "was" if gone.stopped == 1 else "were"
        text += f" {_count(gone.stopped, 'question')} {were} still open: I have stopped."
    if gone.left:
        text += (
            f" {_count(len(gone.left), 'question')} of other people with words of yours "
            "will be deleted as soon as they are answered."
        )
    return f"{text} My messages in the channels stay: delete your questions to take them away."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
