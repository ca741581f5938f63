"""Parts fit, keep every word, hold no live mention, and stay while an answer grows."""

import html
import re
import time
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bots.render.dialect import Dialect
from bots.render.discord import DIALECT as DISCORD
from bots.render.discord import NO_WIDTH, DiscordDialect
from bots.render.slack import DIALECT as SLACK
from bots.render.slack import SlackDialect
from bots.render.split import parts_of
from tests.chats.discord import read_discord
from tests.chats.shown import CodeBlock, flat
from tests.chats.slack import read_slack
from tests.fakes.discord_mentions import REGULAR_DEFAULT, find_live_mentions
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN, TIDY_MARKDOWN

DIALECTS: list[Callable[[int], Dialect]] = [DiscordDialect, SlackDialect]
BOTH = pytest.mark.parametrize("make", DIALECTS, ids=["discord", "slack"])
LIMITS = st.integers(240, 700)
WORD = re.compile(r"[^\W_]+")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
RENDERED_S = 10.0
"""Far above what it takes (docs/formatting.md): what is not linear takes minutes."""


def words_of(text: str) -> str:
    return "".join(WORD.findall(html.unescape(text)))


def is_in_order(pieces: str, whole: str) -> bool:
    """Whether all characters of the first text stand in the second, in their order."""
    rest = iter(whole)
    return all(char in rest for char in pieces)


@BOTH
@given(text=ANY_MARKDOWN, limit=LIMITS)
@example(text="&" * 4000, limit=300)
@example(text="\n".join(["- " + "<" * 300] * 12), limit=300)
@example(text="> " * 40 + "&" * 4000, limit=300)
@example(text="| " + "x" * 1700 + " | y |\n|---|---|\n" + "| a | b |\n" * 120, limit=300)
@example(text="```" + "x" * 900 + "\n" + "y" * 900, limit=240)
@example(text="\n".join("  " * depth + "- x" for depth in range(200)), limit=240)
def test_no_part_is_longer_than_the_limit_and_none_is_blank(
    make: Callable[[int], Dialect], text: str, limit: int
) -> None:
    dialect = make(limit)

    parts = list(parts_of(text, dialect))

    assert all(dialect.measure(part) <= limit for part in parts)
    assert all(part.strip() for part in parts) or not text.replace("\0", " ").strip()


@BOTH
@given(text=ANY_MARKDOWN, limit=LIMITS)
def test_no_word_is_lost(make: Callable[[int], Dialect], text: str, limit: int) -> None:
    parts = "".join(parts_of(f"first\n\n{text}\n\nlast", make(limit)))

    for said in ("first", "last"):
        assert said in parts
    # what stands behind a fence's language is no text, and a link's title is not shown
    source = re.sub(r"(?m)^[> ]*(?:- )?(```+|~~~+)(?!.*`).*$", "", text)
    source = re.sub(r"&[#\w]{1,32};|(?m:^[-+*>\s]*(?:\d{1,9}[.)]\s*)+)", "", source)
    assert is_in_order(words_of(source), words_of(parts.replace(NO_WIDTH, "")))


@BOTH
@given(text=TIDY_MARKDOWN, limit=LIMITS, data=st.data())
def test_all_but_the_last_two_parts_of_a_growing_answer_stay(
    make: Callable[[int], Dialect], text: str, limit: int, data: st.DataObject
) -> None:
    grows(make(limit), text, data.draw(st.integers(0, len(text))))


@BOTH
@given(text=ANY_MARKDOWN, limit=LIMITS, data=st.data())
def test_all_but_the_last_two_parts_of_any_growing_text_stay(
    make: Callable[[int], Dialect], text: str, limit: int, data: st.DataObject
) -> None:
    text = "\n".join([text] * 3)
    grows(make(limit), text, data.draw(st.integers(0, len(text))))


