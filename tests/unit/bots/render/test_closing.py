"""A fence that was left open is closed, so that what follows is no code."""

import pytest
from hypothesis import example, given
from markdown_it import MarkdownIt

from bots.render.notices import close_fence
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN


def code_of(text: str) -> list[tuple[str, str]]:
    """Language and code of each fence, as a CommonMark parser sees them."""
    parser = MarkdownIt("commonmark").disable(["html_block"])
    tokens = parser.parse(text)
    return [(token.info.strip(), token.content) for token in tokens if token.type == "fence"]


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
