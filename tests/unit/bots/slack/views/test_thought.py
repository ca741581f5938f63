"""The thinking behind an answer as Slack's blocks: plain, within limits, and nothing lost."""

import pytest

from bots.slack.views.thought import MAX_MESSAGES, thought_blocks

MAX_CHARS = 13_000
"""A message's blocks; see ``tests.fakes.slack_settings``."""


@pytest.mark.parametrize(
    "text",
    [
        "Hm.",
        "<!channel> <@U1> *bold* `code` :smile: &lt;!here&gt; http://evil.example",
        "word " * 500,
        "x" * 9_001,
        "a line\n" * 4_000,
        " " * 5_000 + "much room\n" * 100,
    ],
)
def test_a_thought_is_shown_whole_as_plain_text(text: str) -> None:
    messages = thought_blocks(text)
    texts = [block["text"] for blocks in messages for block in blocks]

    assert "".join(each["text"] for each in texts).split() == text.split()
    assert {(each["type"], each["emoji"]) for each in texts} == {("plain_text", False)}
    assert all(0 < len(each["text"].strip()) <= 3_000 for each in texts)


@pytest.mark.parametrize("text", ["x" * 200_000, "a line\n" * 20_000])
def test_of_a_very_long_thought_the_rest_is_left_out_and_that_is_said(text: str) -> None:
    messages = thought_blocks(text)

    assert len(messages) == MAX_MESSAGES
    sizes = [sum(len(block["text"]["text"]) for block in blocks) for blocks in messages]
    assert max(sizes) <= MAX_CHARS
    assert f"{len(text):,} characters" in messages[-1][-1]["text"]["text"]
