"""``python -m worker.engine.encoders.convert ENCODER FOLDER [ADAPTER]``: an encoder for OpenVINO.

A program of its own, since it imports torch. Without an adapter the model gives sentence vectors in
float32; with one it gives the score and class logits of ``AdaptedEncoder``, its weights in int8.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import openvino
import torch
from openvino import opset13
from torch import nn
from transformers import AutoModel

from worker.engine.encoders.files import ENCODER_FILE, TOKENIZER
from worker.engine.encoders.lora import load_adapted
from worker.engine.encoders.tensors import mean_pooled

INT8_MAX = 127
MAX_BATCH = 4096
MIN_ROUNDED = 256
"""Layers with fewer inputs or outputs, as the head's, stay in float32: they cost nothing."""


class SentenceEncoder(nn.Module):
    """An encoder, with the mean over its tokens."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, time) both, int64, to (batch, width), float32, of length one."""
        states = self.encoder(input_ids=token_ids, attention_mask=mask).last_hidden_state
        return nn.functional.normalize(mean_pooled(states, mask), dim=1)


def sentence_model(place: Path) -> openvino.Model:
    """The encoder's sentence vectors."""
    encoder = AutoModel.from_pretrained(place, use_safetensors=True, trust_remote_code=False)
    return _converted(SentenceEncoder(encoder), ())


def adapted_model(place: Path, adapter: Path) -> openvino.Model:
    """The encoder with an adapter, merged into its layers."""
    model, _, _ = load_adapted(str(place), adapter)
    model.merge()
    converted = _converted(model, (torch.zeros(2, model.shape.num_cues),))
    round_weights(converted)
    return converted


def _converted(model: nn.Module, extras: tuple[torch.Tensor, ...]) -> openvino.Model:
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    time = torch.export.Dim("time", min=2, max=512)  # the encoder's positions
    ids = torch.ones(2, 8, dtype=torch.long)
    shapes = ({0: batch, 1: time}, {0: batch, 1: time}, *({0: batch} for _ in extras))
    with torch.no_grad():
        program = torch.export.export(
            model.eval(), (ids, torch.ones_like(ids), *extras), dynamic_shapes=shapes
        )
    converted = openvino.convert_model(program)
    for port, extra in zip(converted.inputs[2:], extras, strict=True):
        converted.reshape({port: openvino.PartialShape([-1, extra.shape[1]])})
    return converted


def round_weights(model: openvino.Model) -> int:
    """Round the weights of matrix products to int8, with a scale for each output.

    OpenVINO then rounds the inputs too, while it runs, where the processor multiplies int8.

    Returns:
        how many.
    """
    products = [each for each in model.get_ops() if each.get_type_name() == "MatMul"]
    num_rounded = 0
    for product in products:
        node = product.input_value(1).get_node()
        is_turned = bool(product.get_attributes()["transpose_b"])
        if node.get_type_name() == "Transpose":
            node, is_turned = node.input_value(0).get_node(), not is_turned
        if node.get_type_name() != "Constant" or min(node.shape) < MIN_ROUNDED:
            continue
        weight = node.data.astype(np.float32)
        scales = np.abs(weight).max(axis=1 if is_turned else 0, keepdims=True) / INT8_MAX
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        rounded = opset13.constant(np.round(weight / scales).astype(np.int8))
        restored = opset13.multiply(
            opset13.convert(rounded, "f32"), opset13.constant(scales.astype(np.float32))
        )
        node.output(0).replace(restored.output(0))
        num_rounded += 1
    model.validate_nodes_and_infer_types()
    return num_rounded


def main() -> int:
    """Make one model; print a sentence and return 1 if that cannot be done."""
    place, folder, *adapter = map(Path, sys.argv[1:])
    try:
        model = adapted_model(place, adapter[0]) if adapter else sentence_model(place)
        openvino.save_model(model, folder / ENCODER_FILE, compress_to_fp16=False)
        shutil.copyfile(place / TOKENIZER, folder / TOKENIZER)
    except Exception as error:  # noqa: BLE001 - its reader is a program that tells a person
        lines = str(error).strip().splitlines()
        sys.stderr.write(f"{lines[0] if lines else type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
