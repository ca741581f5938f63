"""The final text of a job, whatever its outcome."""

from bots.render.split import close_fence
from shared.replies import Done, Final, FinishReason

LENGTH_NOTE = "*(I stopped at my length limit. Say “go on” for more.)*"


def final_text(reply: Final) -> str:
    """Markdown for what the person reads in the end."""
    if isinstance(reply, Done):
        if reply.finish_reason is FinishReason.LENGTH:
            return f"{close_fence(reply.text)}\n\n{LENGTH_NOTE}"
        return reply.text
    if reply.text:
        return f"{close_fence(reply.text)}\n\n*{reply.sentence}*"
    return reply.sentence
