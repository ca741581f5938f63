"""What a worker says about a job: the text so far, then exactly one ending.

Pure data. Written by ``worker.publish``, shown by ``bots.delivery``.
"""

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


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer."""

    text: str
    finish_reason: FinishReason = FinishReason.STOP


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no (whole) answer, and why."""

    code: str
    """A word for logs and metrics: never shown, never holds a person's text."""
    sentence: str
    """What the person reads."""
    text: str = ""
    """What had been written of the answer, if anything; shown above the sentence."""


Final = Done | Failed
