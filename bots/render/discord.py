"""Markdown as Discord shows it, in parts of at most 2,000 characters.

Discord reads Markdown itself; mentions are made harmless by ``allowed_mentions`` where it is sent.
"""

from bots.render.split import split_markdown

MAX_CONTENT_CHARS = 2000
"""Discord API docs, resources/message: content."""


def render_for_discord(text: str) -> list[str]:
    """Parts for Discord, in order."""
    return split_markdown(text, MAX_CONTENT_CHARS)
