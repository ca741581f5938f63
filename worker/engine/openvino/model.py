"""A prepared model as an engine needs it: its tokenizer, its facts, and batches sized to memory."""

from pathlib import Path
from typing import Any

import psutil

from worker.engine.openvino.batch import OpenVinoBatches
from worker.engine.openvino.files import PreparedModel
from worker.engine.openvino.wire import BLOCK_TOKENS, PipelineOptions
from worker.engine.protocol import ModelInfo, Tokenizer

CACHE_SHARE = 0.15
"""The share of free memory for the cache: other programs run on a processor's machine too."""
CACHE_A_WEIGHT = 1.5
"""The cache of a small model need not be many times its size: what one context needs, or this."""
TOKENS_A_REQUEST = 2048
"""More of the cache than this times the requests is of little use."""
PRECISIONS = {"float64": "f32", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}
"""By the values of ``PARLEY_DTYPE``; it computes nothing more exact than float32."""
SCALE_BYTES = 8
"""OpenVINO keeps keys and values in eight bits, with a scale and a zero point a head."""


def open_batches(
    prepared: PreparedModel,
    max_requests: int,
    cache_tokens: int | None,
    *,
    has_penalty: bool,
    dtype: str = "auto",
) -> OpenVinoBatches:
    """Batches around a prepared model; the first one loads already when this returns.

    Args:
        prepared: the model.
        max_requests: how many answers are written at once.
        cache_tokens: size of the cache; None: from the free memory.
        has_penalty: whether requests have a repetition penalty. It reads the prompt's tokens, which
            leaves no room for the tenants' offsets: then prefixes are not shared at all.
        dtype: ``PARLEY_DTYPE``; with ``auto`` inputs are rounded to eight bits where that is fast,
            and so is the cache.
    """
    tokens = cache_tokens or _cache_tokens(prepared, max_requests)
    num_blocks = max(2, -(-tokens // BLOCK_TOKENS))
    options = PipelineOptions(
        folder=str(prepared.folder),
        num_blocks=num_blocks,
        max_requests=max_requests,
        eos_token_ids=prepared.eos_token_ids,
        shares_prefixes=not has_penalty,
        precision=PRECISIONS.get(dtype, ""),
    )
    batches = OpenVinoBatches(
        options,
        capacity_tokens=(num_blocks - 1) * BLOCK_TOKENS,
        weight_bytes=prepared.weight_bytes,
        vocabulary=prepared.vocabulary,
    )
    batches.start_early()
    return batches


def cache_bytes_a_token(prepared: PreparedModel) -> int:
    """Bytes of keys and values that one token keeps in the cache, over all layers."""
    a_head = prepared.head_size + SCALE_BYTES
    return 2 * prepared.num_layers * prepared.num_kv_heads * a_head


def info_of(prepared: PreparedModel, max_new_tokens: int | None) -> ModelInfo:
    """The model apart from its weights; reads its tokenizer, without torch."""
    return ModelInfo(
        name=prepared.name,
        tokenizer=_tokenizer(prepared.folder),
        eos_token_ids=prepared.eos_token_ids,
        context_tokens=prepared.context_tokens,
        num_parameters=prepared.num_parameters,
        sampling=prepared.sampling,
        max_new_tokens=max_new_tokens,
    )


def _cache_tokens(prepared: PreparedModel, max_requests: int) -> int:
    a_token = cache_bytes_a_token(prepared)
    fitting = int(psutil.virtual_memory().available * CACHE_SHARE) // a_token
    of_its_size = int(prepared.weight_bytes * CACHE_A_WEIGHT) // a_token
    wanted = max(prepared.context_tokens, min(of_its_size, TOKENS_A_REQUEST * max_requests))
    return min(fitting, wanted)


def _tokenizer(folder: Path) -> Tokenizer:
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - half a second of import

    made: Any = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer: Tokenizer = made
    return tokenizer
