"""The result of parsing a message, and phrases for time spans."""
# Pure. Uses babel.

import re
from dataclasses import dataclass

from bots.incoming.context import Wanted
from shared.tasks import Task


@dataclass(frozen=True, slots=True)
class Parsed:
    """The request that a message makes."""

    task: Task | None
    """None: a chat."""
    text: str
    """What the task or the chat is about; empty if the messages alone say it."""
    wanted: Wanted | None = None
    """The messages that it works on, if they have to be fetched."""
    is_private: bool = False
    """Whether only the asker sees the answer."""
    answer: str = ""
    """What the asker reads at once, without a job: help, or what is wrong."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, split for matching."""

    order: str
    """The request, on one line and without courtesies."""
    body: str = ""
    """The text behind a colon or on further lines."""
    in_thread: bool = False


DAY_HOURS = 24.0
HOURS_OF = {"minute": 1 / 60, "min": 1 / 60, "m": 1 / 60, "hour": 1.0, "h": 1.0, "hr": 1.0}
HOURS_OF |= {"day": DAY_HOURS, "d": DAY_HOURS, "week": 7 * DAY_HOURS, "w": 7 * DAY_HOURS}
HOURS_OF |= {"month": 30 * DAY_HOURS}
NUMBERS = {"": 1, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
NUMBERS |= {"couple of": 2, "a couple of": 2, "few": 3, "a few": 3}
NUMBERS |= {"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}

SPAN = (
    r"(?:(?:in|over|of|from|for|during) )?(?:the )?(?:last|past) ?"
    r"(?P<number>\d{1,4}|" + "|".join(word for word in NUMBERS if word) + r")? ?"
    r"(?P<unit>minute|min|hour|hr|day|week|month|[mhdw](?![a-z]))s?"
)
POINTED = (
    r"(?:this|that|it|(?:the )?above|(?:this|that|the)(?: last| previous)?"
    r" (?:message|mail|e-?mail|text|post|question|sentence|paragraph|one)(?: above)?)"
)
"""The message that is replied to, or the one before."""


def hours_in(match: re.Match[str]) -> float:
    """The length of a span that was matched, in hours."""
    word = (match["number"] or "").lower()
    number = int(word) if word.isdigit() else NUMBERS[word]
    return max(1, number) * HOURS_OF[match["unit"].lower()]
