"""Text classifiers on torch: an encoder with our adapter, or any sequence classification model.

Texts in, scores or probabilities of classes out, in batches of similar length. Does not know what
the classes mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from shared.errors import ModelUnavailableError
from worker.engine.devices import pick_device
from worker.engine.encoders.common import (
    batches_by_length,
    default_encoder,
    find_encoder,
    token_ids_of,
)
from worker.engine.encoders.compiled_classifier import MAX_TOKENS
from worker.engine.encoders.lora import AdaptedEncoder, load_adapted
from worker.engine.encoders.tensors import load_tokenizer, padded

BATCH_TOKENS = 1024
"""Of one forward step, padding included. On two cores 512 to 4,096 make no difference."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError)
"""The exceptions of transformers for a model that it cannot load."""


class AdaptedClassifier:
    """Some layers of all-MiniLM-L6-v2 with an adapter, and a head that also reads cues."""

    def __init__(self, model: AdaptedEncoder, tokenizer: Any) -> None:  # noqa: ANN401 - transformers has no common type
        self._model = model
        self._tokenizer = tokenizer
        self._device = next(model.parameters()).device

    def scores(self, texts: Sequence[str], cues: Sequence[Sequence[float]]) -> list[float]:
        """The score of each text, in their order.

        Args:
            texts: as the model reads them.
            cues: for each text, as many numbers as the model was trained with.
        """
        token_ids = token_ids_of(self._tokenizer, texts, MAX_TOKENS)
        scores = [0.0] * len(texts)
        for batch in batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
            found = self._forward([token_ids[i] for i in batch], [cues[i] for i in batch])
            for position, score in zip(batch, found, strict=True):
                scores[position] = score
        return scores

    def _forward(
        self, token_ids: Sequence[Sequence[int]], cues: Sequence[Sequence[float]]
    ) -> list[float]:
        with torch.inference_mode():
            ids, mask = padded(token_ids, self._tokenizer.pad_token_id, self._device)
            rated = self._model(ids, mask, torch.tensor(cues, device=self._device))
            found: list[float] = rated[:, 0].tolist()
        return found


def load_adapted_classifier(
    weights: Path, device: str, *, is_plain: bool = False
) -> tuple[AdaptedClassifier, dict[str, str]]:
    """Our model with these weights, and the notes that were saved with them.

    Args:
        weights: the file of the adapter.
        device: as ``PARLEY_DEVICE``.
        is_plain: as it was trained: float32, the adapter beside the layers.

    Raises:
        ModelUnavailableError: the encoder's package or the weights are missing.
    """
    place, where = str(default_encoder()), pick_device(device)
    try:
        model, tokenizer, notes = load_adapted(place, weights)
    except UNREADABLE as error:
        raise ModelUnavailableError(
            f"The sentiment model cannot be read from {weights} ({_first_line(error)}). Install "
            "Parley again, or train it with `parley train sentiment`."
        ) from error
    if not is_plain:
        model.merge()
        if where.type != "cpu":
            nn.Module.to(model.encoder, dtype=torch.bfloat16)  # the head stays in float32
    return AdaptedClassifier(model.to(device=where), tokenizer), notes


class ForeignClassifier:
    """A third-party sequence classification model."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,  # noqa: ANN401 - transformers has no common type for them
    ) -> None:
        self.name = name
        self.class_names = {
            int(n): str(label) for n, label in (model.config.id2label or {}).items()
        }
        """Number of a class -> its name in the model."""
        self._model = model
        self._tokenizer = tokenizer
        longest = getattr(model.config, "max_position_embeddings", MAX_TOKENS)
        # RoBERTa counts positions from 2 on.
        self._max_tokens = min(MAX_TOKENS, int(longest) - 2)

    def probabilities(self, texts: Sequence[str]) -> list[list[float]]:
        """The probabilities of the classes for each text, in their order."""
        token_ids = token_ids_of(self._tokenizer, texts, self._max_tokens)
        probabilities: dict[int, list[float]] = {}
        for batch in batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
            found = self._forward([token_ids[i] for i in batch])
            probabilities.update(zip(batch, found, strict=True))
        return [probabilities[position] for position in range(len(texts))]

    def _forward(self, token_ids: list[list[int]]) -> list[list[float]]:
        """The classes' probabilities for each text."""
        with torch.inference_mode():
            pad_id = self._tokenizer.pad_token_id or 0
            ids, mask = padded(token_ids, pad_id, self._model.device)
            logits = self._model(input_ids=ids, attention_mask=mask).logits  # (batch, classes)
            found: list[list[float]] = logits.float().softmax(-1).tolist()
        return found


def load_foreign_classifier(name: str, device: str, setting: str) -> ForeignClassifier:
    """Load a model from a folder or a hub.

    Args:
        name: a folder or a hub id.
        device: as ``PARLEY_DEVICE``.
        setting: the setting that names it, for the sentence if it cannot be loaded.

    Raises:
        ModelUnavailableError: it cannot be found or read.
    """
    place = find_encoder(name, setting)
    try:
        tokenizer = load_tokenizer(place)
        model = AutoModelForSequenceClassification.from_pretrained(
            place, use_safetensors=True, trust_remote_code=False
        )
    except UNREADABLE as error:
        raise ModelUnavailableError(_why(name, setting, error)) from error
    return ForeignClassifier(name, model.to(device=pick_device(device)).eval(), tokenizer)


def _why(name: str, setting: str, error: Exception) -> str:
    return (
        f"The sentiment model {name} cannot be loaded ({_first_line(error)}). {setting} takes a "
        "local folder or a hub id of a sequence classification model that has .safetensors weights "
        "and needs no code of its own."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "unreadable"
