"""The choice of the next token for each row of a batch, by the row's own parameters.

The order and the rules are those of transformers' logits processors: repetition penalty,
temperature, top-k, top-p, min-p. Where the temperature is 0 the likeliest token is chosen, of equal
ones the first. A draw is the Gumbel-max trick with noise from a hash (see ``seeding``), so no
generator is shared by the rows. On a GPU there is no branch on values, so that a CUDA graph can
hold all of it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worker.engine.protocol import Sampling
from worker.engine.transformers_engine.seeding import draw_number, gumbel

NUM_COLUMNS = 6
"""Numbers of a row in ``packed``."""


@dataclass(frozen=True, slots=True)
class SamplingRows:
    """The parameters of each row; every tensor is (num_rows, 1) on the scores' device."""

    temperature: torch.Tensor
    top_p: torch.Tensor
    top_k: torch.Tensor
    """0 for all."""
    min_p: torch.Tensor
    penalty: torch.Tensor
    draw: torch.Tensor
    """The number of the noise; int64."""


def packed(samplings: Sequence[Sampling], steps: Sequence[int]) -> torch.Tensor:
    """The rows' parameters as the manager stores them: floats viewed as int32.

    Args:
        samplings: without None where a default could be; what is None has no effect.
        steps: how many tokens each row has drawn with its seed already.

    Returns:
        (``NUM_COLUMNS``, num_rows), int32, on the processor.
    """
    floats = torch.tensor(
        [
            [
                sampling.temperature or 0.0,
                1.0 if sampling.top_p is None else sampling.top_p,
                sampling.min_p or 0.0,
                sampling.repetition_penalty or 1.0,
            ]
            for sampling in samplings
        ],
        dtype=torch.float32,
    ).reshape(-1, 4)
    numbers = [
        random.getrandbits(31) if sampling.seed is None else draw_number(sampling.seed, step)
        for sampling, step in zip(samplings, steps, strict=True)
    ]
    integers = torch.tensor(
        [[sampling.top_k or 0 for sampling in samplings], numbers], dtype=torch.int32
    )
    return torch.cat([floats.T.contiguous().view(torch.int32), integers])


def unpacked(columns: torch.Tensor, num_rows: int) -> SamplingRows:
    """The first rows of what ``packed`` made."""
    rows = columns[:, :num_rows]
    temperature, top_p, min_p, penalty = (
        rows[at].contiguous().view(torch.float32).unsqueeze(-1) for at in range(4)
    )
    top_k, draw = (rows[at].to(torch.int64).unsqueeze(-1) for at in (4, 5))
    return SamplingRows(temperature, top_p, top_k, min_p, penalty, draw)


def penalized(scores: torch.Tensor, seen: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """The scores with tokens that were there already made less likely (arXiv:1909.05858).

    Args:
        scores: (num_rows, num_tokens), float32.
        seen: (num_rows, num_tokens), bool.
        penalty: (num_rows, 1), float32; 1 changes nothing.
    """
    less = torch.where(scores < 0, scores * penalty, scores / penalty)
    return torch.where(seen, less, scores)


def filtered(scores: torch.Tensor, rows: SamplingRows) -> torch.Tensor:
    """The scores over the temperature, minus infinity for what is ruled out; float32.

    A row whose temperature is 0 is treated as if it were 1.
    """
    is_greedy = rows.temperature == 0
    scores = scores / torch.where(is_greedy, torch.ones_like(rows.temperature), rows.temperature)
    has_filter = (rows.top_k > 0) | (rows.top_p < 1) | (rows.min_p > 0)
    if scores.device.type == "cpu" and not bool((has_filter & ~is_greedy).any()):
        return scores
    num_tokens = scores.size(-1)
    ordered, tokens = torch.sort(scores, dim=-1)  # the likeliest is the last
    kept = torch.where(rows.top_k > 0, rows.top_k.clamp(max=num_tokens), num_tokens)
    least = ordered.gather(-1, num_tokens - kept)
    is_out = ordered < least
    chances = ordered.masked_fill(is_out, float("-inf")).softmax(dim=-1)
    is_out |= (chances.cumsum(dim=-1) <= 1 - rows.top_p) & (rows.top_p < 1)
    is_out |= chances < rows.min_p * chances[:, -1:]
    is_out[:, -1] = False
    return scores.masked_fill(is_out.scatter(-1, tokens, is_out), float("-inf"))


def chosen(scores: torch.Tensor, rows: SamplingRows) -> torch.Tensor:
    """The scores of rows that take the likeliest token; of the others only the drawn token's.

    The largest of a row is then its next token.

    Args:
        scores: (num_rows, num_tokens), float32, penalised.
        rows: their parameters.
    """
    is_greedy = rows.temperature == 0
    if scores.device.type == "cpu" and bool(is_greedy.all()):
        return scores
    tokens = torch.arange(scores.size(-1), device=scores.device)
    drawn = (filtered(scores, rows) + gumbel(rows.draw, tokens)).argmax(dim=-1, keepdim=True)
    only = torch.full_like(scores, float("-inf")).scatter(-1, drawn, 0.0)
    return torch.where(is_greedy, scores, only)
