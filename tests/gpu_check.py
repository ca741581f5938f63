"""The engine for GPUs on one GPU, without a download: ``make gpu-check``, at most eight minutes.

Random weights in bfloat16 with the configurations of three models that teams run. Each is started
as a worker starts it; its tokens are compared with the model's own, and its speed with static
batches of ``generate``. Where there is no GPU it says so and exits with 69. ``--tiny`` does the
same on the processor with small sizes, so that the script itself can be tested.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import (
    Gemma3TextConfig,
    GptOssConfig,
    PretrainedConfig,
    Qwen3Config,
)
from transformers.utils import logging as transformers_logging

from shared.errors import ModelUnavailableError
from worker.engine.devices import read_rate
from worker.engine.engine import BatchGeneration, BatchingEngine, EngineOptions
from worker.engine.factory import TRANSFORMERS, OwnEngine
from worker.engine.probe import open_proven
from worker.engine.protocol import GREEDY, Request
from worker.engine.transformers_engine.baseline import generate_rate
from worker.engine.transformers_engine.batches import is_likely, proven_batches
from worker.engine.transformers_engine.families import class_of
from worker.engine.transformers_engine.family_models import CHATML, byte_tokenizer
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.simple_batch import SimpleBatches

EX_UNAVAILABLE = 69
BUDGET_S = 450.0
"""After this no further measurement begins."""
PROMPT_TOKENS = 128
NEW_TOKENS, TINY_NEW_TOKENS = 64, 8
COUNTS, TINY_COUNTS = (1, 32, 256), (1, 4)
NUM_CHECKED = 8
POLL_S = 0.002


def models(*, is_tiny: bool) -> dict[str, PretrainedConfig]:
    """The configurations: as published, or shrunk."""
    small: dict[str, Any] = {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "num_local_experts": 4,
        "max_position_embeddings": 2048,
        "initializer_range": 0.1,
    }
    qwen3: dict[str, Any] = {
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40960,
    }
    gemma3: dict[str, Any] = {
        "vocab_size": 262208,
        "hidden_size": 3840,
        "intermediate_size": 15360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "max_position_embeddings": 131072,
    }
    if is_tiny:
        qwen3 |= small | {"num_hidden_layers": 2}
        gemma3 |= small | {"num_hidden_layers": 6}
    gpt_oss: dict[str, Any] = {"num_hidden_layers": 24, "num_local_experts": 32}
    if is_tiny:
        gpt_oss |= small | {"num_hidden_layers": 2}
    return {
        "Qwen3-8B": Qwen3Config(**qwen3),
        "gpt-oss-20b": GptOssConfig(**gpt_oss),
        "Gemma-3-12B": Gemma3TextConfig(**gemma3),
    }


@dataclass(frozen=True, slots=True)
class Rate:
    """One number of answers at once."""

    at_once: int
    tokens_per_s: float
    static_tokens_per_s: float
    """Of ``generate`` with a batch of as many."""
    first_token_s: float
    """The median over the answers."""


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What came of one model."""

    model: str
    batch: str
    """``manager``, ``simple batch``, or ``refused``."""
    sentence: str
    num_right: int
    """Of ``num_checked`` answers."""
    num_checked: int
    rates: tuple[Rate, ...]
    memory_gb: float
    capacity_tokens: int
    bandwidth_share: float
    """Weights read in each step of one answer, over what the device can read."""
    start_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; return the exit code: 0, 1 if a token is wrong, 69 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small sizes, on the processor")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args(arguments)
    if not given.tiny and not torch.cuda.is_available():
        sys.stdout.write(
            "There is no NVIDIA GPU that torch can use here, so nothing was checked; run this on a "
            "machine with one, or with --tiny on the processor.\n"
        )
        return EX_UNAVAILABLE
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # no stubs
    device = torch.device("cpu" if given.tiny else "cuda")
    begun_s = time.perf_counter()
    checks: list[ModelCheck] = []
    for name, config in models(is_tiny=given.tiny).items():
        if time.perf_counter() - begun_s > BUDGET_S:
            sys.stdout.write(f"{name}: not begun, as the time is over\n")
            continue
        checks.append(_check(name, config, device, begun_s))
        _print(checks[-1])
    figures = {"device": _device_name(device), "models": [asdict(one) for one in checks]}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if all(one.num_right == one.num_checked > 0 for one in checks) else 1


