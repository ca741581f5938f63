"""Markdown as Discord shows it, in parts of at most 2,000 characters.

Discord reads Markdown itself; mentions are made harmless by ``allowed_mentions`` where it is sent.
Links are made to show where they lead.
"""

import re

from bots.render.split import find_fences, split_markdown, with_plain_line_ends

MAX_CONTENT_CHARS = 2000
"""Discord API docs, resources/message: content."""
MASK = re.compile(r"\](?=\(\s*<?[a-z][a-z0-9+.-]*:)", re.IGNORECASE)
"""The end of a label that would hide an address: ``[label](https://…)``."""
CLOSING = re.compile(r"\n[> ]*(?:`{3,}|~{3,})$")
ALIKE_CHARS = 200


def render_for_discord(text: str) -> list[str]:
    """Parts for Discord, in order."""
    return split_markdown(unmask_links(text), MAX_CONTENT_CHARS)


def unmask_links(text: str) -> str:
    """The text with the address of each link in sight, instead of behind a label.

    A model that was talked into it could hide a secret in an address behind a harmless label, and
    whoever follows the link would hand it over. A blank between the two keeps Discord from making a
    link of them; code is left as it is.
    """
    lines = with_plain_line_ends(text).split("\n")
    in_code = {number for fence in find_fences(text) for number in range(fence.start, fence.end)}
    return "\n".join(
        line if number in in_code else MASK.sub("] ", line) for number, line in enumerate(lines)
    )


def is_beginning_of(posted: str, text: str) -> bool:
    """Whether a posted message is an earlier state of a part that reads ``text`` by now.

    A fence that was still open then was closed at the end of what was posted.
    """
    begun = CLOSING.sub("", posted.strip())[:ALIKE_CHARS].rstrip()
    return bool(begun) and text.strip().startswith(begun)
