"""A message as the sentiment model reads it, the same in training and in use. Pure."""
# Pure.

import html
import re

LINK = re.compile(r"https?://\S+")
MENTION = re.compile(r"(?<![\w@])@[\w.]+")
EMOJI_CODE = re.compile(r":([a-z][a-z0-9_+\-]+):")
"""As Slack, and Discord for a server's own emoji, write them in text: ``:tada:``."""


def clean(text: str) -> str:
    """The text without what says nothing of how it sounds: addresses and names.

    What a link leads to and who is spoken to become one word each, an emoji's code its words.
    """
    text = html.unescape(text)
    text = LINK.sub(" link ", text)
    text = MENTION.sub("@user", text)
    text = EMOJI_CODE.sub(lambda code: f" {code[1].replace('_', ' ')} ", text)
    return " ".join(text.split())
