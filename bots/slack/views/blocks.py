"""A text and a picture as one of Slack's messages. Pure."""
# Pure.

import re
from typing import Any

from shared.replies import Picture

MAX_SECTION_CHARS = 3000
"""docs.slack.dev/reference/block-kit/blocks/section-block."""
MAX_ALT_CHARS = 2000
"""docs.slack.dev/reference/block-kit/blocks/image-block."""
NO_PICTURE = (
    "_I could not attach the picture: Slack did not take it. "
    "Whoever runs me can look whether this app has the scope files:write._"
)
LAST_BREAK = re.compile(r".*(?:\n|\s)", re.DOTALL)


def with_image(text: str, file: str | None, picture: Picture | None) -> dict[str, Any]:
    """What a message says, as arguments of Slack's methods.

    Args:
        text: mrkdwn, escaped.
        file: Slack's id of the uploaded picture; None if there is none.
        picture: what it shows; without a file its description and the reason stand in its place.
    """
    if picture is None:
        return {"text": text}
    if file is None:
        return {"text": f"{text}\n\n[{picture.description}]\n{NO_PICTURE}"}
    sections = [section(part) for part in cut(text, MAX_SECTION_CHARS)]
    image = {
        "type": "image",
        "slack_file": {"id": file},
        "alt_text": picture.description[:MAX_ALT_CHARS],
    }
    return {"text": text, "blocks": [*sections, image]}


def section(text: str) -> dict[str, Any]:
    """A block of mrkdwn that is always shown whole."""
    words = {"type": "mrkdwn", "text": text, "verbatim": True}
    return {"type": "section", "text": words, "expand": True}


def cut(text: str, most: int) -> list[str]:
    """The text in pieces of so many characters at most, cut at line ends or blanks if it can be."""
    pieces = []
    while len(text) > most:
        found = LAST_BREAK.match(text, 0, most)
        end = found.end() if found else most
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text] if text.strip() else pieces
