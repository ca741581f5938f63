"""What reads as a question, and what calls us by our name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.incoming.situation import is_question, names_us

QUESTIONS = [
    "What is the capital of Japan?",
    "how do I install it",
    "is there a way to do it",
    "Hi, could you help me with the build",
    "what version should I use",
    "how about Tuesday",
    "isn't it the same",
    "It broke. Why?! Nobody knows.",
    "I wonder (why?)",
    '"why?" he said',
    "东京在哪里？",  # noqa: RUF001 - the question mark of another script
    "هل هذا صحيح؟",
    "**Really?**",
]
STATEMENTS = [
    "",
    "cool",
    "what a day",
    "When I did that it broke",
    "where we live is nice",
    "will do",
    "Do it now",
    "could be",
    "see https://example.com/?q=1",
    "`a ? b : c`",
    "```\nwhy?\n```",
    "> why?\nyes",
    "a?b",
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_is_one(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", STATEMENTS)
def test_anything_else_is_none(text: str) -> None:
    assert not is_question(text)


@pytest.mark.parametrize("text", ["Parley, go on", "hey parley what now", "@Parley hi", "Parley"])
def test_who_begins_with_our_name_calls_us(text: str) -> None:
    assert names_us(text)


@pytest.mark.parametrize(
    "text", ["ask Parley", "parleying", "Parley's docs are good", "the parley"]
)
def test_who_speaks_of_us_does_not_call_us(text: str) -> None:
    assert not names_us(text)


@pytest.mark.parametrize("piece", ["a", "\n", " ", "`", ">", "hi ", "a://", "?", "what a "])
def test_long_texts_are_read_in_time(piece: str) -> None:
    text = piece * (400_000 // len(piece))  # what takes the square of it outlasts the test's time

    assert is_question(text) is (piece == "?")
    assert not names_us(text)


@given(st.text())
def test_no_text_trips_the_reader(text: str) -> None:
    assert is_question(text) in {True, False}
    assert names_us(text) in {True, False}
