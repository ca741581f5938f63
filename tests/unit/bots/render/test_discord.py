"""Discord's text: where links lead is in sight, and parts are known again by what they say."""

import pytest
from hypothesis import given

from bots.render.discord import MAX_CONTENT_CHARS, is_beginning_of, render_for_discord, unmask_links
from tests.unit.bots.render.markdown_texts import ANY_MARKDOWN

# Markdown, the same for Discord
LINKS: list[tuple[str, str]] = [
    ("plain", "plain"),
    ("[docs](https://a.example/x)", "[docs] (https://a.example/x)"),
    ("[docs](<https://a.example/x>)", "[docs] (<https://a.example/x>)"),
    ("[docs]( https://a.example)", "[docs] ( https://a.example)"),
    ("![x](https://a.example/?q=1)", "![x] (https://a.example/?q=1)"),
    ("[a](HTTPS://a.example) [b](discord://b)", "[a] (HTTPS://a.example) [b] (discord://b)"),
    ("https://a.example", "https://a.example"),
    ("list[0](item) and (this): that", "list[0](item) and (this): that"),
    ("```md\n[docs](https://a.example)\n```", "```md\n[docs](https://a.example)\n```"),
    ("```\nx\n```\n[a](http://b)", "```\nx\n```\n[a] (http://b)"),
]


@pytest.mark.parametrize(("text", "unmasked"), LINKS)
def test_unmask_links_shows_where_they_lead_and_leaves_code(text: str, unmasked: str) -> None:
    assert unmask_links(text) == unmasked


@given(ANY_MARKDOWN)
def test_parts_for_discord_fit_though_links_grow(text: str) -> None:
    parts = render_for_discord(text + "[a](https://b.example)" * 200)

    assert all(len(part) <= MAX_CONTENT_CHARS for part in parts)


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