def grows(dialect: Dialect, text: str, length: int) -> None:
    closed = list(parts_of(text[:length], dialect))[:-2]

    assert list(islice(parts_of(text, dialect), len(closed))) == closed


LONG = "\n\n".join(
    [
        "# A long answer",
        "It has **bold words**, `code` and a [link](https://a.example/x). " * 12,
        "- an item\n  - one in it, with *some* words that go on for a while\n" * 9,
        "| name | value |\n|---|---|\n" + "| a cell | another cell |\n" * 22,
        "> quoted words that are many\n> and more of them\n" * 8,
        "```python\n" + "for number in range(10):\n    print(number)\n" * 24 + "```",
        "1. first\n2. second\n3. third\n" * 1,
        "A title\n=======\n\nand **the end of it",
    ]
)


@BOTH
def test_a_closed_part_never_changes_while_an_answer_is_written(
    make: Callable[[int], Dialect],
) -> None:
    closed: list[str] = []
    for length in range(1, len(LONG) + 1, 13):
        parts = list(parts_of(LONG[:length], make(500)))

        assert parts[: len(closed)] == closed
        closed = parts[:-2]

    assert len(closed) > 4


MENTIONS = (
    *("@everyone", "@here", "<@123456789012345678>", "<@!123456789012345678>"),
    *("<@&123456789012345678>", "<#123456789012345678>", "<!channel>", "<!here>", "<!everyone>"),
    *("<@U123>", "<#C123|x>", "<!subteam^S1>", r"\<@123456789012345678>", "&lt;!here&gt;"),
)  # fmt: skip
AROUND = st.sampled_from(
    [
        *("{}", "**{}**", "> {}", "- {}", "# {}", "| a |\n|---|\n| {} |"),
        *("[{}](https://a.example)", "[x]({})", "https://a.example/{}", "<https://a.example/{}>"),
        *("![{}](x)", "x {}\n{} y"),
    ]
)


@given(st.sampled_from(MENTIONS), AROUND, ANY_MARKDOWN)
def test_no_part_for_discord_holds_a_live_mention_outside_of_code(
    mention: str, around: str, text: str
) -> None:
    parts = parts_of(f"{text}\n\n{around.replace('{}', mention)}", DISCORD)

    for part in parts:
        for block in flat(read_discord(part)):
            if isinstance(block, CodeBlock):
                continue
            plain = "".join(span.text for span in block.spans if "code" not in span.marks)
            assert not find_live_mentions(plain, REGULAR_DEFAULT)
            assert not re.search(r"<#\d", plain)


@given(st.sampled_from(MENTIONS), AROUND, ANY_MARKDOWN)
def test_no_part_for_slack_holds_a_live_mention(mention: str, around: str, text: str) -> None:
    for part in parts_of(f"{text}\n\n{around.replace('{}', mention)}", SLACK):
        assert "<" not in part
        assert not re.search("&(?!amp;|lt;|gt;)", part)


@pytest.mark.parametrize("mention", ["@everyone", "<@123456789012345678>", "<!channel>"])
@pytest.mark.parametrize("around", ["`{}`", "```\n{}\n```"])
def test_code_is_left_as_it_is(mention: str, around: str) -> None:
    source = around.format(mention)

    assert list(parts_of(source, DISCORD)) == [source]
    assert [html.unescape(part) for part in parts_of(source, SLACK)] == [source]


WORST: dict[str, str] = {
    "backticks": "`" * 1_000_000,
    "lines of backticks": ("`" * 99 + "\n") * 10_000,
    "nested quotes": "> " * 500_000,
    "quotes without blanks": ">" * 1_000_000,
    "quotes in each line": ("> " * 500 + "text\n") * 1_000,
    "nested items": "- " * 500_000,
    "nothing": "\n" * 1_000_000,
    "one word": "x" * 1_000_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST.keys())
