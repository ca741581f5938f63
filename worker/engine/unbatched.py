"""One answer at a time, as a worker without batching writes it: what engines are compared to."""

import time
from typing import Any

import torch

from worker.engine.models import LoadedModel


def generate(loaded: LoadedModel, prompt: tuple[int, ...], num_new: int) -> int:
    """Let transformers' ``generate`` write one answer; returns its number of tokens."""
    model: Any = loaded.model
    with torch.inference_mode():
        output = model.generate(
            torch.tensor([prompt], device=model.device),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long, device=model.device),
            max_new_tokens=num_new,
            do_sample=False,
            pad_token_id=0,
        )
    return int(output.shape[1] - len(prompt))


def generate_rate(loaded: LoadedModel, prompt: tuple[int, ...], num_new: int) -> float:
    """Tokens a second of one answer, its prompt included in the time."""
    begun_s = time.perf_counter()
    num_tokens = generate(loaded, prompt, num_new)
    return num_tokens / (time.perf_counter() - begun_s)
