"""Selects the buttons under an answer; each platform draws them in its own way."""
# Pure.

from enum import Enum

from shared.jobs import Audience, Job, Kind

LASTING = frozenset(
    {Kind.CHAT, Kind.ASK, Kind.TRANSLATE, Kind.SUMMARIZE, Kind.WRITE, Kind.COMPLETE}
)
"""Kinds of jobs that take a while to write, and may be written again."""


class AnswerButtons(Enum):
    """What a reader can do with an answer; shown under its last part."""

    NONE = "none"
    RUNNING = "running"
    """Stop."""
    DONE = "done"
    """Retry, and say whether it was good or bad."""
    THOUGHT = "thought"
    """The same, and show the thinking behind it."""

    @property
    def is_over(self) -> bool:
        """Whether they stand under a finished answer."""
        return self in {AnswerButtons.DONE, AnswerButtons.THOUGHT}


def buttons_for(job: Job, *, is_over: bool, has_thought: bool = False) -> AnswerButtons:
    """The buttons of an answer while it is written, and when it is finished.

    An answer that only one person sees has none: it cannot be rewritten in place on every platform.
    """
    is_seen = job.origin.audience is Audience.CHANNEL and not job.is_unasked
    if job.kind not in LASTING or not is_seen:
        return AnswerButtons.NONE
    if not is_over:
        return AnswerButtons.RUNNING
    return AnswerButtons.THOUGHT if has_thought else AnswerButtons.DONE
