"""The choice of device, number format and cache size.

The GPU branches are written from the libraries' documentation and have not been run on a GPU.
"""

import time

import psutil
import torch
from transformers import PretrainedConfig

from shared.errors import ModelUnavailableError

CPU_CACHE_SHARE = 0.1
"""The share of free memory for the cache on a CPU, where other programs run too."""
GPU_CACHE_SHARE = 0.8
MAX_CPU_CACHE_TOKENS = 16_384
READ_BYTES, NUM_READS = 2**28, 5
"""Many times the size of a processor's caches."""


def pick_device(wanted: str) -> torch.device:
    """The configured device, or with ``auto`` the best there is.

    Raises:
        ModelUnavailableError: a device was named that this machine or this torch does not have.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, is_there in available.items() if is_there))
    if not available[wanted]:
        there = ", ".join(name for name, is_there in available.items() if is_there)
        raise ModelUnavailableError(
            f"PARLEY_DEVICE is {wanted}, which is not available here (available: {there})."
        )
    return torch.device(wanted)


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The configured number format, or with ``auto`` bfloat16 on a GPU and float32 elsewhere."""
    if wanted == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, wanted)
    return dtype


def cache_bytes_per_token(config: PretrainedConfig, dtype: torch.dtype) -> int:
    """Bytes of keys and values that one token keeps in the cache, over all layers.

    An upper limit: layers with a window, a state or compressed keys keep less. 0 where a model has
    no attention at all.
    """
    num_heads = _number(config, "num_attention_heads")
    if not num_heads:
        return 0
    head_dim = max(
        _number(config, "head_dim") or _number(config, "hidden_size") // num_heads,
        _number(config, "global_head_dim"),
        _number(config, "qk_nope_head_dim") + _number(config, "qk_rope_head_dim"),
    )
    num_kv_heads = _number(config, "num_key_value_heads") or num_heads
    return 2 * _number(config, "num_hidden_layers") * num_kv_heads * head_dim * dtype.itemsize


def _number(config: PretrainedConfig, name: str) -> int:
    """A field of a configuration; the largest where layers differ, 0 where there is none."""
    try:
        value = getattr(config, name, None)
    except Exception:  # noqa: BLE001 - a configuration may refuse to answer (Gemma 4's head_dim)
        return 0
    numbers = value if isinstance(value, list | tuple) else [value]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def pick_cache_tokens(config: PretrainedConfig, device: torch.device, dtype: torch.dtype) -> int:
    """The number of tokens whose cache fits into the free memory."""
    num_tokens = free_cache_bytes(device) // cache_bytes_per_token(config, dtype)
    return num_tokens if device.type == "cuda" else min(MAX_CPU_CACHE_TOKENS, num_tokens)


def free_cache_bytes(device: torch.device) -> int:
    """The bytes of the free memory that a cache may use."""
    if device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        return int(free_bytes * GPU_CACHE_SHARE)
    return int(psutil.virtual_memory().available * CPU_CACHE_SHARE)


def read_rate(device: torch.device) -> float:
    """The memory bandwidth of a device in bytes a second, measured by summing many numbers."""
    numbers = torch.ones(READ_BYTES // torch.float32.itemsize, device=device)
    numbers.sum().item()
    begun_s = time.perf_counter()
    for _ in range(NUM_READS):
        numbers.sum().item()  # reading the number waits for the device to finish
    return NUM_READS * READ_BYTES / (time.perf_counter() - begun_s)
