"""The input text of the sentiment model, the same in training and in use. Pure."""
# Pure.

import html
import re

LINK = re.compile(r"https?://\S+")
MENTION = re.compile(r"(?<![\w@])@[\w.]+")
EMOJI_CODE = re.compile(r":([a-z][a-z0-9_+\-]+):")
"""Emoji codes, of Slack and of a Discord server's own emoji: ``:tada:``."""


def clean(text: str) -> str:
    """Remove what carries no sentiment: addresses and names.

    A link and a mention become one word each, an emoji's code its words.
    """
    text = html.unescape(text)
    text = LINK.sub(" link ", text)
    text = MENTION.sub("@user", text)
    text = EMOJI_CODE.sub(lambda code: f" {code[1].replace('_', ' ')} ", text)
    return " ".join(text.split())
