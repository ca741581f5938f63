"""An answer reads well on Discord, and its parts are known again by what they say."""

import pytest
from hypothesis import given

from bots.render.discord import MAX_CONTENT_CHARS, is_beginning_of, render_for_discord
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN

GOLDEN: dict[str, tuple[str, str]] = {
    "plain": ("Hello, world.", "Hello, world."),
    "bold": ("**bold** and __bold__", "**bold** and **bold**"),
    "italics": ("*thin* and _thin_", "*thin* and *thin*"),
    "strike": ("~~gone~~", "~~gone~~"),
    "escaped marks": (r"\*not thin\*", r"\*not thin\*"),
    "underscores in words": ("snake_case and __init__()", "snake_case and **init**()"),
    "no spoiler": ("||there||", r"\|\|there\|\|"),
    "no list": ("In\n1986. there", "In\n1986\\. there"),
    "a small heading": ("#### four", "**four**"),
    "an underlined heading": ("Title\n---", "## Title"),
    "a fence of tildes": ("~~~py\nx\n~~~", "```py\nx\n```"),
    "what stands behind a language": ("```js title=x\ny\n```", "```js\ny\n```"),
    "indented code": ("    a & b", "```\na & b\n```"),
    "a fence in a fence": ("````\n```\n````", "```\n`\u200b`\u200b`\n```"),
    "backticks in code": ("``a`b``", "`` a`b ``"),
    "a quote without a blank": (">one\n>\n>two", "> one\n> \n> two"),
    "tasks": ("- [ ] one\n- [x] two\n- [ ]x", "- ☐ one\n- ☑ two\n- [ ]x"),
    "another bullet": ("* one\n* two", "- one\n- two"),
    "a rule": ("a\n\n---\n\nb", "a\n\n———\n\nb"),
    "a link": ("[docs](https://a.example/x)", "docs (https://a.example/x)"),
    "a link in brackets": ("[docs](<https://a.example/x>)", "docs (https://a.example/x)"),
    "a link that is its label": ("<https://a.example>", "https://a.example"),
    "an image": ("![x](https://a.example/?q=1)", "x (https://a.example/?q=1)"),
    "another scheme": ("[b](discord://b)", "b (discord://b)"),
    "an address with signs": ("https://a.example/_b_*c", "https://a.example/_b_*c"),
    "text that is no link": (r"\[docs](https://a.example)", r"[docs]\(https://a.example)"),
    "a link in code": ("```md\n[docs](https://a)\n```", "```md\n[docs](https://a)\n```"),
    "bold across lines": ("**a\nb**", "**a**\n**b**"),
    "a table": ("| a | b |\n|---|---|\n| **1** | 2 |", "```\na  b\n-  -\n1  2\n```"),
    "html": ("<b>bold</b>", "<b>bold</b>"),
    "markup alone": ("#", "\\#"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("markdown", "discord"), GOLDEN.values(), ids=GOLDEN.keys())
def test_discord_is_written(markdown: str, discord: str) -> None:
    assert render_for_discord(markdown) == [discord]


def test_parts_are_counted_in_code_points() -> None:
    parts = render_for_discord("\U0001f600" * 2001)

    assert [len(part) for part in parts] == [MAX_CONTENT_CHARS, 1] == [2000, 1]


def test_no_more_parts_are_made_than_asked_for() -> None:
    assert len(render_for_discord("word " * 4000, 3)) == 3


# what was posted, what the part reads by now
BEGINNINGS: list[tuple[str, str, bool]] = [
    ("and so on", "and so on and on", True),
    ("and so on", "and so on", True),
    ("```py\nx = 1\n```", "```py\nx = 1\ny = 2\n```", True),
    ("> ```\n> x\n> ```", "> ```\n> x\n> y\n> ```", True),
    (" and so on", "and so on", True),  # Discord trims
    ("and so on", "and then", False),
    ("and so on and on", "and so on", False),
    ("", "and so on", False),
    ("x" * 300, "x" * 250, True),  # that far is enough
]


@pytest.mark.parametrize(("posted", "text", "is_one"), BEGINNINGS)
def test_is_beginning_of_knows_a_part_that_has_grown(
    posted: str, text: str, *, is_one: bool
) -> None:
    assert is_beginning_of(posted, text) is is_one


@given(ANY_MARKDOWN)
def test_is_beginning_of_knows_each_part_while_an_answer_grows(text: str) -> None:
    text = "\n".join([f"first\n\n{text}"] * 12)
    whole = render_for_discord(text)

    for length in range(MAX_CONTENT_CHARS, len(text), 997):
        shown = render_for_discord(text[:length])
        for number, part in enumerate(shown[:-2]):
            assert is_beginning_of(part, whole[number])
