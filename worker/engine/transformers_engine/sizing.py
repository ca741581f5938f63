"""The size of the manager's cache on a GPU, by the manager's own formulas, without a GPU.

The manager counts weights, activations, masks and indices itself when it is given no number of
pages. What it will arrive at is computed here beforehand: for tests, and for a sentence before a
model is loaded that would not fit.
"""

from dataclasses import dataclass
from math import lcm
from typing import Any

import torch
from transformers import PretrainedConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching.cache import (
    ATTN_TYPE_TO_ALLOCATOR,
    PagedAttentionMemoryHandler,
    group_layers_by_attn_type,
)
from transformers.generation.continuous_batching.cache_allocators import (
    CacheAllocator,
    FullAttentionCacheAllocator,
)
from transformers.generation.continuous_batching.utils import (
    find_head_dim,
    find_num_key_value_heads,
)

GB = 1_000_000_000
PAGE_TOKENS = 256
"""Tokens a page of the cache. On a CPU larger pages mean fewer gathers: 49 tokens/s against 39 with
64-token pages, 32 requests of the default model on two cores. FlashAttention 2 asks for 256."""
CPU_BATCH_TOKENS = 512
"""Most tokens in one forward step on a CPU, so that a long prompt does not stall the others."""
GPU_BATCH_TOKENS = 2048
"""The same on a GPU: fills its units, and is vLLM's default on most cards (not measured)."""
GPU_MEMORY_SHARE = 0.8
"""Of the memory that is free beside the weights; the manager's own default where tokens are
sampled, which needs room beside the cache."""


GPU_SHARE_BESIDE_PICTURES = 0.5
"""The same where pictures are read: their own answers' cache and steps need memory too."""


@dataclass(frozen=True, slots=True)
class CachePlan:
    """What the manager makes of a card's memory."""

    num_sectors: int
    cache_bytes: int
    footprint_bytes: int
    """The cache and what the manager reserves for activations, masks and indices."""
    capacity_tokens: int
    """The longest sequence that fits, counting every layer as one that keeps all tokens."""


class _GivenMemory(PagedAttentionMemoryHandler):
    """The manager's formulas for a number of bytes, not for the device of this process."""

    def __init__(self, free_bytes: int, **geometry: Any) -> None:  # noqa: ANN401 - the manager's
        self._free_bytes = free_bytes
        super().__init__(**geometry)

    def get_available_memory(self) -> int:
        """The bytes that it may use."""
        return int(self._free_bytes * (self.cb_config.max_memory_percent or 0.0))


def batching_config(
    max_requests: int,
    num_pages: int | None,
    *,
    is_gpu: bool,
    is_async: bool | None = None,
    gpu_share: float = GPU_MEMORY_SHARE,
) -> ContinuousBatchingConfig:
    """The manager's configuration.

    Args:
        max_requests: how many answers are written at once.
        num_pages: of the cache; None: the manager counts.
        is_gpu: whether a GPU computes.
        is_async: whether steps are prepared while others run; None: the manager decides.
        gpu_share: of the memory that is free on a GPU.
    """
    return ContinuousBatchingConfig(
        page_size=PAGE_TOKENS,
        num_blocks=num_pages,
        max_batch_tokens=GPU_BATCH_TOKENS if is_gpu else CPU_BATCH_TOKENS,
        max_requests_per_batch=max_requests,
        # With a bound its ``add_request`` would block for 10 s and then raise, under the engine's
        # lock. The bound is the number of threads that read answers: each has one.
        max_queue_size=0,
        max_memory_percent=gpu_share if is_gpu else None,
        use_async_batching=is_async,
        auto_switch_to_flash=is_gpu,
    )


def plan_cache(
    config: PretrainedConfig,
    free_bytes: int,
    *,
    max_requests: int,
    dtype: torch.dtype = torch.bfloat16,
    has_flash: bool = True,
) -> CachePlan:
    """The cache that the manager makes on a GPU.

    Args:
        config: the text model's.
        free_bytes: the card's memory without the weights.
        max_requests: how many answers are written at once.
        dtype: of activations and cache.
        has_flash: whether flash attention is installed; else masks take memory too.

    Raises:
        MemoryError: not even one page fits.
    """
    batching = batching_config(max_requests, None, is_gpu=True, is_async=has_flash)
    batching.max_blocks_per_request = 32 if has_flash else 0  # the manager's fallback
    allocators = _allocators(config, batching, dtype)
    sector_bytes = lcm(*(one.bytes_per_block for one in allocators), 128)
    page_bytes = config.num_hidden_layers * FullAttentionCacheAllocator.get_bytes_per_page(
        find_num_key_value_heads(config), find_head_dim(config), dtype, PAGE_TOKENS
    )
    attention = config._attn_implementation  # noqa: SLF001 - as the manager reads it
    config._attn_implementation = "flash_attention_2" if has_flash else "sdpa"  # noqa: SLF001
    try:
        memory = _GivenMemory(
            free_bytes,
            config=config,
            cb_config=batching,
            dtype=dtype,
            bytes_per_sector=sector_bytes,
            tokens_per_sector=max(
                sector_bytes // one.bytes_per_block * one.tokens_per_page for one in allocators
            ),
            bytes_per_block=page_bytes,
            attn_types=list(group_layers_by_attn_type(config)),
            model_supports_logits_to_keep=True,
        )
        batch_tokens, num_sectors = _inferred(memory)
        footprint = memory.compute_memory_footprint(batch_tokens, num_sectors)
    finally:
        config._attn_implementation = attention  # noqa: SLF001
    cache_bytes = num_sectors * sector_bytes
    num_pages = cache_bytes // page_bytes
    return CachePlan(num_sectors, cache_bytes, footprint, (num_pages - 1) * PAGE_TOKENS)


def why_no_room(
    config: PretrainedConfig, weight_bytes: int, free_bytes: int, dtype: torch.dtype
) -> str:
    """Why a model cannot run on a card; empty if it can, as far as that is known beforehand.

    Args:
        config: the text model's.
        weight_bytes: of all weights as they lie on the card.
        free_bytes: of the card, before anything is loaded.
        dtype: of activations and cache.
    """
    if weight_bytes >= free_bytes:
        return f"its weights take {weight_bytes / GB:.1f} GB"
    try:
        plan_cache(config, free_bytes - weight_bytes, max_requests=1, dtype=dtype)
    except MemoryError:
        return f"its weights take {weight_bytes / GB:.1f} GB, which leaves no room for a cache"
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return ""  # a family that the manager does not know: its cache is made as it goes
    return ""


def _inferred(memory: _GivenMemory) -> tuple[int, int]:
    try:
        batch_tokens, num_sectors = memory.infer_max_batch_tokens_and_num_sectors()
    except ValueError as error:
        raise MemoryError("not even one page of the cache fits") from error
    return batch_tokens, num_sectors


def _allocators(
    config: PretrainedConfig, batching: ContinuousBatchingConfig, dtype: torch.dtype
) -> list[CacheAllocator]:
    return [
        ATTN_TYPE_TO_ALLOCATOR[kind](
            index=index,
            layer_indices=layers,
            num_key_value_heads=find_num_key_value_heads(config),
            config=config,
            cache_dtype=dtype,
            page_size=PAGE_TOKENS,
            allow_block_sharing=batching.allow_block_sharing,
        )
        for index, (kind, layers) in enumerate(group_layers_by_attn_type(config).items())
    ]
