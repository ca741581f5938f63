"""From one message on any platform to a job, or None if it is not for us. Pure.

Adapters describe what they saw as an ``Incoming``; everything that needs Redis (do we take part in
this thread?) has been looked up before and is part of it.
"""

import unicodedata
from dataclasses import dataclass

from bots.policy import Situation, is_for_us
from shared.errors import EmptyMessageError, MessageTooLongError
from shared.jobs import Job, Kind, Origin, make_job
from shared.replies import Failed

NEW_WORDS = frozenset({"/new", "forget this conversation"})
KEPT_CONTROLS = "\n\t"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message, in words that every platform shares."""

    origin: Origin
    text: str
    """Without the mention that called us."""
    situation: Situation
    late_s: float = 0.0
    """How long ago it was written, if it was found by looking back; else 0."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is ours; with a refusal it ends at once, with that sentence."""

    job: Job
    refusal: Failed | None = None
    is_said_sparingly: bool = False
    """Whether the author reads that sentence at most once a minute."""


def intake(incoming: Incoming, max_chars: int) -> Taken | None:
    """Decide about one message.

    Args:
        incoming: the message.
        max_chars: the longest text that is read, in characters.
    """
    if not is_for_us(incoming.situation):
        return None
    text = clean(incoming.text)
    kind = Kind.NEW if text.lower().rstrip(".!") in NEW_WORDS else Kind.CHAT
    if len(text) > max_chars:
        refusal = MessageTooLongError(len(text), max_chars).to_reply()
        # The text is not kept: it would only lie in Redis.
        return Taken(make_job(kind, incoming.origin, ""), refusal, is_said_sparingly=True)
    if not text:
        if not (incoming.situation.is_direct or incoming.situation.mentions_us):
            return None  # a picture, or words that we may not read: nobody spoke to us
        return Taken(make_job(kind, incoming.origin, ""), EmptyMessageError().to_reply())
    return Taken(make_job(kind, incoming.origin, text, incoming.late_s))


def clean(text: str) -> str:
    """The text without what no model should read and no JSON can carry.

    Lone surrogates become replacement characters; NUL and other control characters go.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = (char for char in whole if char in KEPT_CONTROLS or unicodedata.category(char) != "Cc")
    return "".join(kept).strip()
