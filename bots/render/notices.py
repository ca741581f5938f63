"""The text of a job: what stands above an answer that comes late, and how it ends.

Pure. An answer that grows has the same words above it as the whole one.
"""
# Pure. Uses markdown_it.

from bots.render.closing import close_fence
from shared.replies import Done, Failed, Final, FinishReason

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
STOPPED_NOTE = "*(Stopped.)*"
LENGTH_NOTE = "*(I stopped at my length limit. Say “go on” for more.)*"
NOTES = {FinishReason.LENGTH: LENGTH_NOTE, FinishReason.CANCELLED: STOPPED_NOTE}
FILE_NOTE = "*The answer goes on in the file, which holds all of it.*"


def final_text(reply: Final) -> str:
    """Markdown for what the person reads in the end."""
    if not isinstance(reply, Done | Failed):
        return ""
    if isinstance(reply, Failed) and not reply.text:
        return reply.sentence
    note = _note(reply)
    if not note:
        return reply.text
    return f"{close_fence(reply.text)}\n\n{note}" if reply.text else note


def note_below_file(reply: Final) -> str:
    """Markdown for the message with the file that a long answer goes on in."""
    note = _note(reply)
    return f"{FILE_NOTE}\n\n{note}" if note else FILE_NOTE


def _note(reply: Final) -> str:
    """What is said below an answer."""
    if isinstance(reply, Failed):
        return f"*{reply.sentence}*"
    return NOTES.get(reply.finish_reason, "") if isinstance(reply, Done) else ""


def with_lateness(late_s: float, text: str) -> str:
    """The text of an answer, so far or whole, to a question that was heard so much too late."""
    if late_s <= 0:
        return text
    return f"*(You asked this {_ago(late_s)} ago, while I was away.)*\n\n{text}"


def _ago(late_s: float) -> str:
    size_s, unit = (HOUR_S, "hour") if late_s >= HOUR_S else (MINUTE_S, "minute")
    number = max(1, int(late_s // size_s))
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
