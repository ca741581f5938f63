"""``python -m worker.engine.openvino.convert SOURCE FOLDER``: prepares a model for the engine.

A program of its own, since it imports torch and holds the weights more than once. It ends with the
process that has started it, whose end is that of standard input. The source is a GGUF file, or a
folder with an OpenVINO model or with safetensors; the folder gets the model with the offsets of
tenants (``with_offsets``), its tokenizer and chat template, and its facts (``FACTS_FILE``).
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import openvino
import openvino_genai
from gguf.quants import dequantize, quantize
from openvino import opset13
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from worker.engine.gguf import fields_of
from worker.engine.openvino.facts import facts_of_folder, facts_of_gguf
from worker.engine.openvino.files import FACTS_FILE, MODEL_FILE, PROGRESS, READ_WELL
from worker.engine.openvino.gguf_export import write_gguf

WRITTEN_ANEW = ("general.architecture", "general.file_type")
Q8_0 = gguf.GGMLQuantizationType.Q8_0
SAMPLES = (
    "Hello, who's there? It's 10:45 — and I don't know.\n\n  def main() -> None:\n\treturn 0\n",
    "Grüße aus Köln, où es-tu ? 你好,世界 Привет مرحبا 👋🏽 ﬁn",
)
"""Texts on which tokenizers differ, if they do."""


def from_gguf(source: Path, folder: Path) -> None:
    """Prepare a GGUF file."""
    reader = gguf.GGUFReader(source)
    fields = fields_of(source)
    work = folder / "work"
    work.mkdir()
    file = work / "model.gguf"
    if {tensor.tensor_type.name for tensor in reader.tensors} <= READ_WELL:
        file.symlink_to(source.resolve())
    else:
        rewrite_as_q8_0(source, file)
    _read_by_openvino(file)
    facts = {**facts_of_gguf(fields), "num_parameters": fields["num_weights"]}
    _finish(work / MODEL_FILE, folder, facts)
    tokenizer: Any = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.save_pretrained(folder)
    shutil.rmtree(work)


def _read_by_openvino(file: Path) -> None:
    """Have a GGUF file read, and its model written beside it."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 1
    openvino_genai.ContinuousBatchingPipeline(
        str(file), scheduler, "CPU", {"enable_save_ov_model": True}
    )


