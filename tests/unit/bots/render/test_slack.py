"""Markdown reads well in Slack, and nothing that a model writes becomes Slack's own markup."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bots.render.slack import (
    MAX_SOURCE_CHARS,
    MAX_TEXT_CHARS,
    escape,
    render_for_slack,
    render_part,
    to_mrkdwn,
)
from bots.render.split import split_markdown
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN

LEADERS = re.compile(r"^(?:> |    |• |\d+\. )*", re.MULTILINE)
"""What the renderer itself puts before a line: quotes and lists."""
BARE_AMPERSAND = re.compile(r"&(?!amp;|lt;|gt;)")
FENCE = "```"

GOLDEN: dict[str, tuple[str, str]] = {
    "plain": ("Hello, world.", "Hello, world."),
    "bold": ("**bold** and __bold__", "*bold* and *bold*"),
    "italics": ("*thin* and _thin_", "_thin_ and _thin_"),
    "bold italics": ("***both***", "_*both*_"),
    "strike": ("~~gone~~", "~gone~"),
    "code": ("run `ls -l`", "run `ls -l`"),
    "code is no markup": ("`**a** <b> & c`", "`**a** &lt;b&gt; &amp; c`"),
    "underscores in words": ("snake_case_name", "snake_case_name"),
    "escaped marks": (r"\*not thin\*", "*not thin*"),
    "line break": ("one\ntwo", "one\ntwo"),
    "hard break": ("one  \ntwo", "one\ntwo"),
    "paragraphs": ("one\n\n\n\ntwo", "one\n\ntwo"),
    "fence": ("```py\nif a < b:\n    pass\n```", "```\nif a &lt; b:\n    pass\n```"),
    "open fence": ("```py\nx", "```\nx\n```"),
    "indented code": ("    a & b", "```\na &amp; b\n```"),
    "list": ("- one\n- two", "• one\n• two"),
    "loose list": ("- one\n\n- two", "• one\n• two"),
    "nested list": (
        "- one\n  - two\n    - three\n- four",
        "• one\n    • two\n        • three\n• four",
    ),
    "ordered list": ("1. one\n2. two", "1. one\n2. two"),
    "ordered list with a start": ("7. one\n8. two", "7. one\n8. two"),
    "ordered list from nought": ("0. one\n1. two", "0. one\n1. two"),
    "ordered list in a list": ("- a\n  1. b", "• a\n    1. b"),
    "list with code": ("- run\n  ```\n  ls\n  ```", "• run\n    ```\n    ls\n    ```"),
    "quote": ("> one\n> two", "> one\n> two"),
    "quote in a quote": ("> > deep", "> > deep"),
    "quote with paragraphs": ("> one\n>\n> two", "> one\n> two"),
    "heading": ("# Title", "*Title*"),
    "heading with bold": ("## A **bold** title", "*A bold title*"),
    "underlined heading": ("Title\n=====", "*Title*"),
    "rule": ("a\n\n---\n\nb", "a\n\n———\n\nb"),
    "link": ("[docs](https://a.example/x)", "docs (https://a.example/x)"),
    "link with markup": ("[**docs**](https://a.example)", "*docs* (https://a.example)"),
    "link with parameters": (
        "[q](https://a.example/?a=1&b=2)",
        "q (https://a.example/?a=1&amp;b=2)",
    ),
    "bare link": ("<https://a.example>", "https://a.example"),
    "image": ("![a cat](https://a.example/cat.png)", "a cat"),
    "table": (
        "| name | n |\n|---|---|\n| a | 10 |\n| **long** | |",
        "```\nname    n\n------  --\na       10\n*long*\n```",
    ),
    "html": ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
    "html block": ("<div>\nx\n</div>", "&lt;div&gt;\nx\n&lt;/div&gt;"),
    "mention of everybody": ("<!channel> look", "&lt;!channel&gt; look"),
    "mention of a person": ("<@U123> <#C1|x>", "&lt;@U123&gt; &lt;#C1|x&gt;"),
    "mention already escaped": ("&lt;!here&gt;", "&lt;!here&gt;"),
    "mention as an address": ("[x](<!here>)", "x (!here)"),
    "mention in code": ("`<!here>`\n\n```\n<@U1>\n```", "`&lt;!here&gt;`\n\n```\n&lt;@U1&gt;\n```"),
    "mention in a table": (
        "| all mentions |\n|---|\n| <@U1> |",
        "```\nall mentions\n------------\n&lt;@U1&gt;\n```",
    ),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("markdown", "mrkdwn"), GOLDEN.values(), ids=GOLDEN.keys())
def test_to_mrkdwn_writes(markdown: str, mrkdwn: str) -> None:
    assert to_mrkdwn(markdown) == mrkdwn


def test_a_table_lines_up_as_it_is_read_and_not_as_it_is_escaped() -> None:
    lines = to_mrkdwn("| a | b |\n|---|---|\n| & | x |\n| c | x |").split("\n")

    read = [line.replace("&amp;", "&") for line in lines]
    assert {line.index("x") for line in read if "x" in line} == {3}  # "a", two blanks, "b"


@pytest.mark.parametrize("text", ["[docs][1]", "See the notes.", "![picture][1]"])
def test_a_links_address_that_stands_elsewhere_is_not_lost(text: str) -> None:
    rendered = to_mrkdwn(f"{text}\n\n[1]: https://a.example/x")

    assert "https://a.example/x" in rendered


def harmless(text: str) -> None:
    """Fail unless every control character is escaped, but for the quotes' and lists' own."""
    body = LEADERS.sub("", text)
    assert "<" not in text
    assert ">" not in body
    assert not BARE_AMPERSAND.search(text)


@given(ANY_MARKDOWN)
@example("> <!here>\n> - <@U1>")
@example("- > # <#C1>")
@example("&#60;!channel&#62;")
def test_no_text_renders_to_a_live_mention(text: str) -> None:
    harmless(to_mrkdwn(text))


@given(ANY_MARKDOWN)
def test_escape_leaves_nothing_of_slacks_own(text: str) -> None:
    escaped = escape(text)

    assert not re.search("[<>]", escaped)
    assert not BARE_AMPERSAND.search(escaped)


@given(ANY_MARKDOWN, st.sampled_from([1, 30]))
@example("&" * 4000, 1)
@example("\n".join(["- " + "<" * 300] * 12), 1)
@example("| " + "x" * 1700 + " | y |\n|---|---|\n" + "| a | b |\n" * 120, 1)
@example("> " * 40 + "&" * 4000, 1)
def test_parts_for_slack_fit_and_are_harmless(text: str, times: int) -> None:
    parts = render_for_slack("\n".join([text] * times))

    assert parts
    for part in parts:
        assert len(part) <= MAX_TEXT_CHARS
        harmless(part)


@pytest.mark.parametrize(
    "text",
    ["[1]: https://a.example", "- [a]: http://b.example", "![](https://a.example/cat.png)"],
)
def test_parts_for_slack_are_never_blank_where_the_answer_is_not(text: str) -> None:
    """Slack refuses a message without text."""
    parts = render_for_slack(text)

    assert all(re.search(r"\w", part) for part in parts)


@given(ANY_MARKDOWN)
def test_parts_for_slack_keep_every_word(text: str) -> None:
    parts = render_for_slack(f"first\n\n{text}\n\nlast")

    assert "first" in parts[0]
    assert "last" in parts[-1]
    assert all(part.strip() for part in parts)


def test_parts_for_slack_that_escaping_made_too_long_are_cut_again() -> None:
    text = "\n".join(["&" * 70] * 100)  # 7,099 characters, 35,099 when escaped

    parts = render_for_slack(text)

    assert max(len(part) for part in parts) <= MAX_TEXT_CHARS
    assert "".join(parts).replace("\n", "") == "&amp;" * 7000


def test_parts_for_slack_have_whole_fences() -> None:
    text = "```py\n" + "\n".join(f"line {number} < {number}" for number in range(600)) + "\n```"

    parts = render_for_slack(text)

    assert len(parts) > 1
    for part in parts:
        assert part.startswith(FENCE)
        assert part.endswith(FENCE)
        assert part.count(FENCE) == 2


def test_code_that_holds_a_fence_does_not_end_early() -> None:
    """Slack knows no longer fences: three backticks inside of code end it."""
    rendered = to_mrkdwn("````md\n```\ncode\n```\n````\n\nafter")

    assert rendered.count(FENCE) == 2
    assert rendered.endswith("\n\nafter")


LONG_LIST_ITEM = "- item\n" + "word " * 56 + "word"


@given(ANY_MARKDOWN, st.data())
def test_parts_for_slack_stay_while_a_text_grows(text: str, data: st.DataObject) -> None:
    text = "\n".join([text] * 12)
    shorter = text[: data.draw(st.integers(0, len(text)), label="length so far")]

    closed = split_markdown(shorter, MAX_SOURCE_CHARS)[:-2]

    shown = [rendered for part in closed for rendered in render_part(part)]
    assert render_for_slack(text)[: len(shown)] == shown


def test_parts_for_slack_are_not_cut_anew_by_what_lists_add() -> None:
    """A line that goes on with an item is indented by four more: 12 * 4 of 3,503 characters."""
    text = "\n".join([LONG_LIST_ITEM] * 24)

    counts = [len(render_for_slack(text[:length])) for length in range(1, len(text), 13)]

    assert counts == sorted(counts)
