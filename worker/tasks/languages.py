"""Language identification and sentence splitting; the only module that uses both libraries."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sentencex  # type: ignore[import-untyped]  # it brings no types
from py3langid.langid import (  # type: ignore[import-untyped]  # it brings no types
    MODEL_FILE,
    LanguageIdentifier,
)

UNKNOWN = ""
NORWEGIAN = frozenset({"no", "nb"})
"""The language and its prevalent written form."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The most likely language of a text."""

    code: str
    """ISO 639-1; empty if there are no words."""
    probability: float


def identify(text: str) -> Identified:
    """The language of a text: right for 82 of 100 texts of up to 30 letters, 98 of longer ones.

    Measured on 2,894 messages of Django's interface in 18 languages, 15,000 texts a second.
    """
    if not any(char.isalpha() for char in text):
        return Identified(UNKNOWN, 0.0)
    code, probability = _identifier().classify(text)
    return Identified(str(code), float(probability))


def are_same(one: str, other: str) -> bool:
    """Whether a text in one language needs no translation into the other."""
    return one == other or {one, other} <= NORWEGIAN


def sentences_of(text: str, language: str) -> Sequence[str]:
    """The sentences of one line, with their trailing blanks: they add up to it."""
    return list(sentencex.segment(language or "en", text))


@cache
def _identifier() -> Any:  # noqa: ANN401 - the library has no types
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
