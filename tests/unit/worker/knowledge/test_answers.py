"""What is quoted, what is cited, and what no reader of an answer can be led to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.evaluation.qa import measure, ranks_of
from worker.knowledge.answers import (
    MAX_QUOTE_CHARS,
    Citation,
    Cited,
    quoting_answer,
    trimmed,
    units_of,
)
from worker.knowledge.chunks import Passage
from worker.knowledge.documents import DocumentBlock
from worker.knowledge.sanitize import as_plain, sanitized
from worker.tasks.ask import is_quoting

LONG = Passage(
    (), tuple(DocumentBlock(f"Sentence {n} is here. " + "word " * 30) for n in range(12))
)


def test_quote_is_the_sentences_around_the_nearest_one() -> None:
    units = units_of(LONG)
    nearness = [1.0 if unit.text.startswith("Sentence 7") else 0.0 for unit in units]

    kept = trimmed(units, nearness)

    assert kept[0].text.startswith(("Sentence 7", "word"))
    assert any(unit.text.startswith("Sentence 7") for unit in kept)
    assert sum(len(unit.text) for unit in kept) <= MAX_QUOTE_CHARS


def test_code_is_quoted_as_code_that_nothing_in_it_can_end() -> None:
    cited = [Cited(Citation("T", ("H",), "javascript:alert(1)"), LONG)]

    answer = quoting_answer([DocumentBlock("a\n```\nb", is_code=True)], cited, frozenset())

    assert answer.startswith("> ````\n> a\n> ```\n> b\n> ````")
    assert "javascript" not in answer, "not an address of a document's place"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a.example/x.", "see `https://a.example/x`."),
        ("see https://ok.example/x.", "see https://ok.example/x."),
        ("*b* [l](https://a.example)", r"\*b\* \[l\](`https://a.example`)"),
        ("- no list\n1. neither", "\\- no list\n\\1. neither"),
        ("@everyone <@U1>", r"@ everyone \< @U1\>"),
    ],
)
def test_plain_text_shows_just_what_it_says(text: str, shown: str) -> None:
    assert as_plain(text, {"https://ok.example/x"}) == shown


def test_code_block_of_a_model_keeps_its_address_and_the_rest_does_not() -> None:
    text = "run\n```\ncurl https://a.example\n```\nor https://a.example or https://ok.example"

    assert sanitized(text, {"https://ok.example"}) == (
        "run\n```\ncurl https://a.example\n```\nor https: //a.example or https://ok.example"
    )


@given(st.text())
def test_nothing_of_a_models_text_is_an_address_outside_of_code(text: str) -> None:
    shown = sanitized(f"{text} https://evil.example ![x](https://evil.example)".replace("`", ""))

    assert "https://evil" not in shown or "~~~" in text
    assert "![" not in shown


@pytest.mark.parametrize(
    ("answer_by", "num_parameters", "expected"),
    [
        ("auto", 134_515_008, True),
        ("auto", 4_000_000_000, False),
        ("quoting", 4_000_000_000, True),
        ("writing", 134_515_008, False),
    ],
)
def test_small_models_quote(answer_by: str, num_parameters: int, *, expected: bool) -> None:
    assert is_quoting(answer_by, num_parameters) is expected


def test_ranks_and_measures() -> None:
    scores = np.array([[0.9, 0.5], [0.9, 0.5], [0.7, 0.7], [0.0, 0.0]], dtype=np.float32)

    ranks = ranks_of(scores, [0, 1, 1, 0])

    assert ranks == [1, 2, 2, float("inf")]
    found = measure(ranks)
    assert (found.hit1, found.hit3, found.mrr) == (0.25, 0.75, 0.5)  # (1 + 1/2 + 1/2 + 0) / 4
