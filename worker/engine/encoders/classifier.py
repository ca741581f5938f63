"""Models that rate how a text sounds: ours, or any sequence classification model.

Texts in, ratings out, in batches of like length. The only place that runs them; knows nothing of
jobs and channels.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from shared.errors import ModelUnavailableError
from worker.engine.devices import pick_device
from worker.engine.encoders.common import (
    DEFAULT,
    batches_by_length,
    default_encoder,
    find_encoder,
    load_tokenizer,
    padded,
    token_ids_of,
)
from worker.engine.encoders.int8_encoder import Int8Encoder
from worker.engine.encoders.lora import AdaptedEncoder, load_adapted
from worker.sentiment.cleaning import clean
from worker.sentiment.features import VaderLexicon, cues_of
from worker.sentiment.ratings import (
    Boundaries,
    Classifier,
    Rating,
    likeliest,
    rating_of,
    score_of,
    values_of,
)

SETTING = "PARLEY_SENTIMENT_MODEL"
ADAPTER_FILE = "sentiment.safetensors"
WEIGHTS = Path(__file__).parents[2] / "sentiment" / "data" / ADAPTER_FILE
MAX_TOKENS = 128
"""The beginning says how a long message sounds; ours was trained on texts below 96 tokens."""
BATCH_TOKENS = 1024
"""Of one forward step, padding included. On two cores 512 to 4,096 make no difference."""
SHARE_TOKENS = 512
"""Of one forward step where each core takes its own: small, so that no core waits for another."""
CLEAR_FOREIGN = 3.2
"""A model that is not calibrated on the scale has to be sure: 0.9 for the one class, 0.1 other."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError)
"""What transformers raises of a model that it cannot load."""


@dataclass(frozen=True, slots=True)
class ClassifierChoice:
    """Which model, and where; the words of the settings."""

    model: str = DEFAULT
    device: str = "auto"


def load_classifier(choice: ClassifierChoice) -> Classifier:
    """Load the chosen model.

    Raises:
        ModelUnavailableError: it cannot be found or read, or its classes are no sentiments.
    """
    device = pick_device(choice.device)
    trained = Path(choice.model).expanduser() / ADAPTER_FILE
    if choice.model == DEFAULT or trained.is_file():
        return load_default(WEIGHTS if choice.model == DEFAULT else trained, device)
    return _load_foreign(choice.model, device)


def load_plain(choice: ClassifierChoice) -> Classifier:
    """The same model without what is done to make it fast, to measure what that gains.

    Ours is as it was trained: float32, the adapter beside the layers. Raises as
    ``load_classifier``.
    """
    if choice.model == DEFAULT:
        return load_default(WEIGHTS, pick_device(choice.device), is_plain=True)
    return load_classifier(choice)


class AdaptedClassifier:
    """Ours: some layers of all-MiniLM-L6-v2 with an adapter, and a head that reads VADER too."""

    name = "all-MiniLM-L6-v2 with Parley's adapter"

    def __init__(
        self,
        model: AdaptedEncoder,
        tokenizer: Any,  # noqa: ANN401 - transformers has no common type for them
        lexicon: VaderLexicon,
        boundaries: Boundaries,
        rounded: Int8Encoder | None = None,
    ) -> None:
        """Rate with a model, or with what was made of it to be faster."""
        self._model = model
        self._rounded = rounded
        self._tokenizer = tokenizer
        self._lexicon = lexicon
        self._boundaries = boundaries
        self._device = next(model.parameters()).device
        # A core for each batch: cores that share every operator wait for one another at each.
        self._cores = ThreadPoolExecutor(
            torch.get_num_threads(), "rating", torch.set_num_threads, initargs=(1,)
        )

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """A rating for each text, in their order."""
        return [rating_of(score, self._boundaries) for score in self.scores(texts)]

    def scores(self, texts: Sequence[str]) -> list[float]:
        """The mean that people would give each text, from -4 to 4 or a little beyond."""
        cleaned = [readable(self._lexicon, text) for text in texts]
        token_ids = token_ids_of(self._tokenizer, cleaned, MAX_TOKENS)
        cues = cues_of(self._lexicon, texts)
        lengths = [len(ids) for ids in token_ids]
        batches = batches_by_length(lengths, SHARE_TOKENS if self._rounded else BATCH_TOKENS)

        def rated(batch: Sequence[int]) -> list[float]:
            return self._forward([token_ids[i] for i in batch], [cues[i] for i in batch])

        is_shared = self._rounded is not None and len(batches) > 1
        scores = [0.0] * len(texts)
        for batch, found in zip(
            batches, (self._cores.map if is_shared else map)(rated, batches), strict=True
        ):
            for position, score in zip(batch, found, strict=True):
                scores[position] = score
        return scores

    def _forward(self, token_ids: list[list[int]], cues: list[list[float]]) -> list[float]:
        with torch.inference_mode():
            if self._rounded:
                rated = self._rounded(token_ids, cues)
            else:
                ids, mask = padded(token_ids, self._tokenizer.pad_token_id, self._device)
                rated = self._model(ids, mask, torch.tensor(cues, device=self._device))
            found: list[float] = rated[:, 0].tolist()
        return found


