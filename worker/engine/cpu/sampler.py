"""Choosing the next tokens of all sequences, each in its own choice.

A seed's draw depends on the seed and on how many tokens were drawn with it, and on nothing else.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_LIKELY = 64
"""So many of the likeliest tokens nearly always hold ``top_p``; where not, all are sorted."""
GREEDY_BELOW = 1e-5


@dataclass(slots=True)
class SamplingChoice:
    """How one sequence's tokens are chosen."""

    temperature: float
    top_p: float
    seed: int | None = None
    step: int = 0
    """How many tokens were drawn with the seed."""

    @property
    def is_greedy(self) -> bool:
        """Whether it takes the likeliest token."""
        return self.temperature < GREEDY_BELOW

    def draw(self) -> float:
        """A number in [0, 1); moves the step on."""
        if self.seed is None:
            return random.random()  # noqa: S311 - no secret depends on it
        digest = hashlib.blake2b(f"{self.seed}:{self.step}".encode(), digest_size=8).digest()
        self.step += 1
        return (int.from_bytes(digest) >> 11) / 2**53


def choose(logits: Tensor, choices: Sequence[SamplingChoice]) -> list[int]:
    """The next token of each row.

    Args:
        logits: (num_rows, num_vocabulary).
        choices: one a row.
    """
    chosen: list[int] = logits.argmax(-1).tolist()
    drawing = [row for row, choice in enumerate(choices) if not choice.is_greedy]
    if not drawing:
        return chosen
    picked = [choices[row] for row in drawing]
    temperatures = torch.tensor([choice.temperature for choice in picked]).unsqueeze(1)
    scaled = logits[drawing].float() / temperatures
    draws = torch.tensor([choice.draw() for choice in picked]).unsqueeze(1)
    limits = torch.tensor([choice.top_p for choice in picked]).unsqueeze(1)
    tokens, has_all = _nucleus(scaled, limits, draws, min(NUM_LIKELY, scaled.size(1)))
    rest = (~has_all).nonzero().flatten()
    if len(rest):
        tokens[rest], _ = _nucleus(scaled[rest], limits[rest], draws[rest], scaled.size(1))
    for row, token in zip(drawing, tokens.tolist(), strict=True):
        chosen[row] = token
    return chosen


def _nucleus(
    scaled: Tensor, limits: Tensor, draws: Tensor, num_likely: int
) -> tuple[Tensor, Tensor]:
    """One token of the smallest set with probability ``limits``, and whether the set was seen.

    Args:
        scaled: logits; (num_rows, num_vocabulary).
        limits: top-p; (num_rows, 1).
        draws: in [0, 1); (num_rows, 1).
        num_likely: how many tokens are looked at.
    """
    top, ids = scaled.topk(num_likely, dim=-1)
    probabilities = (top - scaled.logsumexp(-1, keepdim=True)).exp()
    before = probabilities.cumsum(-1) - probabilities
    kept = torch.where(before < limits, probabilities, 0.0)
    kept[:, 0] = probabilities[:, 0]  # a top_p of 0 keeps the likeliest
    reached = kept.cumsum(-1)
    at = torch.searchsorted(reached, draws * reached[:, -1:], right=True)
    # a zero-width end is never drawn: the last kept token is the furthest that counts
    at = at.minimum((kept > 0).sum(-1, keepdim=True) - 1)
    has_all = (probabilities.sum(-1) >= limits.squeeze(1)) | (num_likely == scaled.size(1))
    return ids.gather(-1, at).squeeze(1), has_all
