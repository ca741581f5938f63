"""The thinking behind an answer on Discord: code within limits, or a file."""

import pytest

from bots.discord.views.thought import MAX_MESSAGES, thought_messages
from tests.chats.discord import read_discord
from tests.chats.shown import CodeBlock

NO_WIDTH = "\u200b"


@pytest.mark.parametrize(
    "text",
    [
        "Hm.",
        "@everyone <@1> **bold** [x](http://evil.example) > quote",
        "```\ncode\n```",
        "````` five, and a loose one ` at the end `",
        "# not a heading\n- not an item\n\n  indented",
        "x" * 4_500,
        "a line\n" * 700,
    ],
)
def test_a_thought_is_shown_whole_in_blocks_of_code(text: str) -> None:
    messages = thought_messages(text)

    assert 1 <= len(messages) <= MAX_MESSAGES
    assert all(len(message) <= 2_000 for message in messages)
    shown = [read_discord(message) for message in messages]
    codes = [block.text for (block,) in shown if isinstance(block, CodeBlock)]
    assert len(codes) == len(messages)
    whole = "".join("".join(codes).replace(NO_WIDTH, "").split())
    assert whole == "".join(text.split())


@pytest.mark.parametrize("text", ["x" * 6_500, "a line\n" * 2_000])
def test_a_longer_thought_is_left_to_a_file(text: str) -> None:
    assert thought_messages(text) == []
