"""``python -m worker.engine.openvino.convert SOURCE FOLDER``: prepares a model for the engine.

A program of its own, since it imports torch and holds the weights more than once. The source is a
GGUF file or a folder with an OpenVINO model; the folder gets the model with the tenants' offsets
(``with_offsets``), its tokenizer and chat template, and its facts (``FACTS_FILE``).
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import openvino
import openvino_genai
from gguf.quants import dequantize, quantize
from openvino import opset13
from transformers import AutoTokenizer

from worker.engine.gguf import fields_of
from worker.engine.openvino.facts import facts_of_folder, facts_of_gguf
from worker.engine.openvino.files import FACTS_FILE, MODEL_FILE, READ_WELL

WRITTEN_ANEW = ("general.architecture", "general.file_type")
Q8_0 = gguf.GGMLQuantizationType.Q8_0


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
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 1
    openvino_genai.ContinuousBatchingPipeline(
        str(file), scheduler, "CPU", {"enable_save_ov_model": True}
    )
    facts = {**facts_of_gguf(fields), "num_parameters": fields["num_weights"]}
    _finish(work / MODEL_FILE, folder, facts)
    tokenizer: Any = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.save_pretrained(folder)
    shutil.rmtree(work)


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


def _finish(model_file: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Write the model with offsets, and its facts."""
    model = openvino.Core().read_model(model_file)
    vocabulary = with_offsets(model)
    openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=False)
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
    source, folder = map(Path, sys.argv[1:])
    try:
        (from_gguf if source.is_file() else from_openvino)(source, folder)
    except Exception as error:  # noqa: BLE001 - its reader is a program that tells a person
        lines = str(error).strip().splitlines()
        sys.stderr.write(f"{type(error).__name__}: {lines[-1] if lines else ''}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
