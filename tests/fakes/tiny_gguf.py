"""The tiny model as a GGUF file, with weights in float16, as llama.cpp's converter lays it out."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""transformers' names, and GGUF's."""
MERGED = "ĀĀ"
"""Two bytes 0, which no text holds: its readers want a tokenizer with at least one merge."""
WITH_A_ROW_A_TOKEN = ("model.embed_tokens.weight", "lm_head.weight")


def save_tiny_gguf(model_folder: Path, file: Path, *, architecture: str = "llama") -> Path:
    """Write a Llama model of transformers as GGUF.

    Args:
        model_folder: made by ``tiny_model.save_tiny_model``.
        file: where to.
        architecture: what the file says it is.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_folder)
    writer = gguf.GGUFWriter(file, architecture)
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size + 1)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, tokenizer)
    for name, tensor in model.state_dict().items():
        values = _layout(name, tensor.numpy(), config)
        is_matrix = values.ndim > 1
        writer.add_tensor(_name_of(name), values.astype(np.float16) if is_matrix else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any) -> None:  # noqa: ANN401 - transformers'
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    words.append((MERGED, len(words)))
    special: dict[int, AddedToken] = tokenizer.added_tokens_decoder
    kinds = [_kind(special.get(number)) for _, number in words]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([word for word, _ in words])
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{MERGED[0]} {MERGED[1]}"])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _kind(token: AddedToken | None) -> gguf.TokenType:
    if token is None:
        return gguf.TokenType.NORMAL
    return gguf.TokenType.CONTROL if token.special else gguf.TokenType.USER_DEFINED


def _name_of(name: str) -> str:
    if not name.startswith("model.layers."):
        return {
            "model.embed_tokens.weight": "token_embd.weight",
            "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight",
        }[name]
    _, _, number, rest = name.split(".", 3)
    return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"


def _layout(name: str, values: NDArray[np.float32], config: Any) -> NDArray[np.float32]:  # noqa: ANN401 - transformers'
    """Rotary embeddings turn pairs of neighbours in GGUF, and halves in transformers."""
    if name in WITH_A_ROW_A_TOKEN:
        return np.pad(values, ((0, 1), (0, 0)))
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for part, num_heads in heads.items():
        if part in name:
            halves = values.reshape(num_heads, 2, -1, values.shape[1])
            return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
    return values
