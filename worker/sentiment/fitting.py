"""What is chosen on the validation part: the scores from which on a text has a class. Pure."""
# Pure.

import itertools
from collections.abc import Mapping, Sequence
from statistics import fmean

from worker.sentiment.ratings import Boundaries, Label, label_of, macro_f1

STEPS = tuple(step / 20 for step in range(4, 19))
"""From 0.2 to 0.9 by 0.05."""
CLEAR_STEPS = tuple(step / 10 for step in range(10, 36))
CLEAR_PRECISION = 0.97
"""So many of the clear cases are right; the others would be marked with the wrong face."""
DIGITS = 4

Judged = Mapping[str, Sequence[tuple[Label, float]]]
"""Domain -> people's label and the model's score of each text."""


def f1_by_domain(judged: Judged, boundaries: Boundaries) -> dict[str, float]:
    """Macro-F1 of each domain."""
    return {
        domain: macro_f1(
            [label for label, _ in texts], [label_of(score, boundaries) for _, score in texts]
        )
        for domain, texts in judged.items()
    }


def best_boundaries(judged: Judged) -> Boundaries:
    """The boundaries with the best mean over the domains of macro-F1, and when a case is clear."""
    pairs = (Boundaries(-low, high) for low, high in itertools.product(STEPS, STEPS))
    best = max(pairs, key=lambda pair: round(fmean(f1_by_domain(judged, pair).values()), DIGITS))
    return Boundaries(best.negative, best.positive, clear_from(judged))


def clear_from(judged: Judged) -> float:
    """From which absolute score on ``CLEAR_PRECISION`` of the texts have the score's sign."""
    texts = [pair for pairs in judged.values() for pair in pairs]
    for step in CLEAR_STEPS:
        found = [(label, score) for label, score in texts if abs(score) >= step]
        hits = sum(label is _sign(score) for label, score in found)
        if found and hits / len(found) >= CLEAR_PRECISION:
            return step
    return CLEAR_STEPS[-1]


def _sign(score: float) -> Label:
    return Label.POSITIVE if score > 0 else Label.NEGATIVE
