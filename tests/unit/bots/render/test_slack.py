"""An answer reads well in Slack, and nothing that a model writes becomes Slack's own markup."""

import re

import pytest
from hypothesis import given

from bots.render.slack import MAX_TEXT_BYTES, escape, render_for_slack
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN

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
    "escaped marks": (r"\*not thin\*", "*\u200bnot thin*"),
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
    "quote with paragraphs": ("> one\n>\n> two", "> one\n> \n> two"),
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
    "image": ("![a cat](https://a.example/cat.png)", "a cat (https://a.example/cat.png)"),
    "table": (
        "| name | n |\n|---|---|\n| a | 10 |\n| **long** | |",
        "```\nname  n\n----  --\na     10\nlong\n```",
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
def test_mrkdwn_is_written(markdown: str, mrkdwn: str) -> None:
    assert render_for_slack(markdown) == [mrkdwn]


def test_a_table_lines_up_as_it_is_read_and_not_as_it_is_escaped() -> None:
    (part,) = render_for_slack("| a | b |\n|---|---|\n| & | x |\n| c | x |")

    read = [line.replace("&amp;", "&") for line in part.split("\n")]
    assert {line.index("x") for line in read if "x" in line} == {3}  # "a", two blanks, "b"


@pytest.mark.parametrize("text", ["[docs][1]", "See the notes.", "![picture][1]"])
def test_a_links_address_that_stands_elsewhere_is_not_lost(text: str) -> None:
    (part,) = render_for_slack(f"{text}\n\n[1]: https://a.example/x")

    assert "https://a.example/x" in part


@given(ANY_MARKDOWN)
def test_escape_leaves_nothing_of_slacks_own(text: str) -> None:
    escaped = escape(text)

    assert not re.search("[<>]", escaped)
    assert not BARE_AMPERSAND.search(escaped)


def test_parts_are_counted_in_bytes() -> None:
    parts = render_for_slack("\u4e2d" * 2000)  # 6,000 bytes

    assert [len(part.encode()) for part in parts] == [3498, 2502]
    assert MAX_TEXT_BYTES == 3500


def test_code_that_holds_a_fence_does_not_end_early() -> None:
    """Slack knows no longer fences: three backticks inside of code end it."""
    (part,) = render_for_slack("````md\n```\ncode\n```\n````\n\nafter")

    assert part.count(FENCE) == 2
    assert part.endswith("\n\nafter")
