"""What transformers can compute of a model, asked of its configuration before weights are loaded.

transformers' manager knows layers that keep keys and values of one size, all or in a window. Other
families (states instead of keys and values, chunked attention, heads of several sizes) are
computed by the simple batch.
"""

from typing import Any

import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PretrainedConfig,
)
from transformers.generation.continuous_batching.cache import group_layers_by_attn_type
from transformers.generation.continuous_batching.utils import (
    find_head_dim,
    find_num_key_value_heads,
)

LANGUAGE_MODEL_ENDINGS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForVision2Seq")
ROPE_THAT_STRETCHES = ("linear", "dynamic")
"""Kinds of rope scaling whose factor is not in ``max_position_embeddings`` already."""
CONTEXT_NAMES = ("max_position_embeddings", "max_sequence_length", "max_seq_len", "seq_length")
UNKNOWN_CONTEXT_TOKENS = 8192
"""Models that keep a state name no limit."""
MAX_SANE_TOKENS = 100_000_000
"""A tokenizer without a limit names 10 ** 30."""


def text_config_of(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of the language model within a model that also sees."""
    return config.get_text_config(decoder=True)


def class_of(config: PretrainedConfig) -> Any | None:  # noqa: ANN401 - a class without types
    """The class that computes answers of such a model; None: there is none."""
    named = [getattr(transformers, str(name), None) for name in config.architectures or ()]
    # Its weights are named after it: the text model alone would look for other names.
    for made in named:
        if getattr(made, "config_class", None) is type(config) and hasattr(made, "generate"):
            return made
    # As a plain mapping is asked: the auto classes raise a paragraph that lists all models.
    for auto in (AutoModelForCausalLM, AutoModelForImageTextToText):
        found = auto._model_mapping.get(type(config), None)  # noqa: SLF001 - no other way
        if found is not None:
            return found[0] if isinstance(found, tuple) else found
    return None


def why_no_language_model(config: PretrainedConfig) -> str:
    """Why a model of this configuration cannot answer; empty if it can."""
    made_for = [name for name in config.architectures or () if isinstance(name, str)]
    if config.is_encoder_decoder:
        return "it is an encoder and a decoder, made for translation or summaries and not for chat"
    if made_for and not any(name.endswith(LANGUAGE_MODEL_ENDINGS) for name in made_for):
        return f"it is made for another purpose ({made_for[0]}) and does not write text"
    if class_of(config) is None:
        return f"transformers has no language model of the kind {config.model_type}"
    return ""


def why_not_managed(config: PretrainedConfig) -> str:
    """Why transformers' manager cannot compute such a model; empty if it can."""
    text, model_class = text_config_of(config), class_of(config)
    reasons = {
        "it keeps a state": getattr(model_class, "_is_stateful", False),
        "its attention is its own": not getattr(model_class, "_supports_attention_backend", False),
        "its keys and values are compressed": getattr(text, "kv_lora_rank", None),
        "its layers share keys and values": getattr(text, "num_kv_shared_layers", None),
        "its layers or heads are of several kinds": not _is_uniform(text),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _is_uniform(text: PretrainedConfig) -> bool:
    """Whether the manager can lay out a cache for these layers."""
    try:
        group_layers_by_attn_type(text)
        sizes = find_head_dim(text), find_num_key_value_heads(text), text.num_attention_heads
    except Exception:  # noqa: BLE001 - a configuration may refuse to answer (Gemma 4's head_dim)
        return False
    return all(isinstance(number, int) and number > 0 for number in sizes)


def context_of(config: PretrainedConfig, tokenizer_limit: int | None = None) -> int:
    """The longest sequence that a model was made for, in tokens.

    Args:
        config: the model's.
        tokenizer_limit: ``model_max_length``, for a model that names none.
    """
    text = text_config_of(config)
    named = [getattr(text, name, None) for name in CONTEXT_NAMES]
    known = [number for number in named if isinstance(number, int) and number > 0]
    if known:
        return _stretched(known[0], text)
    if tokenizer_limit and tokenizer_limit < MAX_SANE_TOKENS:
        return int(tokenizer_limit)
    return UNKNOWN_CONTEXT_TOKENS


def _stretched(tokens: int, text: PretrainedConfig) -> int:
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    if not isinstance(rope, dict):
        return tokens
    kind, factor = rope.get("rope_type") or rope.get("type"), rope.get("factor")
    if not isinstance(factor, int | float) or factor <= 1:
        return tokens
    original = rope.get("original_max_position_embeddings")
    if kind == "yarn":
        return max(tokens, int((original or tokens) * factor))
    if kind in ROPE_THAT_STRETCHES and not original:
        return int(tokens * factor)
    return tokens
