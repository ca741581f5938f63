"""Which buttons stand under an answer. Pure; each platform draws them in its own way."""
# Pure.

from enum import Enum

from shared.jobs import Audience, Job, Kind

LASTING = frozenset(
    {Kind.CHAT, Kind.ASK, Kind.TRANSLATE, Kind.SUMMARIZE, Kind.WRITE, Kind.COMPLETE}
)
"""What takes a while to write, and may be written again."""


class AnswerButtons(Enum):
    """What whoever reads an answer can do with it; shown under its last part."""

    NONE = "none"
    RUNNING = "running"
    """Stop."""
    DONE = "done"
    """Retry, and say whether it was good or bad."""


def buttons_for(job: Job, *, is_over: bool) -> AnswerButtons:
    """The buttons of an answer while it is written, and when it is over.

    What one person alone sees cannot be written again everywhere, so it has none.
    """
    is_seen = job.origin.audience is Audience.CHANNEL and not job.is_unasked
    if job.kind not in LASTING or not is_seen:
        return AnswerButtons.NONE
    return AnswerButtons.DONE if is_over else AnswerButtons.RUNNING
