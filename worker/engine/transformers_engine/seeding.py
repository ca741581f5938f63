"""Noise for draws that depend on a request's seed alone, not on the rest of the batch.

By the Gumbel-max trick a draw is the largest of score plus noise; the noise here is a hash of seed,
step and token. No branch on values, so that CUDA graphs can hold it.
"""

import hashlib

import torch

MASK_32 = 0xFFFFFFFF
MASK_31 = 0x7FFFFFFF
ROUNDS = ((16, 0x7FEB352D), (15, 0x3EE44E6B))
"""Shifts and factors of a hash of 32 bits: the first of Wellons' lowbias32, the second below 2^31,
so that no product leaves 64 bits."""


def draw_number(seed: int, step: int) -> int:
    """The number of the noise for a step of a request with a seed; below 2^31."""
    digest = hashlib.blake2b(f"{seed}:{step}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & MASK_31


def gumbel(draws: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Noise for each token.

    Args:
        draws: (num_rows, 1), int64: numbers below 2^31.
        tokens: (num_tokens,), int64: their ids.

    Returns:
        (num_rows, num_tokens), float32.
    """
    bits = (draws * 0x9E3779B1 + tokens * 0x85EBCA6B) & MASK_32
    for shift, factor in ROUNDS:
        bits = ((bits ^ (bits >> shift)) * factor) & MASK_32
    bits = bits ^ (bits >> 16)
    uniform = (bits.to(torch.float32) + 0.5) / 2**32
    # A float32 has 24 bits: rounding may reach 1, whose logarithm is 0.
    return -torch.log(-torch.log(uniform.clamp(max=1 - 2**-24)))
