"""Sentence embeddings on torch: any encoder with safetensors weights, on any device.

No code of a model's repository is run. Does not know documents.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModel

from shared.errors import ModelUnavailableError
from worker.engine.devices import pick_device
from worker.engine.encoders.common import batches_by_length, find_encoder, token_ids_of
from worker.engine.encoders.protocol import Vectors
from worker.engine.encoders.tensors import load_tokenizer, mean_pooled, padded

SETTING = "PARLEY_EMBEDDING_MODEL"
BATCH_TOKENS = 4096
"""Of a batch, padding included. More is no faster on two cores."""


class TorchEmbedder:
    """One encoder in memory; many threads may call it, it runs one call at a time."""

    def __init__(self, name: str, model: Any, tokenizer: Any, max_tokens: int) -> None:  # noqa: ANN401 - transformers has no common types
        self.name = name
        """Stored beside vectors, as those of another model cannot be compared with them."""
        self._model = model
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """The number of components of a vector."""
        return int(self._model.config.hidden_size)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The texts' vectors, in their order."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        with self._lock, torch.inference_mode():
            token_ids = token_ids_of(self._tokenizer, texts, self._max_tokens)
            for batch in batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
                vectors[batch] = self._embed_batch([token_ids[position] for position in batch])
        return vectors

    def _embed_batch(self, token_ids: Sequence[Sequence[int]]) -> Vectors:
        pad_id = int(self._tokenizer.pad_token_id or 0)
        ids, mask = padded(token_ids, pad_id, self._model.device)
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = mean_pooled(states, mask)  # (batch, width)
        vectors: Vectors = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return vectors


def load_torch_embedder(model: str, name: str, device: str, max_tokens: int) -> TorchEmbedder:
    """Load an encoder.

    Args:
        model: ``default``, a folder or a hub id.
        name: stored beside its vectors.
        device: as ``PARLEY_DEVICE``.
        max_tokens: of a text; the rest is cut.

    Raises:
        ModelUnavailableError: it cannot be found or read; the sentence says what to do.
    """
    place = find_encoder(model, SETTING)
    try:
        tokenizer = load_tokenizer(place)
        loaded = AutoModel.from_pretrained(place, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailableError(
            f"The embedding model {name} cannot be loaded. {SETTING} takes a local folder or a hub "
            "id of a text encoder that has .safetensors weights and needs no code of its own."
        ) from error
    return TorchEmbedder(name, loaded.to(pick_device(device)).eval(), tokenizer, max_tokens)