@BOTH
def test_a_megabyte_of_the_worst_is_rendered_in_time(
    make: Callable[[int], Dialect], text: str
) -> None:
    dialect = make(2000)
    begun_s = time.process_time()

    num_parts = sum(1 for _ in parts_of(text, dialect))

    assert num_parts
    assert time.process_time() - begun_s < RENDERED_S


FIRST_PARTS: dict[str, str] = {
    "code spans": "`a` " * 250_000,
    "open brackets": "[" * 1_000_000,
    "marks": "*a **b " * 140_000,
    "items": "- item\n" * 140_000,
}


@pytest.mark.parametrize("text", FIRST_PARTS.values(), ids=FIRST_PARTS.keys())
def test_the_parts_that_are_shown_cost_what_they_are_long(text: str) -> None:
    """Nothing behind them is read: a paragraph in stretches, blocks in windows."""
    begun_s = time.process_time()

    parts = list(islice(parts_of(text, DISCORD), 6))

    assert len(parts) == 6
    assert time.process_time() - begun_s < RENDERED_S


# what is cut, and how the second part begins
CUT: dict[str, tuple[str, str, str]] = {
    "code": ("```py\n" + "x = 1\n" * 80 + "```", "```py\nx = 1\n", "```\nx = 1\n"),
    "a quote": ("> " + "some words\n> " * 40 + "end", "> some words\n", "> some words\n"),
    "a quote's code": (
        "> ```py\n" + "> x = 1\n" * 60 + "> ```",
        "> ```py\n> x = 1\n",
        "> ```\n> x = 1\n",
    ),
    "an item's list": (
        "- first\n" + "".join(f"  - item {number}\n" for number in range(10, 40)),
        "- …\n  - item ",
        "• …\n    • item ",
    ),
    "bold": ("word " * 50 + "**" + "bold words " * 9 + "end**", "**bold ", "*words "),
    "a table": (
        "| head |\n|---|\n" + "| a cell |\n" * 60,
        "```\nhead\n------\na cell\n",
        "```\nhead\n------\na cell\n",
    ),
}


@pytest.mark.parametrize(("text", "discord", "slack"), CUT.values(), ids=CUT.keys())
def test_what_is_cut_goes_on_as_what_it_is(text: str, discord: str, slack: str) -> None:
    for make, beginning in ((DiscordDialect, discord), (SlackDialect, slack)):
        parts = list(parts_of(text, make(300)))

        assert len(parts) > 1
        assert all(part.startswith(beginning) for part in parts[1:])


def test_numbers_go_on_in_the_next_part() -> None:
    text = "\n".join(f"1. item {number}" for number in range(1, 90))

    for make in DIALECTS:
        lines = "\n".join(parts_of(text, make(300))).split("\n")
        assert lines == [f"{number}. item {number}" for number in range(1, 90)]


def test_a_heading_stands_in_the_part_of_what_it_is_above() -> None:
    text = "word " * 50 + "\n\n# Heading\n\n" + "more " * 40

    first, second = parts_of(text, DiscordDialect(300))

    assert "Heading" not in first
    assert second.startswith("# Heading\n\nmore")


@pytest.mark.parametrize("read", [read_discord, read_slack])
def test_columns_are_counted_as_they_are_wide(read: Callable[[str], list[object]]) -> None:
    text = "| 名前 | n |\n|---|---|\n| 😀 | x |\n| ab | x |"
    dialect: Dialect = DISCORD if read is read_discord else SLACK

    (part,) = parts_of(text, dialect)

    # two columns each: the gap of two blanks follows at once, behind "ab" and behind "😀"
    assert part.split("\n")[1:-1] == ["名前  n", "----  -", "😀    x", "ab    x"]


def test_a_wide_table_goes_on_in_the_next_line_of_its_cell() -> None:
    text = "| a | b |\n|---|---|\n| " + "word " * 30 + "| x |"

    (part,) = parts_of(text, DISCORD)

    assert max(len(line) for line in part.split("\n")) <= 76
    assert part.count("word") == 30
