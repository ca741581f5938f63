"""Mentions that nobody made: taken apart by a blank of no width, so that they call nobody. Pure."""
# Pure.

import re

NO_WIDTH = "\u200b"
NAME = re.compile(r"@(?=everyone|here|channel)", re.IGNORECASE)
MENTION = re.compile(r"<(?=@[!&]?\d|\#\d|/[^<>]*:\d|id:|t:-?\d|a?:\w+:\d|[@!\#])", re.IGNORECASE)
"""The first character of whatever Discord takes for more than text."""


def without_names(text: str) -> str:
    """The text without what calls everybody; it reads as before."""
    return NAME.sub(f"@{NO_WIDTH}", text) if "@" in text else text


def without_mentions(text: str) -> str:
    """The text with every mention of Discord's dead, too."""
    text = without_names(text)
    return MENTION.sub(f"<{NO_WIDTH}", text) if "<" in text else text
