"""Text encoders on torch: their tokenizers, padded batches and pooling."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging


def load_tokenizer(place: str) -> Any:  # noqa: ANN401 - transformers has no common type for them
    """The tokenizer of a model; raises what transformers raises."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def padded(
    token_ids: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both (batch, time), int64, on the device."""
    length = max(len(ids) for ids in token_ids)
    rows = [[*ids, *[pad_id] * (length - len(ids))] for ids in token_ids]
    marks = [[1] * len(ids) + [0] * (length - len(ids)) for ids in token_ids]
    return torch.tensor(rows, device=device), torch.tensor(marks, device=device)


def mean_pooled(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the real tokens.

    Args:
        states: (batch, time, width).
        mask: (batch, time), 1 for real tokens.

    Returns:
        (batch, width), float32.
    """
    weights = mask.unsqueeze(-1).float()  # (batch, time, 1)
    return (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1.0)
