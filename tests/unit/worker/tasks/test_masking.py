"""What is kept of a text whatever a translator does to the rest of it."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.tasks.languages import sentences_of
from worker.tasks.masking import Piece, Sentence, has_words, kept_spans, take_apart

KEPT_THINGS = [
    "<@U123>",
    "<@!42>",
    "<#C1|general>",
    "<!here>",
    "<!subteam^S1>",
    "<:party:123>",
    "<a:dance:9>",
    "@everyone",
    "@ana.b",
    "#general",
    "🎉",
    "👩🏽‍💻",
    "🇫🇷",
    "❤️",
    "1️⃣",
    ":tada:",
    ":wave::skin-tone-2:",
    "https://example.com/a_b?q=1&r=(x)",
    "<https://example.com|the page>",
    "www.example.com",
    "[the docs](https://example.com/x)",
    "![a picture](a.png)",
    "ana@example.com",
    "`code`",
    "``a ` b``",
    "```py\nprint('hi there')\n```",
    "~~~\nwords in a fence\n~~~",
    "```\nan open fence",
]
WORDS = ["Hello", "see you", "well.", "Really?", "it is", "\n", "- one", "> quoted", "# Title"]


def kept_in(text: str) -> Counter[str]:
    return Counter(text[start:end] for start, end in kept_spans(text))


def split(line: str) -> list[str]:
    return list(sentences_of(line, "en"))


@pytest.mark.parametrize("thing", KEPT_THINGS)
def test_a_thing_is_kept_whole(thing: str) -> None:
    text = f"Look at {thing}" if "\n" not in thing else f"Look:\n{thing}"

    assert kept_in(text) == Counter([thing])


@pytest.mark.parametrize(
    "text",
    ["at 10:30:15 sharp", "it costs 5 < 6", "a * b", "C# and F#", "x@", "http", "1.5", "(see it)"],
)
def test_ordinary_text_is_not_kept(text: str) -> None:
    assert kept_in(text) == Counter()


@given(st.text())
def test_pieces_add_up_to_any_text(text: str) -> None:
    pieces = take_apart(text, split)

    assert "".join(p if isinstance(p, str) else p.woven(p.words) for p in pieces) == text


TEXTS = st.lists(st.sampled_from(KEPT_THINGS + WORDS), max_size=12).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), "\n".join(parts)])
)


@given(TEXTS, st.sampled_from(["keep", "drop", "twice", "turn", "none", "glue"]))
@example("Hello @everyone ~~~\nwords in a fence\n~~~", "drop")
@example("Hello @ana.b", "glue")
def test_everything_kept_comes_through_any_translation(text: str, habit: str) -> None:
    """A translator that keeps the numbers, drops, repeats or turns them, or says nothing."""
    translated = "".join(
        piece if isinstance(piece, str) else _translated(piece, habit)
        for piece in take_apart(text, split)
    )

    assert kept_in(translated) == kept_in(text)


def _translated(piece: Sentence, habit: str) -> str:
    if piece.asked is not None:
        restored = piece.restored(_badly(piece.asked, habit))
        if restored is not None:
            return restored
    return piece.woven(["Wort" if has_words(part) else part for part in piece.words])


def _badly(asked: str, habit: str) -> str:
    numbers = [f"[{number}]" for number in range(1, asked.count("[") + 1)]
    names = {"keep": numbers, "drop": numbers[1:], "twice": numbers * 2, "turn": numbers[::-1]}
    if habit == "glue":
        return "Wort".join(["", *numbers, ""])
    return " Wort ".join(["", *names.get(habit, []), ""])


def sentences(text: str) -> list[Piece]:
    return [piece for piece in take_apart(text, split) if not isinstance(piece, str)]


def test_markup_edges_and_blanks_are_no_part_of_a_sentence() -> None:
    text = "> - <@U1> Good day.  See `x` now! 🎉\n\n1. Bye :wave:\n"

    assert sentences(text) == [
        Sentence(("Good day.",)),
        Sentence(("See ", " now!"), ("`x`",)),
        Sentence(("Bye",)),
    ]


def test_a_text_that_has_such_numbers_itself_is_not_asked_for_with_numbers() -> None:
    assert Sentence(("as in [1] see ", " too"), ("`x`",)).asked is None
    assert Sentence(("see ", " too"), ("`x`",)).asked == "see [1] too"


def test_numbers_may_change_places() -> None:
    sentence = Sentence(("", " met ", ""), ("@ana", "@ben"))

    assert sentence.restored("[2] traf [1]") == "@ben traf @ana"
    assert sentence.restored("[2] traf [2]") is None
    assert sentence.restored("traf") is None
