"""The rating of a text: a score on the raters' scale and a label. Pure."""
# Pure.

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

LOWEST, HIGHEST = -4.0, 4.0
"""The scale on which people rated the training texts (Hutto & Gilbert, ICWSM 2014)."""
BOUNDARY = 0.5
"""A mean rating at or beyond this is positive or negative (the same)."""


class Label(StrEnum):
    """The three classes."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


LABELS = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE)
"""In the order in which models number them."""


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The scores from which a text is positive or negative, and clearly so."""

    negative: float = -BOUNDARY
    positive: float = BOUNDARY
    clear: float = 2.0
    """Of the absolute score."""


@dataclass(frozen=True, slots=True)
class Rating:
    """The sentiment of a text."""

    score: float
    """From -4 to 4."""
    label: Label
    is_clear: bool
    """Whether hardly any person would disagree."""


class Classifier(Protocol):
    """Rates texts."""

    @property
    def name(self) -> str:
        """The model's."""
        ...

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """A rating for each text, in their order."""
        ...


def labels_of(classes: Sequence[int]) -> list[Label]:
    """The labels of classes as models number them."""
    return [LABELS[number] for number in classes]


def label_of(score: float, boundaries: Boundaries) -> Label:
    """The class of a score."""
    if score >= boundaries.positive:
        return Label.POSITIVE
    return Label.NEGATIVE if score <= boundaries.negative else Label.NEUTRAL


def rating_of(score: float, boundaries: Boundaries) -> Rating:
    """The rating for a score."""
    kept = min(HIGHEST, max(LOWEST, score))
    label = label_of(kept, boundaries)
    return Rating(kept, label, label is not Label.NEUTRAL and abs(kept) >= boundaries.clear)


def macro_f1(truth: Sequence[Label], found: Sequence[Label]) -> float:
    """The mean over the three classes of F1, 0 for a class that is neither there nor found.

    Args:
        truth: people's labels.
        found: a model's, in the same order.
    """
    pairs = list(zip(truth, found, strict=True))
    return sum(_f1(pairs, label) for label in LABELS) / len(LABELS)


def _f1(pairs: Sequence[tuple[Label, Label]], label: Label) -> float:
    hits = sum(true is label and seen is label for true, seen in pairs)
    named = sum(true is label for true, _ in pairs) + sum(seen is label for _, seen in pairs)
    return 2 * hits / named if named else 0.0


WORDS = {
    "negative": -4.0,
    "neg": -4.0,
    "bad": -4.0,
    "neutral": 0.0,
    "neu": 0.0,
    "mixed": 0.0,
    "positive": 4.0,
    "pos": 4.0,
    "good": 4.0,
}
"""Common class names of models -> their position on the scale."""
STARS = {"1": -4.0, "2": -2.0, "3": 0.0, "4": 2.0, "5": 4.0}
DEGREES = {"very": 1.0, "extremely": 1.0, "strongly": 1.0, "somewhat": 0.5, "slightly": 0.5}


def values_of(names: Mapping[int, str]) -> tuple[float, ...] | None:
    """The position of each of a model's classes on the scale, by their names.

    Args:
        names: the model's ``id2label``.

    Returns:
        a score for each class, or None if a name is no sentiment, such as ``LABEL_0``, or if there
        are not both a positive and a negative class.
    """
    has_degrees = any(set(_words(name)) & set(DEGREES) for name in names.values())
    values = [_value(names[number], has_degrees=has_degrees) for number in sorted(names)]
    known = tuple(value for value in values if value is not None)
    if len(known) < len(values) or not known or min(known) >= 0 or max(known) <= 0:
        return None
    return known


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|\d+", name.lower())


def _value(name: str, *, has_degrees: bool) -> float | None:
    """The position of a class; plain ones are halfway if others are ``very``."""
    words = _words(name)
    if words and words[-1] in {"star", "stars"}:
        return STARS.get(words[0])
    value = WORDS.get(words[-1]) if words else None
    if value is None or not has_degrees:
        return value
    return value * max((DEGREES[word] for word in words if word in DEGREES), default=0.5)


def score_of(probabilities: Sequence[float], values: Sequence[float]) -> float:
    """The expected score, given a model's probabilities of its classes."""
    return sum(p * value for p, value in zip(probabilities, values, strict=True))


def likeliest(probabilities: Sequence[float], values: Sequence[float]) -> Label:
    """The most likely of the three classes; a model with more classes has them merged."""
    sums = dict.fromkeys(LABELS, 0.0)
    for probability, value in zip(probabilities, values, strict=True):
        sums[label_of(value, Boundaries())] += probability
    return max(sums, key=sums.__getitem__)
