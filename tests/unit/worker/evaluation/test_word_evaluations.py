"""Translations and models measured: what is read, what is counted, what is recommended."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import StartupError
from worker.evaluation.checks import (
    READINGS,
    Candidate,
    can_translate,
    is_read,
    recommended,
    runs_in_circles,
    share_of_facts,
)
from worker.evaluation.translation import TranslationExample, evaluate_translation, read_examples


def test_our_sentences_have_translations_by_people_into_three_languages() -> None:
    examples = read_examples(None, None)

    assert {example.target for example in examples} == {"fr", "de", "es"}
    assert len(examples) == 60
    assert [each.target for each in read_examples(None, "French")] == ["fr"] * 20


def test_somebodys_own_sentences_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("Good morning, everybody.\tBonjour à tous.\n")

    assert read_examples(file, "fr") == [
        TranslationExample("en", "fr", "Good morning, everybody.", "Bonjour à tous.")
    ]


@pytest.mark.parametrize(
    ("text", "to", "sentence"),
    [
        ("a\tb\n", None, "Say with --to"),
        ("only one\n", "fr", "Line 1 has 1 columns"),
        ("", "fr", "no translations to measure"),
        ("a\tb\n", "Klingon", "is no language"),
    ],
)
def test_a_file_that_cannot_be_measured_is_refused(
    tmp_path: Path, text: str, to: str | None, sentence: str
) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text(text)

    with pytest.raises(StartupError, match=sentence):
        read_examples(file, to)


def test_chrf_is_100_for_the_translation_itself_and_low_for_the_source() -> None:
    examples = read_examples(None, "de")

    def perfect(texts: Sequence[str], source: str, target: str) -> list[str]:
        assert (source, target) == ("en", "de")
        return [each.reference for each in examples if each.text in texts]

    figures = evaluate_translation(examples, "perfect", perfect).figures["chrf"]

    assert figures == {"de": {"pairs": 20, "parley": 100.0, "copy": pytest.approx(24, abs=10)}}


CANDIDATE = Candidate("small", 135, 1.0, 900, 20.0, 60.0, 0.5, 0.5, 17.4, 21.4)


def test_the_recommendation_follows_its_rules() -> None:
    better = replace(CANDIDATE, name="better", reading=0.9, peak_mb=2_000)
    slow = replace(CANDIDATE, name="slow", reading=1.0, writing=1.0, tokens_per_s_1=4.9)
    thrifty = replace(better, name="thrifty", peak_mb=1_000)

    assert recommended([CANDIDATE, better, slow]) == better
    assert recommended([CANDIDATE, better, thrifty]) == thrifty
    assert recommended([slow]) is None
    assert not can_translate(CANDIDATE)
    assert can_translate(replace(CANDIDATE, chrf=50.0))


@pytest.mark.parametrize(
    ("text", "circles"),
    [
        ("I do not know. I do not know. I do not know.", True),
        ("le plus le plus le plus", True),
        ("We meet on Friday at ten o'clock. We meet on Friday at ten o'clock.", True),
        ("Dear Ana, we meet on Friday. Bring the notes. Best, Ben", False),
        ("very very good", False),
    ],
)
def test_circles_are_seen(text: str, *, circles: bool) -> None:
    assert runs_in_circles(text) == circles


def test_what_was_read_and_written_is_counted() -> None:
    assert all(each.answer in each.passage for each in READINGS)
    assert is_read("It opens at 9.", READINGS[0])
    assert not is_read("It opens at 19.", READINGS[0])
    assert share_of_facts("ana comes on Friday", ("Ana", "Friday", "10")) == pytest.approx(2 / 3)
