"""The plain baseline for ``parley eval``: a logistic head on the unchanged all-MiniLM-L6-v2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from shared.errors import ModelUnavailableError
from worker.engine.encoders.common import default_encoder, token_ids_of
from worker.engine.encoders.lora_training import LogisticHead, sentence_vectors
from worker.engine.encoders.tensors import load_tokenizer

HEAD_FILE = "frozen_head.safetensors"
MAX_TOKENS = 128


class FrozenEncoder:
    """all-MiniLM-L6-v2 in float32, with all layers and without an adapter."""

    def __init__(self) -> None:
        place = str(default_encoder())
        self._tokenizer = load_tokenizer(place)
        self._model: Any = AutoModel.from_pretrained(
            place, use_safetensors=True, trust_remote_code=False
        ).eval()

    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """(texts, 384), float32, of length 1."""
        token_ids = token_ids_of(self._tokenizer, texts, MAX_TOKENS)
        return sentence_vectors(self._model, token_ids, self._tokenizer.pad_token_id)


def save_head(head: LogisticHead, file: Path) -> None:
    """Write a head."""
    save_file({"weight": head.weight.contiguous(), "bias": head.bias.contiguous()}, file)


def load_head(file: Path) -> LogisticHead:
    """Read a head.

    Raises:
        ModelUnavailableError: there is none.
    """
    try:
        tensors = load_file(file)
        return LogisticHead(tensors["weight"], tensors["bias"])
    except (OSError, KeyError) as error:
        raise ModelUnavailableError(
            f"The baseline's weights cannot be read from {file}. Install Parley again."
        ) from error