def rewrite_as_q8_0(source: Path, file: Path) -> None:
    """Write a file's weights as Q8_0, for types that OpenVINO reads badly or not at all.

    Its reading of Q4_1 costs a fifth of the perplexity; from Q8_0 half a per cent.
    """
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(file, reader.fields["general.architecture"].contents())
    for entry in reader.fields.values():
        if entry.name.startswith("GGUF.") or entry.name in WRITTEN_ANEW:
            continue
        kind = entry.types[0]
        inner = entry.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(entry.name, entry.contents(), kind, sub_type=inner)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        if values.ndim > 1:
            writer.add_tensor(tensor.name, quantize(values, Q8_0), raw_dtype=Q8_0)
        else:
            writer.add_tensor(tensor.name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def from_openvino(source: Path, folder: Path) -> None:
    """Prepare a folder that optimum-intel or a hub made."""
    tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    facts = {**facts_of_folder(source, tokenizer.eos_token_id), "num_parameters": 0}
    _finish(source / MODEL_FILE, folder, facts)
    tokenizer.save_pretrained(folder)


def from_safetensors(source: Path, folder: Path) -> None:
    """Prepare a model of transformers."""
    tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    tokenizer.save_pretrained(folder)
    _compare_tokenizers(tokenizer, folder)
    work = folder / "work"
    work.mkdir()
    num_weights = write_gguf(source, work / "model.gguf", _tell)
    _tell("OpenVINO reads them")
    _read_by_openvino(work / "model.gguf")
    (work / "model.gguf").unlink()
    facts = facts_of_folder(source, tokenizer.eos_token_id)
    config: Any = AutoConfig.from_pretrained(source, trust_remote_code=False)

    def scale(model: openvino.Model) -> None:
        scale_positions(model, config)

    _finish(work / MODEL_FILE, folder, {**facts, "num_parameters": num_weights}, scale)
    shutil.rmtree(work)


def scale_positions(model: openvino.Model, config: Any) -> None:  # noqa: ANN401 - of any family
    """Give a model the frequencies of its rotary embeddings, which its reader computes unscaled.

    Raises:
        ValueError: it has none where they should be, or more than frequencies is scaled.
    """
    rope: dict[str, Any] = config.rope_parameters or {}
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return
    wanted, factor = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    if factor != 1:
        raise ValueError(f"positions that are scaled by {kind} change more than frequencies")
    shape = (1, len(wanted), 1)
    powers = np.arange(0, 2 * len(wanted), 2, dtype=np.float32) / (2 * len(wanted))
    unscaled = 1 / float(rope["rope_theta"]) ** powers
    scaled = opset13.constant(wanted.numpy().reshape(shape).astype(np.float32))
    found = [
        each
        for each in model.get_ops()
        if each.get_type_name() == "Constant"
        and tuple(each.get_output_shape(0)) == shape
        and np.allclose(each.data.ravel(), unscaled, rtol=1e-3)
    ]
    if not found:
        raise ValueError("the frequencies of its positions are not where they should be")
    for each in found:
        for target in each.output(0).get_target_inputs():
            target.replace_source_output(scaled.output(0))
    model.validate_nodes_and_infer_types()


def _compare_tokenizers(tokenizer: Any, folder: Path) -> None:  # noqa: ANN401 - transformers'
    """Check that the tokenizer which the engine loads encodes as the model's own does.

    Raises:
        ValueError: it does not.
    """
    kept: Any = PreTrainedTokenizerFast.from_pretrained(folder)
    for text in SAMPLES:
        own = tokenizer.encode(text, add_special_tokens=False)
        if kept.encode(text, add_special_tokens=False) != own:
            raise ValueError("its tokenizer cannot be written as one file")


def _tell(sentence: str) -> None:
    """Tell the process that has started this one how far it is."""
    sys.stdout.write(f"{PROGRESS}{sentence}\n")
    sys.stdout.flush()


def _finish(
    model_file: Path,
    folder: Path,
    facts: dict[str, Any],
    change: Callable[[openvino.Model], None] = lambda _model: None,
) -> None:
    """Write the model with offsets, and its facts."""
    model = openvino.Core().read_model(model_file)
    change(model)
    vocabulary = with_offsets(model)
    openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=False)
    openvino.Core().read_model(folder / MODEL_FILE)  # a full disk may have cut it without a word
    constants = [each for each in model.get_ops() if each.get_type_name() == "Constant"]
    sizes = [int(np.prod(each.get_output_shape(0))) for each in constants]
    weights = (folder / MODEL_FILE).with_suffix(".bin").stat().st_size
    facts["num_parameters"] = facts["num_parameters"] or sum(sizes)
    facts |= {"vocabulary": vocabulary, "weight_bytes": weights}
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=1))


def with_offsets(model: openvino.Model) -> int:
    """Have a model compute each token id modulo the size of its vocabulary; return that size.

    A multiple of it may then be added to an id without changing an answer: the engine does so to
    keep the tenants' prefixes apart.
    """
    ids = next(each for each in model.get_parameters() if "input_ids" in each.output(0).names)
    logits = next(each for each in model.outputs if "logits" in each.names)
    vocabulary = logits.get_partial_shape()[-1].get_length()
    inner = opset13.mod(ids, opset13.constant(np.array(vocabulary, dtype=np.int64)))
    for target in ids.output(0).get_target_inputs():
        user = target.get_node()
        if user != inner and user.get_type_name() != "ShapeOf":
            target.replace_source_output(inner.output(0))
    model.validate_nodes_and_infer_types()
    return int(vocabulary)


def main() -> int:
    """Prepare one model; print a sentence and return 1 if that cannot be done."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    source, folder = map(Path, sys.argv[1:])
    try:
        if source.is_file():
            from_gguf(source, folder)
        elif (source / MODEL_FILE).is_file():
            from_openvino(source, folder)
        else:
            from_safetensors(source, folder)
    except Exception as error:  # noqa: BLE001 - its reader is a program that tells a person
        lines = str(error).strip().splitlines()
        sys.stderr.write(f"{type(error).__name__}: {lines[-1] if lines else ''}\n")
        return 1
    return 0


def _end_with_parent() -> None:
    """Two processes must not fill one folder: another may begin once ours has been killed."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
