"""What a worker says about a job: the text so far, then exactly one ending.

Pure data. Written by ``worker.tasks.generate``, shown by ``bots.delivery.manager``.
"""
# Pure.

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answer so far. The latest one replaces all before it; losing one does no harm."""

    text: str


class FinishReason(StrEnum):
    """Why the model stopped writing."""

    STOP = "stop"
    LENGTH = "length"
    """The answer reached ``PARLEY_MAX_NEW_TOKENS`` or the end of the model's context."""
    CANCELLED = "cancelled"
    """Somebody stopped it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that belongs to an answer."""

    name: str
    """Of the file, with its ending."""
    content: str
    """The bytes of a PNG, as base64: at most ``MAX_PICTURE_CHARS``."""
    description: str
    """What it shows, for people who do not see it."""


MAX_PICTURE_CHARS = 400_000


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer."""

    text: str
    finish_reason: FinishReason = FinishReason.STOP
    picture: Picture | None = None
    """Shown below the text."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no (whole) answer, and why."""

    code: str
    """A word for logs and metrics: never shown, never holds a person's text."""
    sentence: str
    """What the person reads."""
    text: str = ""
    """What had been written of the answer, if anything; shown above the sentence."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A message was rated. Nobody waits for it."""

    label: str
    """``positive``, ``neutral`` or ``negative``."""
    reaction: str = ""
    """The emoji with which the message is marked; empty for none."""
    was: str = ""
    """The emoji with which it was marked before its text was changed, and no more."""


Final = Done | Failed | Tagged
