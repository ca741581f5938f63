"""Parts fit, lose nothing, keep code whole and stay as they are while an answer grows."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bots.render.discord import MAX_CONTENT_CHARS, render_for_discord
from bots.render.split import MIN_LIMIT, close_fence, split_markdown
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN, TIDY_MARKDOWN

CLOSING_LINES = re.compile(r"^[>\s]*(?:`{3,}|~{3,})\s*$", re.MULTILINE)
LIMITS = st.integers(MIN_LIMIT, 160)
CODE = "\n".join(f"line_{number} = {number}" for number in range(12))  # some 180 characters


def without_blanks(text: str) -> str:
    return "".join(text.split())


def is_in_order(pieces: str, whole: str) -> bool:
    """Whether all characters of the first text stand in the second, in their order."""
    rest = iter(whole)
    return all(char in rest for char in pieces)


def code_of(text: str) -> list[tuple[str, str]]:
    """Language and code of each fence, as a CommonMark parser sees them."""
    tokens = MarkdownIt("commonmark").parse(text)
    return [(token.info.strip(), token.content) for token in tokens if token.type == "fence"]


def joined_code(parts: list[str]) -> str:
    return without_blanks("".join(code for part in parts for _, code in code_of(part)))


def prose_of(text: str) -> str:
    """All that is not in a fence, without blanks and without the fences' own lines."""
    tokens = MarkdownIt("commonmark").parse(text)
    return without_blanks("".join(token.content for token in tokens if token.type != "fence"))


# text, limit, parts
TABLE: list[tuple[str, list[str]]] = [
    ("", [""]),
    (" \n\n ", [""]),
    ("hello", ["hello"]),
    ("x" * 50, ["x" * 50]),
    ("x" * 51, ["x" * 50, "x"]),  # no space to cut at
    ("a" * 30 + " " + "b" * 30, ["a" * 30, "b" * 30]),
    ("a" * 10 + " " + "b" * 45, ["a" * 10 + " " + "b" * 39, "b" * 6]),  # a space too early
    ("a" * 40 + "\n" + "b" * 40, ["a" * 40, "b" * 40]),
    ("a" * 25 + "\n" + "b" * 24, ["a" * 25 + "\n" + "b" * 24]),  # 25 + 1 + 24 = 50
    ("\U0001f600" * 51, ["\U0001f600" * 50, "\U0001f600"]),
    ("```py\n" + "x" * 30 + "\n" + "y" * 30, ["```py\n" + c * 30 + "\n```" for c in "xy"]),
]


@pytest.mark.parametrize(("text", "parts"), TABLE)
def test_split_cuts_where_it_reads_well(text: str, parts: list[str]) -> None:
    assert split_markdown(text, MIN_LIMIT) == parts


@given(ANY_MARKDOWN, LIMITS)
def test_split_makes_no_part_longer_than_the_limit(text: str, limit: int) -> None:
    parts = split_markdown(text, limit)

    assert max(len(part) for part in parts) <= limit


@given(ANY_MARKDOWN, LIMITS)
@example("```\n````", 50)
def test_split_loses_no_text(text: str, limit: int) -> None:
    parts = split_markdown(text, limit)

    # a closing line may be longer than its opening, and is written as long
    source = CLOSING_LINES.sub("", text)
    assert is_in_order(without_blanks(source), without_blanks("".join(parts)))


@given(ANY_MARKDOWN, LIMITS)
def test_split_makes_no_blank_part(text: str, limit: int) -> None:
    parts = split_markdown(text, limit)

    assert all(part.strip() for part in parts) or parts == [""]


@given(TIDY_MARKDOWN, LIMITS)
def test_split_keeps_code_code_and_prose_prose(text: str, limit: int) -> None:
    parts = split_markdown(text, limit)

    assert joined_code(parts) == joined_code([text])
    assert "".join(prose_of(part) for part in parts) == prose_of(text)


@given(TIDY_MARKDOWN, LIMITS)
def test_split_opens_and_closes_every_fence_within_its_part(text: str, limit: int) -> None:
    for part in split_markdown(text, limit):
        fence_lines = [line for line in part.split("\n") if re.match(r"(```|~~~)", line)]
        assert len(fence_lines) % 2 == 0
        # what is said below a part is no code
        assert prose_of(f"{part}\n\nbelow").endswith("below")


@given(TIDY_MARKDOWN, LIMITS)
def test_split_opens_code_again_in_its_language(text: str, limit: int) -> None:
    parts = split_markdown(text, limit)

    languages = [language for language, _ in code_of(text)]
    again = [language for part in parts for language, _ in code_of(part)]
    assert is_subsequence(languages, again)
    assert set(languages) == set(again)


