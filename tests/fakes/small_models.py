"""Small random models of real families, as folders of safetensors."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from tests.fakes.tiny_model import make_tokenizer

CONFIGS: dict[str, type[PreTrainedConfig]] = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
}
SHARD = "60KB"
"""A model is a few times as large."""


def save_small_model(folder: Path, family: str, dtype: torch.dtype, **values: Any) -> Path:  # noqa: ANN401 - fields of a configuration
    """Write a model with grouped heads, and norms and biases that are not those of a new one."""
    tokenizer = make_tokenizer(has_template=True)
    tokenizer.save_pretrained(folder)
    fields = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
        "rms_norm_eps": 1e-5,
        "eos_token_id": tokenizer.eos_token_id,
    }
    torch.manual_seed(1)
    config = CONFIGS[family](**{**fields, **values})
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # untyped
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.2)
    model.to(dtype).save_pretrained(folder, max_shard_size=SHARD)
    return folder
