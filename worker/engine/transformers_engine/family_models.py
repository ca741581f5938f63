"""Small random models of the real architectures that teams run, from the installed transformers.

Each has its family's layers, cache and attention with sizes of some dozens, and a chat template of
its kind around a tokenizer of bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from worker.engine.transformers_engine.families import class_of

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ message['role'] }}\n"
    "{{ message['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}"
    "<|end_header_id|>\n\n{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
INSTRUCTIONS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] }}{{ eos_token }}{% else %}[INST] {{ message['content'] }} [/INST]"
    "{% endif %}{% endfor %}"
)
CHANNELS = (
    "{% for message in messages %}<|start|>{{ message['role'] }}<|message|>"
    "{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
THINK_OPENED = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")

SMALL: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 2048,
    "sliding_window": 32,
    "initializer_range": 0.1,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}
"""Set where a configuration has the field."""
MAMBA = {
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_d_state": 16,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 16,
}


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models, and how its small one is made."""

    name: str
    config: str
    """The class of its configuration in transformers."""
    template: str = CHATML
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields beside ``SMALL``; None removes one of it."""
    thinking: str = "none"
    sees: bool = False
    """Whether its models, or some of them, read pictures."""


FAMILIES = (
    Family("Llama 2-3", "LlamaConfig", HEADERS),
    Family("Mistral", "MistralConfig", INSTRUCTIONS),
    Family("Ministral 3", "Ministral3Config", INSTRUCTIONS, thinking="[THINK]", sees=True),
    Family("Mixtral", "MixtralConfig", INSTRUCTIONS),
    Family("Qwen2, Qwen2.5", "Qwen2Config"),
    Family("Qwen3", "Qwen3Config", thinking="<think>"),
    Family("Qwen3 MoE", "Qwen3MoeConfig", thinking="<think>"),
    Family("Qwen3-Next", "Qwen3NextConfig", thinking="<think>"),
    Family(
        "Qwen3.5", "Qwen3_5TextConfig", THINK_OPENED, thinking="opened by the prompt", sees=True
    ),
    Family(
        "Qwen3.5 MoE",
        "Qwen3_5MoeTextConfig",
        THINK_OPENED,
        thinking="opened by the prompt",
        sees=True,
    ),
    Family("Gemma 2", "Gemma2Config", TURNS, {"query_pre_attn_scalar": 16}),
    Family("Gemma 3", "Gemma3TextConfig", TURNS, {"num_hidden_layers": 6}, sees=True),
    Family(
        "Gemma 4",
        "Gemma4TextConfig",
        TURNS,
        {"num_hidden_layers": 6, "global_head_dim": 32, "hidden_size_per_layer_input": 8},
        thinking="<|channel>thought",
        sees=True,
    ),
    Family("gpt-oss", "GptOssConfig", CHANNELS, thinking="channels"),
    Family("Phi-3, Phi-4", "Phi3Config"),
    Family("SmolLM3", "SmolLM3Config", thinking="<think>"),
    Family("Granite 3", "GraniteConfig"),
    Family(
        "Granite 4",
        "GraniteMoeHybridConfig",
        CHATML,
        {**MAMBA, "layer_types": ["mamba", "attention", "mamba", "attention"]},
    ),
    Family(
        "LFM2",
        "Lfm2Config",
        CHATML,
        {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    ),
    Family("Falcon-H1", "FalconH1Config", CHATML, {**MAMBA, "mamba_d_ssm": 128}),
    Family(
        "Nemotron-H",
        "NemotronHConfig",
        CHATML,
        {"mamba_num_heads": 8, "mamba_head_dim": 16, "ssm_state_size": 16, "n_groups": 1},
        thinking="<think>",
    ),
    Family(
        "Llama 4",
        "Llama4TextConfig",
        HEADERS,
        {"intermediate_size_mlp": 96, "attention_chunk_size": 32, "num_experts_per_tok": 1},
        sees=True,
    ),
    Family("OLMo 2", "Olmo2Config"),
    Family("OLMo 3", "Olmo3Config", thinking="<think>"),
    Family(
        "DeepSeek-V3, R1",
        "DeepseekV3Config",
        CHATML,
        {
            "num_key_value_heads": 4,
            "kv_lora_rank": 16,
            "q_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 16,
            "head_dim": None,
            "n_group": 1,
            "topk_group": 1,
        },
        thinking="<think>",
    ),
    Family("GLM-4", "Glm4Config", thinking="<think>"),
    Family("GLM-4.5 MoE", "Glm4MoeConfig", CHATML, {"n_group": 1}, thinking="<think>"),
    Family("Command R7B", "Cohere2Config"),
    Family("StableLM 2", "StableLmConfig"),
    Family("GPT-2", "GPT2Config", CHATML, {"n_embd": 64, "n_layer": 4, "n_head": 4}),
    Family("GPT-NeoX, Pythia", "GPTNeoXConfig"),
    Family("Bamba", "BambaConfig", CHATML, {**MAMBA, "attn_layer_indices": [1, 3]}),
    Family(
        "Mamba 2",
        "Mamba2Config",
        CHATML,
        {"num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 1, "expand": 2},
    ),
    Family("Mamba", "MambaConfig", CHATML, {"state_size": 8}),
    Family(
        "Jamba",
        "JambaConfig",
        CHATML,
        {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    ),
    Family(
        "Kimi-Linear",
        "KimiLinearConfig",
        CHATML,
        {
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 16,
            "num_key_value_heads": 4,
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "linear_attn_config": {"head_dim": 16, "num_heads": 4, "short_conv_kernel_size": 4},
        },
    ),
    Family("EXAONE 4", "Exaone4Config", thinking="<think>"),
    Family("Hunyuan", "HunYuanDenseV1Config", thinking="<think>"),
    Family("MiniMax", "MiniMaxConfig", thinking="<think>"),
    Family("MiniMax M2", "MiniMaxM2Config", thinking="<think>"),
    Family("Seed-OSS", "SeedOssConfig", thinking="<seed:think>"),
    Family("ERNIE 4.5", "Ernie4_5Config"),
    Family("Apertus", "ApertusConfig"),
    Family("Falcon", "FalconConfig", CHATML, {"head_dim": None}),
    Family("BLOOM", "BloomConfig", CHATML, {"n_head": 4, "n_layer": 4}),
    Family("T5", "T5Config", CHATML, {"d_model": 64, "d_kv": 16, "num_heads": 4, "num_layers": 2}),
    Family("BERT", "BertConfig"),
)


def save_model(family: Family, folder: Path) -> Path:
    """Make the family's small model in a folder.

    Raises:
        ValueError: the installed transformers does not know the family.
    """
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # no stubs
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no stubs
    tokenizer = byte_tokenizer(family.template)
    tokenizer.save_pretrained(folder)
    config = _config(family, tokenizer)
    torch.manual_seed(len(family.name))
    model_class: Any = class_of(config)
    if model_class is None or config.is_encoder_decoder:
        auto: Any = transformers.AutoModelForSeq2SeqLM
        model = auto.from_config(config)
    elif family.name == "BERT":
        model = transformers.BertForMaskedLM(config)
    else:
        model = model_class(config)
    model.save_pretrained(folder)
    return folder


def _config(family: Family, tokenizer: PreTrainedTokenizerFast) -> Any:  # noqa: ANN401 - untyped
    made: Any = getattr(transformers, family.config, None)
    if made is None:
        raise ValueError(f"transformers {transformers.__version__} has no {family.config}")
    known = made()
    fields = fields_of(known, SMALL)
    fields |= family.extra
    fields |= {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return made(**{name: value for name, value in fields.items() if value is not None})


def fields_of(known: Any, fields: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - untyped
    """Those of the fields that a configuration has."""
    return {name: value for name, value in fields.items() if _has(known, name)}


def _has(config: Any, name: str) -> bool:  # noqa: ANN401 - untyped
    try:
        return hasattr(config, name)
    except Exception:  # noqa: BLE001 - of layers that differ in this field (Gemma 4's head_dim)
        return True


def byte_tokenizer(
    template: str, named: Mapping[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """A tokenizer with a token for each byte.

    Args:
        template: its chat template.
        named: more control tokens, by the names of its attributes.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: number for number, char in enumerate(alphabet)}
    tokenizer = FastTokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    begin, end = "<|begin|>", "<|end|>"
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # no types
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=dict(named or {}),
    )
    fast.chat_template = template
    return fast
