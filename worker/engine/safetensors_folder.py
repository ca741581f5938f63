"""A model's folder of safetensors: whether OpenVINO can compute it, by its configuration alone."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = "config.json"
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
"""What OpenVINO's GGUF reader knows (openvino.genai, gguf_utils/gguf_modeling.cpp, 2026.4)."""
ROPE_TYPES = frozenset({"default", "linear", "llama3"})
"""Those that change frequencies alone, which the exported model is given."""
MIN_BYTES = 50_000_000
"""A smaller model is computed by transformers before it would be exported."""
REFUSED = {
    "quantization_config": "its weights are quantised already",
    "attention_bias": "its attention has biases",
    "mlp_bias": "its feed-forward layers have biases",
    "use_sliding_window": "its attention has a sliding window",
}
"""Fields that are set in models which the reader would compute without what they name."""
KNOWN_ACTIVATIONS = frozenset({"silu", "swish"})


def why_no_export(folder: Path) -> str:
    """Why a model cannot be written for OpenVINO; empty if it can, as far as its config says.

    Args:
        folder: it need not hold the weights yet.
    """
    config = _config_of(folder)
    family = str(config.get("model_type", "unknown"))
    if family not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        return f"Parley writes models of {known} for OpenVINO, and this is of {family}"
    classes = config.get("architectures") or [f"{family}ForCausalLM"]
    if not str(classes[0]).endswith("ForCausalLM"):
        return f"it is a {classes[0]}, which writes no text"
    for name, reason in REFUSED.items():
        if config.get(name):
            return reason
    if not {"full_attention"} >= set(config.get("layer_types") or ()):
        return "its layers differ in their attention"
    activation = config.get("hidden_act", "silu")
    if activation not in KNOWN_ACTIVATIONS:
        return f"its activation is {activation}"
    return _why_no_rope(rope_of(config))


def _why_no_rope(rope: Mapping[str, Any]) -> str:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ROPE_TYPES:
        return f"its positions are scaled by {kind}"
    return "it turns a part of each head" if rope.get("partial_rotary_factor", 1) != 1 else ""


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of rotary embeddings, as transformers 5 writes them, or as older files do."""
    named = {
        name: config[name]
        for name in ("rope_theta", "partial_rotary_factor")
        if config.get(name) is not None
    }
    return {**named, **(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}


def is_small(folder: Path) -> bool:
    """Whether its weights lie here and are not worth an export."""
    files = [folder / name for name in weights_of(folder)]
    return all(file.is_file() for file in files) and (
        sum(file.stat().st_size for file in files) < MIN_BYTES
    )


def stamp_of(folder: Path) -> str:
    """Changes with any of the files that an export reads."""
    files = sorted({*folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("*.safetensors")})
    lines = [f"{folder.resolve()}"]
    for file in files:
        status = file.stat()
        lines.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def has_weights(folder: Path) -> bool:
    """Whether it is a model of transformers with safetensors."""
    return (folder / CONFIG).is_file() and all(
        (folder / name).is_file() for name in weights_of(folder)
    )


def weights_of(folder: Path) -> tuple[str, ...]:
    """The names of a model's files of weights, by its index."""
    index = folder / INDEX
    if not index.is_file():
        return (WHOLE,)
    return tuple(sorted(set(json.loads(index.read_text())["weight_map"].values())))


def _config_of(folder: Path) -> dict[str, Any]:
    """Empty where it cannot be read, which transformers says better."""
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
