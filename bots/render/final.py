"""The text of a job: what stands above an answer that comes late, and how it ends.

Pure. An answer that grows has the same words above it as the whole one.
"""

from bots.render.closing import close_fence
from shared.replies import Done, Failed, Final, FinishReason

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
STOPPED_NOTE = "*(Stopped.)*"
LENGTH_NOTE = "*(I stopped at my length limit. Say “go on” for more.)*"


def final_text(reply: Final) -> str:
    """Markdown for what the person reads in the end."""
    if isinstance(reply, Done):
        if reply.finish_reason is FinishReason.LENGTH:
            return f"{close_fence(reply.text)}\n\n{LENGTH_NOTE}"
        if reply.finish_reason is FinishReason.CANCELLED:
            return f"{close_fence(reply.text)}\n\n{STOPPED_NOTE}" if reply.text else STOPPED_NOTE
        return reply.text
    if not isinstance(reply, Failed):
        return ""
    if reply.text:
        return f"{close_fence(reply.text)}\n\n*{reply.sentence}*"
    return reply.sentence


def with_lateness(late_s: float, text: str) -> str:
    """The text of an answer, so far or whole, to a question that was heard so much too late."""
    if late_s <= 0:
        return text
    return f"*(You asked this {_ago(late_s)} ago, while I was away.)*\n\n{text}"


def _ago(late_s: float) -> str:
    size_s, unit = (HOUR_S, "hour") if late_s >= HOUR_S else (MINUTE_S, "minute")
    number = max(1, int(late_s // size_s))
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
