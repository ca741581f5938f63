"""The baseline for engines: transformers' ``generate``, alone and in static batches."""

import time
from collections.abc import Sequence
from typing import Any

import torch

from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.processor import PictureInputs

PAD = 0


def generate(loaded: LoadedModel, prompts: Sequence[tuple[int, ...]], num_new: int) -> int:
    """Generate answers together with ``generate``; all wait for the longest.

    Args:
        loaded: the model.
        prompts: one, or several that are padded to the length of the longest.
        num_new: the most tokens of an answer.

    Returns:
        The number of the answers' tokens, without the padding of those that ended earlier.
    """
    model: Any = loaded.model
    longest = max(map(len, prompts))
    rows = [[PAD] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    masks = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    with torch.inference_mode():
        output = model.generate(
            torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(masks, device=model.device),
            max_new_tokens=num_new,
            do_sample=False,
            pad_token_id=PAD,
        )
    return sum(_num_written(loaded, row) for row in output[:, longest:].tolist())


def generate_rate(loaded: LoadedModel, prompts: Sequence[tuple[int, ...]], num_new: int) -> float:
    """Tokens a second of answers together; the time includes their prompts."""
    begun_s = time.perf_counter()
    num_tokens = generate(loaded, prompts, num_new)
    return num_tokens / (time.perf_counter() - begun_s)


def _num_written(loaded: LoadedModel, row: list[int]) -> int:
    ends = [at for at, token in enumerate(row, start=1) if token in loaded.eos_token_ids]
    return ends[0] if ends else len(row)


def written_alone(
    loaded: LoadedModel, prompt: tuple[int, ...], num_new: int, inputs: object = None
) -> str:
    """What ``generate`` writes for one prompt, always the likeliest token.

    Args:
        loaded: the model.
        prompt: the prompt.
        num_new: the most tokens.
        inputs: of its pictures; see ``processor``.
    """
    model: Any = loaded.model
    seen = (
        inputs.on(model.device, model.dtype, len(prompt))
        if isinstance(inputs, PictureInputs)
        else {}
    )
    tokens = torch.tensor([prompt], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=num_new,
            do_sample=False,
            pad_token_id=PAD,
            eos_token_id=list(loaded.eos_token_ids) or None,
            **seen,
        )
    written = output[0][len(prompt) :].tolist()
    return loaded.tokenizer.decode(written, skip_special_tokens=True)
