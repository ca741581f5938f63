"""The texts around an answer: the lateness line above, the note below, and what stands before it.

A growing answer has the same words above it as the whole one. A queue notice says how many are
ahead, how long it may take, or that no worker runs or can start; its figures are rounded as far as
they are known, so that it seldom changes. While the model thinks, a notice says for how long.
"""
# Pure. Uses markdown_it.

import re

from bots.render.grammar import blocks_of
from bots.render.parse import with_plain_line_ends
from shared.jobs import QueuePosition
from shared.replies import Done, Failed, Final, FinishReason


def close_fence(text: str) -> str:
    """The text with an open fence closed, so that what follows is not code."""
    lines = with_plain_line_ends(text).split("\n")
    fences = [token for token in blocks_of("\n".join(lines)) if token.type == "fence"]
    if not fences or fences[-1].map is None:
        return text
    start, end = fences[-1].map
    num_code_lines = (
        len(fences[-1].content.removesuffix("\n").split("\n")) if fences[-1].content else 0
    )
    is_closed = num_code_lines < end - start - 1
    if is_closed or end < len("\n".join(lines).rstrip().split("\n")):
        return text
    container = lines[start][: lines[start].index(fences[-1].markup)]
    # In a list item, lines of code begin with blanks where its first line has the marker.
    indent = re.sub(r"[^>\s]", " ", container)
    return f"{text.rstrip()}\n{indent}{fences[-1].markup}"


MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
STOPPED_NOTE = "*(Stopped.)*"
LENGTH_NOTE = "*(I stopped at my length limit. Say “go on” for more.)*"
NOTES = {FinishReason.LENGTH: LENGTH_NOTE, FinishReason.CANCELLED: STOPPED_NOTE}
FILE_NOTE = "*The answer goes on in the file, which holds all of it.*"


def final_text(reply: Final) -> str:
    """Markdown for the final text of a reply."""
    if not isinstance(reply, Done | Failed):
        return ""
    if isinstance(reply, Failed) and not reply.text:
        return reply.sentence
    note = _note(reply)
    if not note:
        return reply.text
    return f"{close_fence(reply.text)}\n\n{note}" if reply.text else note


def note_below_file(reply: Final) -> str:
    """Markdown for the message with the file that a long answer continues in."""
    note = _note(reply)
    return f"{FILE_NOTE}\n\n{note}" if note else FILE_NOTE


def _note(reply: Final) -> str:
    """The note below an answer."""
    if isinstance(reply, Failed):
        return f"*{reply.sentence}*"
    return NOTES.get(reply.finish_reason, "") if isinstance(reply, Done) else ""


def with_lateness(late_s: float, text: str) -> str:
    """An answer's text, partial or whole, with a line about how late the question was received."""
    if late_s <= 0:
        return text
    return f"*(You asked this {_ago(late_s)} ago, while I was away.)*\n\n{text}"


def _ago(late_s: float) -> str:
    size_s, unit = (HOUR_S, "hour") if late_s >= HOUR_S else (MINUTE_S, "minute")
    number = max(1, int(late_s // size_s))
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


WAITING = frozenset({"waiting", "queued"})
"""The states of a job that no worker has begun."""
OPEN = WAITING | {"running"}
"""The states of a job that owes its ending."""
STARTING = "*The model is starting. Your question is kept and will be answered as soon as it runs.*"
NOBODY = (
    "*No worker is running at the moment. Your question is kept and will be answered when one "
    "comes.*"
)
NEXT = "*You are next.*"
EXACT_UP_TO = 20
"""Above it the number is rounded to tens."""
MOST_NAME_CHARS = 100
MS = 1000
STEP_S = 5


def waiting_notice(place: QueuePosition) -> str | None:
    """A sentence for a question that has not been started; None if there is none to show."""
    if place.state not in WAITING:
        return None
    if place.failing_model:
        return failing_notice(place.failing_model)
    if place.num_alive == 0:
        return NOBODY
    if place.num_ready == 0:
        return STARTING
    if place.num_ahead == 0:
        return NEXT
    wait = "" if place.wait_ms is None else f", {_roughly(place.wait_ms / MS)}"
    return f"*{_count(place.num_ahead)} ahead of you{wait}.*"


def thinking_notice(thinking_s: float) -> str:
    """A sentence for a question that the model thinks about."""
    return f"*Thinking… {int(thinking_s)} s*"


def failing_notice(model: str) -> str:
    """The sentence for a question that waits for a model which fails at every start."""
    return (
        f"*No worker can start the model {_plain(model)} at the moment; those who run me can see "
        "why. Your question is kept and will be answered when one starts.*"
    )


def _plain(name: str) -> str:
    """A model's name without what Markdown or a platform reads as anything else."""
    return re.sub(r"[^\w./:+ -]|(?<!\w)_|_(?!\w)", "", name)[:MOST_NAME_CHARS]


def _count(number: int) -> str:
    if number <= EXACT_UP_TO:
        return str(number)
    return f"About {round(number, -1):,}"


def _roughly(wait_s: float) -> str:
    """A duration in words: in steps of 5 s, and above a minute in minutes."""
    steps_s = STEP_S * max(1, -(-wait_s // STEP_S))
    if steps_s < MINUTE_S:
        return f"about {steps_s:.0f} s"
    minutes = round(steps_s / MINUTE_S)
    return f"about {minutes:,} min"
