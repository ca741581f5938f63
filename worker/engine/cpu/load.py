"""Batches of the engine for processors: a model's weights packed once, its room counted."""

from dataclasses import dataclass

import torch

from shared.errors import ModelUnavailableError
from shared.logs import get_logger
from worker.engine.cpu import quality
from worker.engine.cpu.batch import LeanBatch, Sizes
from worker.engine.cpu.block_allocator import SMALLEST_TOKENS, size_for
from worker.engine.cpu.model import FAMILIES, Int8Linear, Kind, Linear, Stepper, supports
from worker.engine.devices import cache_bytes_per_token, free_cache_bytes
from worker.engine.loader import LoadedModel

log = get_logger(__name__)

MAX_CACHE_TOKENS = 131_072
"""More is of no use to the few answers that a processor writes at once."""


@dataclass(frozen=True, slots=True)
class LeanBatches:
    """Starts batches; see ``worker.engine.batch.Batches``."""

    stepper: Stepper
    sizes: Sizes
    eos_token_ids: tuple[int, ...]
    weight_bytes: int
    """What a step reads of weights."""

    @property
    def capacity_tokens(self) -> int:
        """The longest sequence that fits."""
        return self.sizes.largest_block

    def start(self) -> LeanBatch:
        """A new batch, running."""
        batch = LeanBatch(self.stepper, self.sizes, self.eos_token_ids)
        batch.start()
        return batch


def prepare(loaded: LoadedModel, max_requests: int, cache_tokens: int | None) -> LeanBatches:
    """Pack a model for this engine.

    Args:
        loaded: the model; in float32 it is rounded to int8 where that costs little.
        max_requests: how many answers are written at once.
        cache_tokens: size of the cache; None: from the memory that is free.

    Raises:
        ModelUnavailableError: the engine cannot compute this model, or not on its device.
    """
    if not supports(loaded.model):
        raise ModelUnavailableError(
            f"PARLEY_ENGINE is lean, which computes models of the families {', '.join(FAMILIES)} "
            f"on a processor; {loaded.name} on {loaded.model.device.type} is none of these. Unset "
            "PARLEY_ENGINE."
        )
    sizes = _sizes(loaded, max_requests, cache_tokens)
    num_positions = min(loaded.context_tokens, sizes.largest_block)
    stepper = _pack(loaded, num_positions)
    weight_bytes = loaded.num_linear_weights * stepper.weight_itemsize
    return LeanBatches(stepper, sizes, loaded.eos_token_ids, weight_bytes)


def _sizes(loaded: LoadedModel, max_requests: int, cache_tokens: int | None) -> Sizes:
    config = loaded.model.config.get_text_config()
    if cache_tokens is None:
        per_token = cache_bytes_per_token(config, loaded.model.dtype)
        free_bytes = free_cache_bytes(loaded.model.device)
        cache_tokens = min(MAX_CACHE_TOKENS, free_bytes // per_token)
    largest = size_for(min(cache_tokens, loaded.context_tokens))
    if largest > cache_tokens:
        largest = max(SMALLEST_TOKENS, largest // 2)
    return Sizes(max(cache_tokens, largest) // largest * largest, largest, max_requests)


def _pack(loaded: LoadedModel, num_positions: int) -> Stepper:
    token_ids = quality.text_ids(loaded)
    reference, largest = quality.observe(loaded, token_ids)

    def packed(kind: Kind) -> Stepper:
        return Stepper(loaded.model, kind, num_positions, largest)

    if loaded.model.dtype is not torch.float32:
        return packed(Linear)
    rounded = packed(Int8Linear)
    rise = quality.perplexity(rounded, token_ids) / reference
    is_good = rise <= quality.MAX_WORSE
    log.info("int8_checked", perplexity_ratio=round(rise, 4), is_used=is_good)
    return rounded if is_good else packed(Linear)
