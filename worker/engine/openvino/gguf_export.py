"""A folder of safetensors written as GGUF with weights in Q8_0, for OpenVINO to read.

OpenVINO's GGUF reader knows three families, and of a file what is written here; its tokenizer is
not used, since the engine is given token ids. optimum-intel would export more families, but needs
an older transformers than Parley.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors import safe_open

from worker.engine.protocol import Progress
from worker.engine.safetensors_folder import rope_of, weights_of

Q8_0, F16, F32 = (
    gguf.GGMLQuantizationType.Q8_0,
    gguf.GGMLQuantizationType.F16,
    gguf.GGMLQuantizationType.F32,
)
BLOCK = 32
"""Weights of a row that share a scale in Q8_0."""
SUFFIXES = (".weight", ".bias")
IGNORED = ("rotary_emb.inv_freq",)
"""Old files hold what is computed from the configuration."""
STEPS = 10
"""Progress is told so often."""


def write_gguf(source: Path, file: Path, progress: Progress) -> int:
    """Write a model's weights; return their number.

    Args:
        source: the folder, for which ``why_no_export`` is empty.
        file: where to.
        progress: told how far it is.

    Raises:
        ValueError: a tensor is unknown, or one is missing.
        OSError: there is no room for the file.
    """
    config = json.loads((source / "config.json").read_text())
    names = _names(source, config)
    writer = gguf.GGUFWriter(file, config["model_type"])
    num_rows = _add_infos(writer, source, names)
    _add_fields(writer, config, num_rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    num_weights = 0
    for number, values in enumerate(_tensors(source, names, config)):
        try:
            writer.write_tensor_data(_stored(values, _kind_of(values.shape)))
        except OSError as error:
            raise OSError("its weights cannot be written: perhaps the disk is full") from error
        num_weights += values.size
        if number * STEPS // len(names) != (number + 1) * STEPS // len(names):
            progress(f"{(number + 1) * 100 // len(names)} % of its weights are written")
    writer.close()
    return num_weights


def _names(source: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """The tensors of a model -> their names in GGUF, in the order in which they are read."""
    family = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}[config["model_type"]]
    known = gguf.get_tensor_name_map(family, config["num_hidden_layers"])
    found: dict[str, str] = {}
    for shard in weights_of(source):
        with safe_open(source / shard, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                target = known.get_name(name, try_suffixes=SUFFIXES)
                if target is None and not name.endswith(IGNORED):
                    raise ValueError(f"the tensor {name} is none of a {config['model_type']} model")
                if target and not (target == "output.weight" and config.get("tie_word_embeddings")):
                    found[name] = target
    return found


def _add_infos(writer: gguf.GGUFWriter, source: Path, names: Mapping[str, str]) -> int:
    """Announce every tensor; return the rows of the vocabulary."""
    num_rows = 0
    for shard in weights_of(source):
        with safe_open(source / shard, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                if name not in names:
                    continue
                shape = tuple(tensors.get_slice(name).get_shape())
                kind = _kind_of(shape)
                block, width = gguf.GGML_QUANT_SIZES[kind]
                num_bytes = int(np.prod(shape)) // block * width
                writer.add_tensor_info(names[name], shape, np.dtype("f4"), num_bytes, kind)
                if names[name] == "token_embd.weight":
                    num_rows = shape[0]
    if not num_rows:
        raise ValueError("it has no embedding of tokens")
    return num_rows


def _add_fields(writer: gguf.GGUFWriter, config: Mapping[str, Any], num_rows: int) -> None:
    """What OpenVINO reads of a file besides its tensors."""
    heads = config["num_attention_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config.get("max_position_embeddings", 2048))
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(float(rope_of(config).get("rope_theta", 10_000.0)))
    writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-6))
    writer.add_vocab_size(num_rows)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    # Its reader builds a tokenizer, which wants a control token and a merge; none is used.
    writer.add_token_list(["<0>", *(f"{number}" for number in range(num_rows - 2)), "00"])
    writer.add_token_types([gguf.TokenType.CONTROL, *[gguf.TokenType.NORMAL] * (num_rows - 1)])
    writer.add_token_merges(["0 0"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_chat_template("{{ messages }}")


def _tensors(
    source: Path, names: Mapping[str, str], config: Mapping[str, Any]
) -> Iterator[NDArray[np.float32]]:
    """The weights in the order in which they were announced, laid out as GGUF has them."""
    heads = config["num_attention_heads"]
    turned = {"attn_q.": heads, "attn_k.": config.get("num_key_value_heads") or heads}
    for shard in weights_of(source):
        with safe_open(source / shard, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                if name not in names:
                    continue
                values = tensors.get_tensor(name).to(torch.float32).numpy()
                if config["model_type"] == "llama":
                    for part, num_heads in turned.items():
                        values = _in_pairs(values, num_heads) if part in names[name] else values
                yield values


def _in_pairs(values: NDArray[np.float32], num_heads: int) -> NDArray[np.float32]:
    """Rotary embeddings turn pairs of neighbours in GGUF's Llama, and halves in transformers."""
    halves = values.reshape(num_heads, 2, -1, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _kind_of(shape: tuple[int, ...]) -> gguf.GGMLQuantizationType:
    if len(shape) == 1:
        return F32
    return Q8_0 if shape[-1] % BLOCK == 0 else F16


def _stored(values: NDArray[np.float32], kind: gguf.GGMLQuantizationType) -> NDArray[Any]:
    if kind == Q8_0:
        return quantize(values, Q8_0)
    return values.astype(np.float16 if kind == F16 else np.float32)
