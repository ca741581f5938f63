"""The loader of causal language models: the embedded default, a hub id or a local path.

Weights come from safetensors only and no code of a model's repository is ever run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.import_utils import is_accelerate_available

from shared.errors import ModelUnavailableError
from worker.engine.devices import pick_device, pick_dtype
from worker.engine.gguf import DEFAULT_MODEL, ensure_converted
from worker.engine.hub import fetch_description, fetch_model
from worker.engine.protocol import (
    DEFAULT,
    GREEDY,
    ModelChoice,
    ModelInfo,
    Progress,
    Sampling,
    Tokenizer,
)
from worker.engine.safetensors_folder import weights_of
from worker.engine.transformers_engine.families import (
    class_of,
    context_of,
    text_config_of,
    why_no_language_model,
)
from worker.engine.transformers_engine.sizing import GB, why_no_room

MAX_REASON_CHARS = 300
SETTING = "PARLEY_MODEL"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, with its tokenizer."""

    name: str
    model: PreTrainedModel
    tokenizer: Tokenizer
    eos_token_ids: tuple[int, ...]
    context_tokens: int
    """The longest sequence the model was made for."""
    sampling: Sampling = GREEDY
    """The defaults of its ``generation_config``."""

    @property
    def text_config(self) -> PretrainedConfig:
        """The configuration of the language model in it."""
        return text_config_of(self.model.config)

    @property
    def info(self) -> ModelInfo:
        """The model, apart from its weights."""
        return ModelInfo(
            self.name,
            self.tokenizer,
            self.eos_token_ids,
            self.context_tokens,
            self.num_parameters,
            sampling=self.sampling,
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
    """The folder to load, of a hub's model without its weights; converts the default if needed.

    Raises:
        ModelUnavailableError: a path does not exist, the hub's model cannot be fetched, or the
            default model is not installed.
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
    return str(path if path.is_dir() else fetch_description(choice.model, SETTING))


def _is_at_hub(model: str) -> bool:
    return model != DEFAULT and not Path(model).expanduser().is_dir()


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
        config = _config_of(name, place)
        tokenizer: Any = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        if _is_at_hub(choice.model):
            place = str(fetch_model(choice.model, SETTING))
        dtype = pick_dtype(choice.dtype, device)
        if device.type == "cuda":
            require_room(name, Path(place), config, dtype, torch.cuda.mem_get_info(device)[0])
        model = _weights_of(place, config, dtype, device)
    except ModelUnavailableError:
        raise
    except Exception as error:
        raise ModelUnavailableError(_why(name, error)) from error
    torch.set_grad_enabled(False)
    return LoadedModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        eos_token_ids=_eos_token_ids(model, tokenizer),
        context_tokens=context_of(model.config, getattr(tokenizer, "model_max_length", None)),
        sampling=sampling_of(model.generation_config),
    )


def _config_of(name: str, place: str) -> PretrainedConfig:
    """The configuration, of a model that can answer.

    Raises:
        ModelUnavailableError: it is of another kind.
    """
    config: PretrainedConfig = AutoConfig.from_pretrained(place, trust_remote_code=False)
    if reason := why_no_language_model(config):
        raise ModelUnavailableError(
            f"The model {name} cannot answer: {reason}. Set PARLEY_MODEL to a chat model."
        )
    return config


def require_room(
    name: str, folder: Path, config: PretrainedConfig, dtype: torch.dtype, free_bytes: int
) -> None:
    """Check that weights and the smallest cache fit, before minutes of loading.

    Args:
        name: the model's, for the sentence.
        folder: with its weights.
        config: its configuration.
        dtype: in which its weights are loaded, unless they are quantised.
        free_bytes: of the device.

    Raises:
        ModelUnavailableError: they do not.
    """
    stored = sum((folder / each).stat().st_size for each in weights_of(folder))
    kept: Any = getattr(config, "dtype", None)
    is_quantised = getattr(config, "quantization_config", None) is not None
    is_cast = isinstance(kept, torch.dtype) and not is_quantised
    weight_bytes = stored * dtype.itemsize // kept.itemsize if is_cast else stored
    if reason := why_no_room(text_config_of(config), weight_bytes, free_bytes, dtype):
        raise ModelUnavailableError(
            f"The model {name} does not fit onto this GPU, which has {free_bytes / GB:.1f} GB "
            f"free: {reason}. Choose a smaller model or a quantised form of it, or "
            "PARLEY_ENGINE=openai with a model server on several GPUs."
        )


def _weights_of(
    place: str, config: PretrainedConfig, dtype: torch.dtype, device: torch.device
) -> PreTrainedModel:
    # With accelerate weights are read straight to the device; without it they need to fit into the
    # main memory first.
    is_direct = device.type != "cpu" and is_accelerate_available()
    placing = {"device_map": {"": device}} if is_direct else {}
    made: Any = class_of(config)
    model, report = made.from_pretrained(
        place,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        **placing,
    )
    if missing := sorted(report["missing_keys"]):
        raise OSError(f"{len(missing):,} of its tensors are missing, as {missing[0]}")
    loaded: PreTrainedModel = model
    if not is_direct:
        loaded.to(device=device)  # type: ignore[call-arg]  # wrapped without its signature
    loaded.eval()  # type: ignore[no-untyped-call]  # untyped
    return loaded


def sampling_of(generation: object) -> Sampling:
    """The defaults of a ``generation_config``; what it does not name has no effect.

    ``generate`` would add a top-k of 50 by itself; servers add none (as vLLM).
    """
    named = {
        name: getattr(generation, name, None)
        for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    }
    values: dict[str, Any] = {name: value for name, value in named.items() if _is_number(value)}
    if not getattr(generation, "do_sample", None):
        penalty = values.get("repetition_penalty")
        return Sampling(temperature=0.0, repetition_penalty=penalty)
    return Sampling(**{"temperature": 1.0, **values})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _why(name: str, error: Exception) -> str:
    """The sentence for what transformers raised."""
    if isinstance(error, json.JSONDecodeError):
        reason = f"a file of it is no valid JSON: {error}"
    else:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:MAX_REASON_CHARS].rstrip(".:") if lines else type(error).__name__
    return (
        f"The model {name} cannot be loaded ({reason}). {SETTING} takes a local folder or a hub id "
        "of a causal language model that has .safetensors weights and needs no code of its own."
    )


def _eos_token_ids(model: PreTrainedModel, tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401 - untyped
    """All tokens that end an answer: fine-tunes often name theirs in one of these places only."""
    places = (model.generation_config, text_config_of(model.config), model.config, tokenizer)
    found: dict[int, None] = {}
    for place in places:
        named = getattr(place, "eos_token_id", None)
        ids = named if isinstance(named, list | tuple) else [named]
        found.update((number, None) for number in ids if isinstance(number, int) and number >= 0)
    return tuple(found)
