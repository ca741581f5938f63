"""Batches of the engine for processors: a model's weights packed once, its room counted.

Whether int8 weights are good enough: how surprised the model is by a fixed text.

Perplexity is the exponential of the mean negative log-likelihood a token, the usual measure of what
rounding weights costs.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import ModelUnavailableError
from shared.logs import get_logger
from worker.engine.cpu.batch import LeanBatch, Sizes
from worker.engine.cpu.block_allocator import SMALLEST_TOKENS, size_for
from worker.engine.cpu.model import (
    FAMILIES,
    AttentionSpan,
    Int8Linear,
    Kind,
    Linear,
    Stepper,
    supports,
)
from worker.engine.devices import cache_bytes_per_token, free_cache_bytes
from worker.engine.loader import LoadedModel

MAX_WORSE = 1.02
"""Two per cent: what int8 is commonly allowed to cost."""
TEXT = (
    "The library opens at nine in the morning and closes at six. Books are lent for three weeks, "
    "and a loan can be renewed twice if nobody else has asked for the book. Whoever brings a book "
    "back late pays ten cents a day; whoever loses one pays what a new copy costs.\n\n"
    "To install the program, download the archive, unpack it, and run the script that is called "
    "install. It asks where the files should go and whether the program should start with the "
    "computer. If something goes wrong, look into the log: every line begins with the time, then "
    "comes the name of the part, then what happened. Most problems come from a port that is in "
    "use, or from a file that cannot be written.\n\n"
    'def mean(numbers):\n    """The average of some numbers."""\n'
    "    return sum(numbers) / len(numbers)\n\n"
    "Water boils at a lower temperature on a mountain, because there is less air above it. That is "
    "why cooking takes longer there. A pressure cooker does the opposite: the steam cannot leave, "
    "the pressure rises, and the food is done sooner."
)
"""Plain English and a little code, written for this purpose."""
MAX_TOKENS = 256


def perplexity(stepper: Stepper, token_ids: list[int]) -> float:
    """How surprised the engine's network is by a text."""
    num = len(token_ids)
    cache = stepper.new_cache(num)
    logits = stepper.step(
        token_ids,
        list(range(num)),
        [AttentionSpan(0, num, 1, num, num)],
        list(range(num - 1)),
        cache,
    )
    return _perplexity(logits, token_ids)


def observe(loaded: LoadedModel, token_ids: list[int]) -> tuple[float, dict[nn.Module, Tensor]]:
    """How surprised the model is as transformers computes it, and the largest input of each layer.

    Returns:
        The perplexity, and for each linear layer (num_inputs,).
    """
    model: Any = loaded.model
    found: dict[nn.Module, Tensor] = {}

    def see(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[module] = given[0].detach().abs().flatten(0, -2).amax(0)

    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(see) for module in linear]
    try:
        with torch.inference_mode():
            logits = model(torch.tensor([token_ids])).logits[0, :-1]
    finally:
        for hook in hooks:
            hook.remove()
    return _perplexity(logits, token_ids), found


def text_ids(loaded: LoadedModel) -> list[int]:
    """The fixed text in the model's tokens."""
    return loaded.tokenizer.encode(TEXT, add_special_tokens=True)[:MAX_TOKENS]


def _perplexity(logits: Tensor, token_ids: list[int]) -> float:
    targets = torch.tensor(token_ids[1:])
    return math.exp(nn.functional.cross_entropy(logits.float(), targets).item())


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
    token_ids = text_ids(loaded)
    reference, largest = observe(loaded, token_ids)

    def packed(kind: Kind) -> Stepper:
        return Stepper(loaded.model, kind, num_positions, largest)

    if loaded.model.dtype is not torch.float32:
        return packed(Linear)
    rounded = packed(Int8Linear)
    rise = perplexity(rounded, token_ids) / reference
    is_good = rise <= MAX_WORSE
    log.info("int8_checked", perplexity_ratio=round(rise, 4), is_used=is_good)
    return rounded if is_good else packed(Linear)
