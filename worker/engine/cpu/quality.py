"""Whether int8 weights are good enough: how surprised the model is by a fixed text.

Perplexity is the exponential of the mean negative log-likelihood a token, the usual measure of what
rounding weights costs.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.cpu.model import Span, Stepper
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
        token_ids, list(range(num)), [Span(0, num, 1, num, num)], list(range(num - 1)), cache
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
