"""Seeded sampling: draws that depend on a request's seed alone, not on the rest of the batch.

The manager draws for all requests from one generator. For a request with a seed the choice is made
before that, by the Gumbel-max trick with noise from a hash of seed, step and token; the manager
then finds one token with all the probability. No branch on values, so that CUDA graphs can hold it.
"""

import hashlib
from typing import Any

import torch
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
)
from transformers.generation.continuous_batching.requests import FutureRequestState

from worker.engine.protocol import Sampling

SEED, STEP = "seed", "step"
"""The state of a request: its seed, and how many tokens were drawn with it already."""
NO_DRAW = -1
MASK_32 = 0xFFFFFFFF
MASK_31 = 0x7FFFFFFF
ROUNDS = ((16, 0x7FEB352D), (15, 0x3EE44E6B))
"""Shifts and factors of a hash of 32 bits: the first of Wellons' lowbias32, the second below 2^31,
so that no product leaves 64 bits."""


class SeededDraw(ContinuousBatchingLogitsProcessor):
    """The last logits processor: it leaves only the drawn token."""

    def __init__(self) -> None:
        self.supported_kwargs = {SEED: int, STEP: int}
        self.ignored_kwargs = ()

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """The values for requests without a seed."""
        int32_tensor.fill_(NO_DRAW)

    def prepare_tensor_args(
        self, requests_with_new_token: list[FutureRequestState]
    ) -> torch.Tensor:
        """One number a request, from its seed and its step; (num_requests,), int32, on the CPU."""
        draws = [
            _next_draw(request.state.logit_processor_kwargs) for request in requests_with_new_token
        ]
        return torch.tensor(draws, dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Keep one token of each row that has a seed.

        Args:
            scores: (num_requests, num_tokens), float32, after temperature and top-p.
            tensor_arg: (at least num_requests,), int32: from ``prepare_tensor_args``.
        """
        draws = tensor_arg[: scores.size(0)].to(torch.int64).unsqueeze(-1)  # (num_requests, 1)
        if scores.device.type == "cpu" and not bool((draws != NO_DRAW).any()):
            return scores
        tokens = torch.arange(scores.size(1), device=scores.device)
        chosen = (scores + _gumbel(draws, tokens)).argmax(dim=-1, keepdim=True)
        drawn = torch.full_like(scores, float("-inf")).scatter(-1, chosen, 0.0)
        return torch.where(draws == NO_DRAW, scores, drawn)


def _next_draw(kwargs: dict[str, int]) -> int:
    """The number of this step; stores the next step."""
    seed = kwargs.get(SEED)
    if seed is None:
        return NO_DRAW
    step = kwargs.get(STEP, 0)
    kwargs[STEP] = step + 1
    digest = hashlib.blake2b(f"{seed}:{step}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & MASK_31


def _gumbel(draws: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Noise for each token; (num_requests, num_tokens), float32."""
    bits = (draws * 0x9E3779B1 + tokens * 0x85EBCA6B) & MASK_32
    for shift, factor in ROUNDS:
        bits = ((bits ^ (bits >> shift)) * factor) & MASK_32
    bits = bits ^ (bits >> 16)
    uniform = (bits.to(torch.float32) + 0.5) / 2**32
    # A float32 has 24 bits: rounding may reach 1, whose logarithm is 0.
    return -torch.log(-torch.log(uniform.clamp(max=1 - 2**-24)))


def seeded(sampling: Sampling, step: int) -> dict[str, Any]:
    """The manager's parameters for a request's seed, from this step on."""
    return {} if sampling.seed is None else {SEED: sampling.seed, STEP: step}
