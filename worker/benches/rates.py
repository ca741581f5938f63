"""The figures that the end-to-end benches share."""

import statistics
from collections.abc import Sequence
from typing import Any

from worker.engine.protocol import Tokenizer

PERCENTILES = 100


def rate_of(tokenizer: Tokenizer, one: dict[str, Any]) -> float:
    """Tokens a second of a round's answers together, from the first question to the last answer.

    Args:
        tokenizer: the model's.
        one: a ``bots.benches.load.Round``.
    """
    answers = [each["answer"] for each in one["asked"]]
    num_tokens = sum(len(tokenizer.encode(answer, add_special_tokens=False)) for answer in answers)
    return num_tokens / float(one["seconds"])


def percentile(numbers: Sequence[float], percent: int) -> float:
    """The given percentile of sorted numbers."""
    if len(numbers) == 1:
        return round(numbers[0], 1)
    return round(statistics.quantiles(numbers, n=PERCENTILES, method="inclusive")[percent - 1], 1)
