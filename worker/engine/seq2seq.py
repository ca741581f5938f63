"""A translation model beside the chat model: Marian, NLLB, M2M100 or mBART, in batches.

Weights come from safetensors only and no code of a model's repository is ever run. One batch at a
time: several jobs wait for each other, batch by batch.
"""

import itertools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from babel.core import get_global
from safetensors import SafetensorError
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerBase

from shared.errors import ModelUnavailableError, TranslationPairError
from worker.engine.devices import pick_device
from worker.engine.hub import fetch_model

BATCH_SENTENCES = 16
MAX_TOKENS = 400
"""The longest piece. Marian's positions end at 512; NLLB was trained on sentences."""
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError),
)
GROWTH, ROOM = 2, 16
"""A translation has at most so many times the tokens of its source, and so many more."""
SETTING = "PARLEY_TRANSLATION_MODEL"
FLORES = re.compile(r"(?P<language>[a-z]{3})_(?P<script>[A-Z][a-z]{3})")
PATTERNS = (
    re.compile(r"__(?P<language>[a-z]{2,3})__"),
    re.compile(r"(?P<language>[a-z]{2})_[A-Z]{2}"),
    re.compile(r">>(?P<language>[a-z]{2,3})(?:_[A-Za-z]+)?<<"),
)
"""The formats of language tokens in M2M100, mBART and Marian's many-to-many models."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of source and target language, as ISO 639-1 codes."""

    source: str
    target: str


class Seq2Seq:
    """Translates batches of sentences. Thread-safe."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:  # noqa: ANN401 - transformers has no common type for them
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._tokens = language_tokens(tokenizer)

    def translate(
        self,
        sentences: Sequence[str],
        pair: Pair,
        is_over: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Translate sentences; stops early, with fewer of them, when ``is_over``.

        Raises:
            TranslationPairError: the model was not made for these languages.
        """
        self._require(pair)
        parts = [self._cut(sentence) for sentence in sentences]
        flat = [part for owned in parts for part in owned]
        translated: list[str] = []
        for start in range(0, len(flat), BATCH_SENTENCES):
            if is_over():
                break
            with self._lock:
                translated += self._batch(flat[start : start + BATCH_SENTENCES], pair)
        done = iter(translated)
        whole = [list(itertools.islice(done, len(owned))) for owned in parts]
        num_whole = sum(len(ours) == len(owned) for ours, owned in zip(whole, parts, strict=True))
        return [" ".join(ours) for ours in whole[:num_whole]]

    def _cut(self, sentence: str) -> list[str]:
        """Split a sentence into pieces that the model can read, between words where possible."""
        if len(self._tokenizer(sentence)["input_ids"]) <= MAX_TOKENS or len(sentence) <= 1:
            return [sentence]
        middle = len(sentence) // 2
        at = sentence.find(" ", middle) if " " in sentence[middle:] else middle
        return [*self._cut(sentence[:at].strip()), *self._cut(sentence[at:].strip())]

    def _require(self, pair: Pair) -> None:
        if self._tokens:
            if pair.target not in self._tokens:
                raise TranslationPairError(self.name, pair.target)
            return
        target = getattr(self._tokenizer, "target_lang", None)
        if target and _iso(str(target)) != pair.target:
            raise TranslationPairError(self.name, pair.target)

    def _batch(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        target = self._tokens.get(pair.target)
        if target and target.startswith(">>"):
            sentences = [f"{target} {sentence}" for sentence in sentences]
        elif self._tokens:
            source = self._tokens.get(pair.source)
            self._tokenizer.src_lang = _name_of(source or target or "")
        inputs = self._tokenizer(list(sentences), return_tensors="pt", padding=True)
        inputs = inputs.to(self._model.device)
        inputs.pop("token_type_ids", None)
        begin: dict[str, int] = {}
        if target and not target.startswith(">>"):
            begin["forced_bos_token_id"] = self._tokenizer.convert_tokens_to_ids(target)
        longest = int(inputs["input_ids"].shape[1]) * GROWTH + ROOM  # input_ids: (batch, time)
        with torch.inference_mode():
            output = self._model.generate(**inputs, **begin, max_new_tokens=longest)
        texts = self._tokenizer.batch_decode(output, skip_special_tokens=True)
        return [str(text).strip() for text in texts]


def language_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """ISO 639-1 code -> the model's token for the language; empty for a model of one pair."""
    names = {token.content for token in tokenizer.added_tokens_decoder.values()}
    names |= {str(name) for name in getattr(tokenizer, "all_special_tokens", ())}
    names |= {name for name in tokenizer.get_vocab() if name.startswith(">>")}
    found: dict[str, str] = {}
    for name in sorted(names):
        if match := FLORES.fullmatch(name):
            code = _iso(match["language"])
            if code not in found or _script_of(code) == match["script"]:
                found[code] = name
        for pattern in PATTERNS:
            if match := pattern.fullmatch(name):
                found.setdefault(_iso(match["language"]), name)
    return found


def _name_of(token: str) -> str:
    """A language as the tokenizer's ``src_lang`` requires it: M2M100 without its underscores."""
    return token.strip("_") if token.startswith("__") else token


def _iso(code: str) -> str:
    """The two-letter code for a three-letter one, by CLDR's aliases."""
    return str(get_global("language_aliases").get(code, code))


def _script_of(code: str) -> str:
    """The main script of a language."""
    parts = str(get_global("likely_subtags").get(code, "")).split("_")
    return parts[1] if len(parts) > 1 else ""


def load_seq2seq(name: str, device: str) -> Seq2Seq:
    """Load a translation model.

    Args:
        name: a local folder or a hub id.
        device: the word of ``PARLEY_DEVICE``.

    Raises:
        ModelUnavailableError: it cannot be found or read; the sentence says what to do.
    """
    folder = Path(name).expanduser()
    place = folder if folder.is_dir() else fetch_model(name, SETTING)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            place, use_safetensors=True, trust_remote_code=False
        )
    except UNREADABLE as error:
        lines = str(error).strip().splitlines()
        reason = lines[0].rstrip(".") if lines else "unreadable"
        raise ModelUnavailableError(
            f"The translation model {name} cannot be loaded ({reason}). {SETTING} "
            "takes a local folder or a hub id of a Marian, NLLB, M2M100 or mBART model that has "
            ".safetensors weights."
        ) from error
    model.to(device=pick_device(device)).eval()
    return Seq2Seq(name, model, tokenizer)
