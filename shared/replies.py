"""The replies of a worker to a job: snapshots of the text so far, then exactly one final reply.

Pure data. Written by ``worker.tasks.generate``, shown by ``bots.delivery.manager``.
"""
# Pure.

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answer so far. The latest one replaces all before it; losing one does no harm."""

    text: str
    thinking_s: float | None = None
    """Seconds that the model has thought, while it thinks; None while it writes."""


@dataclass(frozen=True, slots=True)
class ThoughtSoFar:
    """The thoughts before an answer: shown to the person who asked, on request, and to no other."""

    text: str
    is_over: bool = False
    """Whether the answer has begun."""


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    LENGTH = "length"
    """The answer reached ``PARLEY_MAX_NEW_TOKENS`` or the end of the model's context."""
    CANCELLED = "cancelled"
    """A person stopped it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that belongs to an answer."""

    name: str
    """The file name with its extension."""
    content: str
    """The bytes of a PNG, as base64: at most ``MAX_PICTURE_CHARS``."""
    description: str
    """The alternative text, for people who do not see the image."""


MAX_PICTURE_CHARS = 400_000


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer."""

    text: str
    finish_reason: FinishReason = FinishReason.STOP
    picture: Picture | None = None
    """Shown below the text."""
    has_thought: bool = False
    """Whether the model thought before it answered: ``shared.ledger.thoughts`` has the text."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no answer or only part of one, and why."""

    code: str
    """A word for logs and metrics: never shown, never holds a person's text."""
    sentence: str
    """The sentence that the person reads."""
    text: str = ""
    """The part of the answer that was written, if any; shown above the sentence."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """The rating of a message. Nothing is posted for it but a reaction."""

    label: str
    """``positive``, ``neutral`` or ``negative``."""
    reaction: str = ""
    """The emoji to add to the message; empty for none."""
    was: str = ""
    """The emoji that the previous text of the message had; to be removed."""


Final = Done | Failed | Tagged
