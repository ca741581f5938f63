"""The manager's cache on cards that are not here, by the manager's own formulas."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, Gemma3TextConfig, GptOssConfig, PretrainedConfig, Qwen3Config

from shared.errors import ModelUnavailableError
from worker.engine.devices import cache_bytes_per_token
from worker.engine.transformers_engine.loader import require_room
from worker.engine.transformers_engine.sizing import GPU_MEMORY_SHARE, plan_cache, why_no_room

H200_BYTES, SMALL_CARD_BYTES = 141 * 10**9, 24 * 2**30
QWEN3_8B = Qwen3Config(
    vocab_size=151936,
    hidden_size=4096,
    intermediate_size=12288,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=40960,
)
GPT_OSS_20B = GptOssConfig(num_hidden_layers=24, num_local_experts=32)
GEMMA3_12B = Gemma3TextConfig(
    vocab_size=262208,
    hidden_size=3840,
    intermediate_size=15360,
    num_hidden_layers=48,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=256,
    max_position_embeddings=131072,
)
CARDS = [
    # the card, the configuration, the bytes of its weights: bf16, or as published where smaller
    pytest.param(H200_BYTES, QWEN3_8B, 8.2e9 * 2, id="Qwen3-8B-H200"),
    pytest.param(H200_BYTES, GPT_OSS_20B, 20.9e9 * 2, id="gpt-oss-20b-H200"),
    pytest.param(H200_BYTES, GEMMA3_12B, 11.8e9 * 2, id="Gemma-3-12B-H200"),
    pytest.param(SMALL_CARD_BYTES, QWEN3_8B, 8.2e9 * 2, id="Qwen3-8B-24GB"),
    pytest.param(SMALL_CARD_BYTES, GPT_OSS_20B, 13.8e9, id="gpt-oss-20b-MXFP4-24GB"),
    pytest.param(SMALL_CARD_BYTES, GEMMA3_12B, 8.0e9, id="Gemma-3-12B-4bit-24GB"),
]


@pytest.mark.parametrize(("card_bytes", "config", "weights"), CARDS)
@pytest.mark.parametrize("has_flash", [True, False], ids=["flash", "sdpa"])
@pytest.mark.parametrize("max_requests", [8, 256])
def test_a_cache_of_some_tokens_fits_beside_the_weights(
    card_bytes: int, config: PretrainedConfig, weights: float, *, has_flash: bool, max_requests: int
) -> None:
    free_bytes = card_bytes - int(weights)

    plan = plan_cache(config, free_bytes, max_requests=max_requests, has_flash=has_flash)

    assert plan.capacity_tokens >= 2048
    assert plan.cache_bytes < plan.footprint_bytes <= free_bytes * GPU_MEMORY_SHARE
    a_token = cache_bytes_per_token(config, torch.bfloat16)
    # one page is kept free, and a sector is rounded down
    assert plan.capacity_tokens * a_token <= plan.cache_bytes


def test_what_leaves_no_room_is_said() -> None:
    with pytest.raises(MemoryError):
        plan_cache(GEMMA3_12B, 300_000_000, max_requests=8)


def test_the_share_of_old_could_not_have_fitted() -> None:
    """80 % of the free memory as pages alone, which the worker asked for before."""
    free_bytes = H200_BYTES - 2 * 8_200_000_000

    plan = plan_cache(QWEN3_8B, free_bytes, max_requests=32, has_flash=False)

    assert plan.cache_bytes < free_bytes * GPU_MEMORY_SHARE


@pytest.mark.parametrize(
    ("free_bytes", "words"),
    [
        (H200_BYTES, ""),
        (SMALL_CARD_BYTES, ""),
        (16_600_000_000, "leaves no room for a cache"),
        (16_000_000_000, "its weights take 16.4 GB"),
    ],
)
def test_a_model_that_cannot_fit_is_known_before_it_is_loaded(free_bytes: int, words: str) -> None:
    reason = why_no_room(QWEN3_8B, 16_400_000_000, free_bytes, torch.bfloat16)

    assert words in reason
    assert bool(reason) == bool(words)


def test_the_weights_are_counted_as_they_are_loaded(tiny_model: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_model)
    stored = (tiny_model / "model.safetensors").stat().st_size

    require_room("tiny", tiny_model, config, torch.float32, 100 * stored + 10**9)
    with pytest.raises(ModelUnavailableError, match="does not fit onto this GPU") as raised:
        require_room("tiny", tiny_model, config, torch.float32, stored)
    assert "its weights take" in str(raised.value)
    with pytest.raises(ModelUnavailableError, match="leaves no room for a cache"):
        require_room("tiny", tiny_model, config, torch.bfloat16, stored)

    assert raised.value.exit_code == 66