def _check(name: str, config: PretrainedConfig, device: torch.device, begun_s: float) -> ModelCheck:
    """Start a model, check its tokens and measure it."""
    counts = TINY_COUNTS if device.type == "cpu" else COUNTS
    started_s = time.perf_counter()
    loaded = _random(name, config, device)
    num_new = TINY_NEW_TOKENS if device.type == "cpu" else NEW_TOKENS
    options = EngineOptions(num_new, max(counts))
    try:
        engine = BatchingEngine(loaded.info, proven_batches(loaded, options), options)
        open_proven(OwnEngine(engine, loaded.info, TRANSFORMERS, device.type))
    except (ModelUnavailableError, MemoryError, RuntimeError) as error:
        return ModelCheck(name, "refused", str(error), 0, 0, (), 0.0, 0, 0.0, 0.0)
    start_s = time.perf_counter() - started_s
    way = "simple batch" if isinstance(engine.batches, SimpleBatches) else "manager"
    ours: dict[int, tuple[float, float]] = {}
    try:
        prompts = [_prompt(number) for number in range(max(counts))]
        written = _tokens(engine, prompts[:NUM_CHECKED])
        for count in counts:
            if time.perf_counter() - begun_s < BUDGET_S:
                ours[count] = _rate(engine, prompts[:count])
        memory_gb = _memory_gb(device)
        capacity = engine.batches.capacity_tokens
    finally:
        engine.close()
    # Only now: while the manager lives, its attention is set and the model cannot be asked alone.
    pairs = list(zip(prompts, written, strict=False))
    num_right = sum(is_likely(loaded, list(prompt), tokens) for prompt, tokens in pairs)
    share = ours[1][0] * engine.weight_bytes / read_rate(device) if 1 in ours else 0.0
    rates = tuple(
        Rate(count, rate, generate_rate(loaded, prompts[:count], num_new), first_s)
        for count, (rate, first_s) in ours.items()
        if time.perf_counter() - begun_s < BUDGET_S
    )
    return ModelCheck(
        name, way, "", num_right, len(pairs), rates, memory_gb, capacity, share, start_s
    )


def _random(name: str, config: PretrainedConfig, device: torch.device) -> LoadedModel:
    """A model with random weights, made on the device; its answers never end by themselves."""
    torch.manual_seed(7)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float32 if device.type == "cpu" else torch.bfloat16)
    made: Any = class_of(config)
    try:
        with torch.device(device):
            model = made(config).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    model.generation_config.eos_token_id = None
    tokenizer: Any = byte_tokenizer(CHATML)
    return LoadedModel(name, model, tokenizer, (), config.max_position_embeddings)


def _prompt(number: int) -> tuple[int, ...]:
    return tuple((7 * number + 13 * place) % 256 for place in range(PROMPT_TOKENS))


def _written(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> list[BatchGeneration]:
    name = f"check-{time.perf_counter_ns()}"
    return [
        engine.submit(
            Request(f"{name}-{number}", prompt, engine.limits.max_new_tokens, GREEDY, salt=name)
        )
        for number, prompt in enumerate(prompts)
    ]


def _tokens(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The tokens of answers that are written at once."""
    generations = _written(engine, prompts)
    for generation in generations:
        for _ in generation:
            pass
    return [generation._running.token_ids for generation in generations]


def _rate(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """Tokens a second of answers at once, prompts included, and the median first token's time."""
    begun_s = time.perf_counter()
    generations = _written(engine, prompts)
    firsts: dict[int, float] = {}
    readers = [threading.Thread(target=_exhaust(one), daemon=True) for one in generations]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        now_s = time.perf_counter() - begun_s
        for number, one in enumerate(generations):
            if one.num_tokens and number not in firsts:
                firsts[number] = now_s
        time.sleep(POLL_S)
    wall_s = time.perf_counter() - begun_s
    total = sum(one.num_tokens for one in generations)
    return total / wall_s, statistics.median(firsts.values()) if firsts else wall_s


def _exhaust(generation: BatchGeneration) -> Callable[[], None]:
    def read() -> None:
        for _ in generation:
            pass

    return read


def _memory_gb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return float(psutil.Process().memory_info().rss) / 1e9


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"


def _print(check: ModelCheck) -> None:
    """One model, for people."""
    summary = (
        f"{check.model}: {check.batch}, {check.num_right} of {check.num_checked} answers as alone, "
        f"ready in {check.start_s:.0f} s, {check.memory_gb:.1f} GB, cache for "
        f"{check.capacity_tokens:,} tokens, {check.bandwidth_share:.0%} of the bandwidth"
    )
    rates = [
        f"  {rate.at_once:>3} at once: {rate.tokens_per_s:,.0f} tokens/s, static batch "
        f"{rate.static_tokens_per_s:,.0f}, first token {rate.first_token_s:.2f} s"
        for rate in check.rates
    ]
    sys.stdout.write("\n".join([check.sentence] if check.sentence else [summary, *rates]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
