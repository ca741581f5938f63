"""The thinking behind an answer as Slack's blocks: plain text, of which Slack interprets nothing.

docs.slack.dev/reference/block-kit/composition-objects/text-object
"""
# Pure.

from typing import Any

from bots.slack.views.components import MAX_SECTION_CHARS, cut

SECTIONS_A_MESSAGE = 4
"""Slack takes 13,000 characters in the blocks of a message."""
MAX_MESSAGES = 4
"""A response address takes five."""
REST_LEFT_OUT = "The rest of it is left out here: it has {num_chars:,} characters in all."

Blocks = tuple[dict[str, Any], ...]


def thought_blocks(text: str) -> list[Blocks]:
    """The blocks of each message, in order."""
    parts = [part for part in cut(text.strip(), MAX_SECTION_CHARS) if part.strip()]
    starts = range(0, len(parts), SECTIONS_A_MESSAGE)
    messages = [parts[start : start + SECTIONS_A_MESSAGE] for start in starts]
    shown = messages[:MAX_MESSAGES]
    if len(shown) < len(messages):
        shown[-1].append(REST_LEFT_OUT.format(num_chars=len(text)))
    return [tuple(map(_plain_section, message)) for message in shown]


def _plain_section(text: str) -> dict[str, Any]:
    return {
        "type": "section",
        "text": {"type": "plain_text", "text": text, "emoji": False},
        "expand": True,
    }