def is_subsequence(pieces: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(piece in rest for piece in pieces)


def fence_in(first: str, others: str) -> str:
    """The code in a fence whose lines begin as those of a container do."""
    lines = ["```py", *CODE.split("\n"), "```"]
    return "\n".join((others if number else first) + line for number, line in enumerate(lines))


IN_CONTAINERS = {
    "alone": fence_in("", ""),
    "indented by 3": fence_in("   ", "   "),
    "below a list item": "1. Run this:\n" + fence_in("   ", "   "),
    "below a nested list item": "- Or:\n  - This:\n" + fence_in("    ", "    "),
    "as a list item": fence_in("- ", "  "),
    "quoted": fence_in("> ", "> "),
    "quoted in a list": fence_in("- > ", "  > "),
}


@pytest.mark.parametrize("text", IN_CONTAINERS.values(), ids=IN_CONTAINERS.keys())
@pytest.mark.parametrize("ending", ["whole", "growing"])
def test_split_keeps_code_whole_inside_lists_and_quotes(text: str, ending: str) -> None:
    source = text if ending == "whole" else text[: text.rindex("line_11")].rstrip("> \n")

    parts = split_markdown(source, 80)

    assert len(parts) > 1
    assert max(len(part) for part in parts) <= 80
    assert joined_code(parts) == joined_code([source])
    assert {language for part in parts for language, _ in code_of(part)} == {"py"}
    assert all(prose_of(f"{part}\n\nbelow").endswith("below") for part in parts)


ODD_FENCES = {
    "a closing line longer than the opening": f"```py\n{CODE}\n``````",
    "a closing line with blanks behind it": f"```py\n{CODE}\n```{' ' * 20}",
    "an opening line as long as a part": f"```{'x' * 90}\n{CODE}\n```",
    "a long mark": f"{'`' * 12}py\n{CODE}\n{'`' * 12}",
    "code that looks like a closing line": f"```py\n{CODE}\n    ```",
    "code that looks like a quoted closing line": f"```py\n{CODE}\n> ```",
    "a tilde fence around backticks": f"~~~py\n```\n{CODE}\n```\n~~~",
    "carriage returns": f"a\rb\r```py\r{CODE}\r```",
    "Windows line ends": f"```py\n{CODE}\n```".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("text", ODD_FENCES.values(), ids=ODD_FENCES.keys())
def test_split_keeps_odd_fences_whole(text: str) -> None:
    parts = split_markdown(text, 80)

    assert max(len(part) for part in parts) <= 80
    assert joined_code(parts) == joined_code([text])
    assert all(prose_of(f"{part}\n\nbelow").endswith("below") for part in parts)


@given(ANY_MARKDOWN, LIMITS, st.data())
def test_split_leaves_all_but_the_last_two_parts_of_a_growing_text(
    text: str, limit: int, data: st.DataObject
) -> None:
    shorter = text[: data.draw(st.integers(0, len(text)), label="length so far")]

    shown = split_markdown(shorter, limit)[:-2]

    assert split_markdown(text, limit)[: len(shown)] == shown


@given(TIDY_MARKDOWN, LIMITS)
def test_split_leaves_shown_parts_alone_character_by_character(text: str, limit: int) -> None:
    shown: list[str] = []
    for length in range(1, len(text) + 1, 3):
        parts = split_markdown(text[:length], limit)
        assert parts[: len(shown)] == shown
        shown = parts[:-2]


# text, the same with its fence closed
CLOSED: list[tuple[str, str]] = [
    ("", ""),
    ("plain", "plain"),
    ("```", "```\n```"),
    ("```py\nx", "```py\nx\n```"),
    ("```py\nx\n", "```py\nx\n```"),
    ("```py\nx\n```", "```py\nx\n```"),
    ("```py\nx\n```\n", "```py\nx\n```\n"),
    ("````\n```\n", "````\n```\n````"),
    ("~~~\n```", "~~~\n```\n~~~"),
    ("  ```\n  x", "  ```\n  x\n  ```"),
    ("```\na\n```\ntext ```", "```\na\n```\ntext ```"),  # inline backticks open nothing
    ("> ```\n> x", "> ```\n> x\n> ```"),
    ("- ```\n  x", "- ```\n  x\n  ```"),
]


@pytest.mark.parametrize(("text", "closed"), CLOSED)
def test_close_fence_ends_code_that_was_left_open(text: str, closed: str) -> None:
    assert close_fence(text) == closed


@given(ANY_MARKDOWN)
@example("```\n    ```")
@example("> ```\n> x")
@example("- ```\n  x")
@example("\r```")
def test_close_fence_leaves_nothing_open(text: str) -> None:
    closed = close_fence(text)

    assert not any("below" in code for _, code in code_of(f"{closed}\n\nbelow"))
    assert closed.startswith(text.rstrip())


@given(ANY_MARKDOWN)
def test_discord_parts_fit_its_limit(text: str) -> None:
    assert all(len(part) <= MAX_CONTENT_CHARS == 2000 for part in render_for_discord(text * 20))
