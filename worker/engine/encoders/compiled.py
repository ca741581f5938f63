"""An encoder that OpenVINO computes on a processor: each core has a batch of its own.

Imports no torch and no transformers. Does not know what the vectors are for.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino
from openvino.properties import enable_mmap, hint, inference_num_threads, streams
from tokenizers import Tokenizer

from shared.errors import ModelUnavailableError
from worker.engine.encoders.files import ENCODER_FILE, TOKENIZER
from worker.engine.encoders.protocol import Vectors

MAX_STREAMS = 8
"""Batches at once. More cores share them: a call seldom has more batches."""
WHOLE_ROW = 384
"""The inputs of an int8 product are rounded with a scale for each so many numbers: the encoder's
width, so that no token's numbers depend on which others are computed with it."""
NOT_ROUNDED = 0
"""Products in float32: slower, on every processor."""


class CompiledEncoder:
    """A model in memory; many threads may call it, it runs one call at a time."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:  # noqa: ANN401 - openvino has no types
        num_jobs = int(model.get_property(streams.num))
        self._queue = openvino.AsyncInferQueue(model, num_jobs)
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self.width = int(model.outputs[0].get_partial_shape()[1].get_length())
        """The number of components of a text's output."""

    def token_ids(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Each text's token ids with the model's special tokens; a long text is cut."""
        with self._lock:
            self._tokenizer.enable_truncation(max_tokens)
            return [each.ids for each in self._tokenizer.encode_batch(list(texts))]

    def compute(
        self,
        token_ids: Sequence[Sequence[int]],
        batches: Sequence[Sequence[int]],
        outputs: Vectors,
        extras: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Compute batches side by side.

        Args:
            token_ids: of each text.
            batches: positions of texts, each in one of them.
            outputs: (texts, width), filled in.
            extras: (texts, any), the model's further input, if it has one.
        """

        def store(request: Any, batch: Sequence[int]) -> None:  # noqa: ANN401 - as above
            outputs[list(batch)] = request.get_output_tensor(0).data

        with self._lock:
            self._queue.set_callback(store)
            for batch in reversed(batches):  # the longest first: no core waits for it at the end
                inputs: list[npt.NDArray[Any]] = []
                inputs += padded_rows([token_ids[position] for position in batch])
                if extras is not None:
                    inputs.append(extras[list(batch)])
                self._queue.start_async(inputs, batch)
            self._queue.wait_all()


def padded_rows(
    token_ids: Sequence[Sequence[int]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Token ids and attention mask, both (batch, time); what the mask excludes is 0."""
    length = max(len(ids) for ids in token_ids)
    rows = np.zeros((len(token_ids), length), dtype=np.int64)
    mask = np.zeros_like(rows)
    for row, ids in enumerate(token_ids):
        rows[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return rows, mask


def open_compiled(folder: Path) -> CompiledEncoder:
    """Compile a model that ``files.ensure_encoder`` made, and compute one text with it.

    Raises:
        ModelUnavailableError: OpenVINO cannot compute it on this processor.
    """
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    core = openvino.Core()
    core.set_property({enable_mmap: False})  # the file may be made again while this runs
    failure = ""
    for group_size in (WHOLE_ROW, NOT_ROUNDED):
        try:
            model = core.compile_model(folder / ENCODER_FILE, "CPU", _options(group_size))
            model([_short_text(each) for each in model.inputs])
        except RuntimeError as error:  # the processor may lack a product of int8, found out late
            failure = str(error).strip().splitlines()[-1]
            continue
        return CompiledEncoder(model, tokenizer)
    raise ModelUnavailableError(
        f"OpenVINO cannot compute {folder.name} on this processor ({failure}): remove the folder "
        "from PARLEY_CACHE_DIR so that it is made again, or use another machine."
    )


def _options(group_size: int) -> dict[Any, Any]:
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    num_cores = num_cores or 1
    return {
        hint.inference_precision: openvino.Type.f32,  # not bfloat16 where the processor has it
        hint.dynamic_quantization_group_size: group_size,
        inference_num_threads: num_cores,
        streams.num: min(num_cores, MAX_STREAMS),
    }


def _short_text(port: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - openvino has no types
    """An input of the model for one text of two tokens."""
    sizes = zip(port.get_partial_shape(), (1, 2), strict=True)
    shape = [size.get_length() if size.is_static else length for size, length in sizes]
    return np.ones(shape, port.get_element_type().to_dtype())
