"""The thinking behind an answer for one person: as code, in which Discord interprets nothing."""
# Pure. Uses markdown_it, wcwidth.

from bots.render.dialect import without_fences
from bots.render.discord import MAX_CONTENT_CHARS

MAX_MESSAGES = 3
"""A longer thought is a text file."""
IN_FILE = "The thinking behind this answer is in this file."
FILE_NAME = "thinking.txt"
FENCE = "```"
MAX_PART_CHARS = MAX_CONTENT_CHARS - len(f"{FENCE}\n\n{FENCE}")


def thought_messages(text: str) -> list[str]:
    """The messages that show it, in order; empty if it would be too many of them."""
    messages, part = list[str](), ""
    for line in without_fences(text.strip()).split("\n"):
        if part and len(part) + 1 + len(line) > MAX_PART_CHARS:
            messages.append(part)
            part = line
        else:
            part = f"{part}\n{line}" if part else line
        while len(part) > MAX_PART_CHARS:
            messages.append(part[:MAX_PART_CHARS])
            part = part[MAX_PART_CHARS:]
    messages = [each for each in [*messages, part] if each.strip()]
    if len(messages) > MAX_MESSAGES:
        return []
    return [f"{FENCE}\n{message}\n{FENCE}" for message in messages]
