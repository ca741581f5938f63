"""A text that something is to follow. Pure."""
# Pure. Uses markdown_it.

import re

from bots.render.grammar import blocks_of
from bots.render.parse import with_plain_line_ends


def close_fence(text: str) -> str:
    """The text with a fence that was left open closed, so that what follows is no code."""
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
    # The lines of code go on in a list's item with blanks where its first line has the marker.
    indent = re.sub(r"[^>\s]", " ", container)
    return f"{text.rstrip()}\n{indent}{fences[-1].markup}"