def readable(lexicon: VaderLexicon, text: str) -> str:
    """A text as our model's tokenizer gets it."""
    return lexicon.with_words_for_emoji(clean(text))


def load_default(
    weights: Path, device: torch.device, *, is_plain: bool = False
) -> AdaptedClassifier:
    """Our model, with these weights; ``is_plain`` as of ``load_plain``.

    Raises:
        ModelUnavailableError: the encoder's package or the weights are not there.
    """
    place = str(default_encoder())
    try:
        model, tokenizer, notes = load_adapted(place, weights)
    except UNREADABLE as error:
        raise ModelUnavailableError(
            f"The sentiment model cannot be read from {weights} ({_first_line(error)}). Install "
            "Parley again, or train it with `parley train sentiment`."
        ) from error
    rounded: Int8Encoder | None = None
    if not is_plain:
        model.merge()
        if device.type == "cpu":
            rounded = Int8Encoder(model)
        else:
            nn.Module.to(model.encoder, dtype=torch.bfloat16)  # the head stays in float32
    boundaries = Boundaries(*(float(notes[name]) for name in ("negative", "positive", "clear")))
    return AdaptedClassifier(
        model.to(device=device), tokenizer, VaderLexicon(), boundaries, rounded
    )


class ForeignClassifier:
    """A sequence classification model of somebody else's."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,  # noqa: ANN401 - transformers has no common type for them
        values: tuple[float, ...],
    ) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._values = values
        self._boundaries = Boundaries(clear=CLEAR_FOREIGN)
        longest = getattr(model.config, "max_position_embeddings", MAX_TOKENS)
        # RoBERTa counts positions from 2 on.
        self._max_tokens = min(MAX_TOKENS, int(longest) - 2)

    def rate(self, texts: Sequence[str]) -> list[Rating]:
        """A rating for each text, in their order."""
        token_ids = token_ids_of(self._tokenizer, texts, self._max_tokens)
        ratings: dict[int, Rating] = {}
        for batch in batches_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
            found = self._forward([token_ids[i] for i in batch])
            ratings.update(zip(batch, map(self._rating, found), strict=True))
        return [ratings[position] for position in range(len(texts))]

    def _forward(self, token_ids: list[list[int]]) -> list[list[float]]:
        """The classes' probabilities for each text."""
        with torch.inference_mode():
            pad_id = self._tokenizer.pad_token_id or 0
            ids, mask = padded(token_ids, pad_id, self._model.device)
            logits = self._model(input_ids=ids, attention_mask=mask).logits  # (batch, classes)
            found: list[list[float]] = logits.float().softmax(-1).tolist()
        return found

    def _rating(self, probabilities: list[float]) -> Rating:
        rating = rating_of(score_of(probabilities, self._values), self._boundaries)
        has_neutral = any(value == 0 for value in self._values)
        if not has_neutral:
            return rating
        label = likeliest(probabilities, self._values)
        is_clear = rating.is_clear and rating.label is label
        return Rating(rating.score, label, is_clear)


def _load_foreign(name: str, device: torch.device) -> ForeignClassifier:
    place = find_encoder(name, SETTING)
    try:
        tokenizer = load_tokenizer(place)
        model = AutoModelForSequenceClassification.from_pretrained(
            place, use_safetensors=True, trust_remote_code=False
        )
    except UNREADABLE as error:
        raise ModelUnavailableError(_why(name, error)) from error
    names = {int(number): str(label) for number, label in model.config.id2label.items()}
    values = values_of(names)
    if values is None:
        listed = ", ".join(names[number] for number in sorted(names))
        raise ModelUnavailableError(
            f"{SETTING} names {name}, whose classes are called {listed}: Parley needs names such "
            "as positive, neutral and negative, or 1 star to 5 stars. Give it a model whose "
            "config.json names them so under id2label."
        )
    return ForeignClassifier(name, model.to(device=device).eval(), tokenizer, values)


def _why(name: str, error: Exception) -> str:
    hint = (
        "HF_HUB_OFFLINE is 1, so only local models can be used."
        if os.environ.get("HF_HUB_OFFLINE") == "1"
        else f"{SETTING} takes a local folder or a hub id of a sequence classification model that "
        "has .safetensors weights and needs no code of its own."
    )
    return f"The sentiment model {name} cannot be loaded ({_first_line(error)}). {hint}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "unreadable"
