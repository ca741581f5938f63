"""The loader of causal language models: the embedded default, a hub id or a local path.

Weights come from safetensors only and no code of a model's repository is ever run.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from shared.errors import ModelUnavailableError
from worker.engine.devices import pick_device, pick_dtype
from worker.engine.gguf import DEFAULT_MODEL, ensure_converted
from worker.engine.protocol import DEFAULT, ModelChoice, ModelInfo, Progress, Tokenizer


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, with its tokenizer."""

    name: str
    model: PreTrainedModel
    tokenizer: Tokenizer
    eos_token_ids: tuple[int, ...]
    context_tokens: int
    """The longest sequence the model was made for."""

    @property
    def info(self) -> ModelInfo:
        """The model, apart from its weights."""
        return ModelInfo(
            self.name,
            self.tokenizer,
            self.eos_token_ids,
            self.context_tokens,
            self.num_parameters,
            max_new_tokens=DEFAULT_MODEL.max_new_tokens
            if self.name == DEFAULT_MODEL.name
            else None,
        )

    @property
    def num_parameters(self) -> int:
        """The number of its weights."""
        return int(self.model.num_parameters())

    @property
    def num_linear_weights(self) -> int:
        """The number of weights that each decoding step reads: all but embeddings and norms."""
        linear = (module for module in self.model.modules() if isinstance(module, nn.Linear))
        return sum(module.weight.numel() for module in linear)


def name_of(model: str) -> str:
    """A model's display name: its folder's name, or its hub id."""
    if model == DEFAULT:
        return DEFAULT_MODEL.name
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else model


def locate(choice: ModelChoice, progress: Progress) -> str:
    """The folder or hub id to load; converts the default model if needed.

    Raises:
        ModelUnavailableError: a path does not exist, or the default model is not installed.
    """
    if choice.model == DEFAULT:
        return str(ensure_converted(DEFAULT_MODEL, choice.cache_dir, progress))
    path = Path(choice.model).expanduser()
    looks_like_path = choice.model.startswith((".", "/", "~")) or choice.model.count("/") > 1
    if looks_like_path and not (path / "config.json").is_file():
        raise ModelUnavailableError(
            f"PARLEY_MODEL names {choice.model}, but there is no model in that folder (no "
            "config.json)."
        )
    return str(path) if path.is_dir() else choice.model


def load_tokenizer(choice: ModelChoice, progress: Progress) -> Tokenizer:
    """Load a model's tokenizer alone.

    Raises:
        ModelUnavailableError: the model is missing.
    """
    place = locate(choice, progress)
    made: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    tokenizer: Tokenizer = made
    return tokenizer


def load_model(choice: ModelChoice, progress: Progress) -> LoadedModel:
    """Load weights and tokenizer onto the chosen device.

    Raises:
        ModelUnavailableError: it cannot be found or read; the sentence says what to do.
    """
    name = name_of(choice.model)
    device = pick_device(choice.device)
    place = locate(choice, progress)
    progress(f"Loading {name}")
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=pick_dtype(choice.dtype, device),
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        ImportError,
        SafetensorError,
    ) as error:
        raise ModelUnavailableError(_why(name, error)) from error
    model.to(device=device).eval()  # type: ignore[call-arg]  # wrapped without its signature
    torch.set_grad_enabled(False)
    return LoadedModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        eos_token_ids=_eos_token_ids(model, tokenizer),
        context_tokens=int(
            getattr(model.config.get_text_config(), "max_position_embeddings", 2048)
        ),
    )


def _why(name: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "unreadable"
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    hint = (
        "HF_HUB_OFFLINE is 1, so only local models can be used."
        if offline
        else (
            "PARLEY_MODEL takes a local folder or a hub id of a causal language model that has "
            ".safetensors weights and needs no code of its own."
        )
    )
    return f"The model {name} cannot be loaded ({reason}). {hint}"


def _eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    if configured is None:
        configured = tokenizer.eos_token_id
    if configured is None:
        return ()
    return (configured,) if isinstance(configured, int) else tuple(configured)
