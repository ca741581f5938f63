"""What a model's files say without its weights: context length, ends of text, sampling."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAMPLING_FIELDS = (
    ("temperature", "temp"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("repetition_penalty", "penalty_repeat"),
)
"""Ours, and llama.cpp's in ``general.sampling``."""


def facts_of_gguf(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a GGUF file, from its fields."""
    architecture = fields["general.architecture"]

    def found(name: str, default: Any = None) -> Any:  # noqa: ANN401 - whatever the file says
        return fields.get(f"{architecture}.{name}", default)

    num_heads = found("attention.head_count", 1)  # a list in families whose layers differ
    return {
        "context_tokens": int(found("context_length", 2048)),
        "eos_token_ids": sorted(
            {
                int(fields[name])
                for name in ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
                if name in fields
            }
        ),
        "num_layers": int(found("block_count", 1)),
        "num_kv_heads": int(found("attention.head_count_kv", num_heads)),
        "head_size": int(found("attention.key_length", found("embedding_length", 1) // num_heads)),
        "sampling": {
            ours: fields[f"general.sampling.{theirs}"]
            for ours, theirs in SAMPLING_FIELDS
            if f"general.sampling.{theirs}" in fields
        },
    }


def facts_of_folder(folder: Path, tokenizer_eos: int | None) -> dict[str, Any]:
    """The facts of a model's folder, from its configuration and its tokenizer's end of text."""
    config = json.loads((folder / "config.json").read_text())
    text = config.get("text_config") or config
    path = folder / "generation_config.json"
    generation = json.loads(path.read_text()) if path.is_file() else {}
    ends = [text.get("eos_token_id"), generation.get("eos_token_id"), tokenizer_eos]
    flat = {each for one in ends for each in (one if isinstance(one, list) else [one])}
    num_heads = text.get("num_attention_heads", 1)
    if generation.get("do_sample"):
        sampled = {"temperature": 1.0, **generation}  # what transformers takes for none
    else:
        sampled = {"repetition_penalty": generation.get("repetition_penalty")}
    return {
        "context_tokens": int(text.get("max_position_embeddings", 2048)),
        "eos_token_ids": sorted(each for each in flat if each is not None),
        "num_layers": int(text.get("num_hidden_layers", 1)),
        "num_kv_heads": int(text.get("num_key_value_heads") or num_heads),
        "head_size": int(text.get("head_dim") or text.get("hidden_size", 1) // num_heads),
        "sampling": {
            name: sampled[name] for name, _ in SAMPLING_FIELDS if sampled.get(name) is not None
        },
    }
