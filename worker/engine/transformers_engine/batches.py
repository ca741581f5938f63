"""The batch for a model of transformers: the manager where it can, else the simple one.

What a configuration says decides first. A family may be newer than these rules, so the manager's
first tokens are also compared with a plain forward pass before a worker is ready.
"""

import copy
import dataclasses
import itertools
import time
from typing import Any

import torch

from shared.logs import get_logger
from worker.engine.batch import Admission, Batch, Batches
from worker.engine.engine import EngineOptions
from worker.engine.protocol import GREEDY
from worker.engine.tenant_salt import LABEL_PREFIX_CHARS
from worker.engine.transformers_engine.families import why_not_managed
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.manager_batch import TransformersBatches
from worker.engine.transformers_engine.picture_batches import PictureBatches
from worker.engine.transformers_engine.simple_batch import SimpleBatches
from worker.engine.transformers_engine.sizing import PAGE_TOKENS

log = get_logger(__name__)

PROBES = ("Once upon a time", "The answer to the second question, which is a longer one, is this:")
PROBE_TOKENS = 4
MAX_GAP = 0.5
"""How far below the best score a token of the manager may be, in standard deviations of all scores:
rounding in bfloat16 moves them by some hundredths; a wrong token is three or four below."""
PROBE_TIMEOUT_S = 120.0


def batches_of(loaded: LoadedModel, options: EngineOptions, *, sees: bool = False) -> Batches:
    """The batches that compute a model, by what its configuration says."""
    if why_not_managed(loaded.model.config):
        return SimpleBatches(loaded, options.max_requests, options.cache_tokens)
    penalty = options.sampling.over(loaded.sampling).repetition_penalty
    return TransformersBatches(
        loaded,
        options.max_requests,
        options.cache_tokens,
        has_penalty=penalty not in (None, 1.0),
        reads_pictures=sees,
    )


def proven_batches(loaded: LoadedModel, options: EngineOptions, *, sees: bool = False) -> Batches:
    """The same, but the manager's only if it writes what the model alone would.

    Args:
        loaded: the model.
        options: the operator's.
        sees: whether there will be prompts with pictures too.
    """
    batches = batches_of(loaded, options, sees=sees)
    if not isinstance(batches, TransformersBatches):
        log.info("simple_batch", model=loaded.name, reason=why_not_managed(loaded.model.config))
        return batches
    if reason := _difference(loaded):
        log.warning("simple_batch", model=loaded.name, reason=reason)
        return SimpleBatches(loaded, options.max_requests, options.cache_tokens)
    if not sees:
        return batches
    try:
        beside = _twin(loaded)
    except Exception as error:  # noqa: BLE001 - whatever a part of it does not want to be copied
        reason = f"its modules cannot be copied for pictures ({type(error).__name__})"
        log.warning("simple_batch", model=loaded.name, reason=reason)
        return SimpleBatches(loaded, options.max_requests, options.cache_tokens)
    most = max(2, batches.capacity_tokens // 2)
    return PictureBatches(batches, SimpleBatches(beside, options.max_requests, most))


def _twin(loaded: LoadedModel) -> LoadedModel:
    """The same model around the same weights, for another thread.

    Modules and configurations hold what one forward pass tells the next part of itself (whether a
    mask is causal), so two threads must not share them.
    """
    model: Any = loaded.model
    tensors = itertools.chain(model.parameters(), model.buffers())
    made = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    return dataclasses.replace(loaded, model=made)


def _difference(loaded: LoadedModel) -> str:
    """In what the manager differs from the model alone; empty where in nothing."""
    prompts = [loaded.tokenizer.encode(text, add_special_tokens=True) for text in PROBES]
    try:
        batch = TransformersBatches(loaded, len(prompts), 4 * PAGE_TOKENS).start()
    except (RuntimeError, ValueError, AttributeError, TypeError, KeyError) as error:
        return f"the manager does not start ({type(error).__name__})"
    try:
        written = _written(batch, prompts)
    finally:
        cause = batch.bury(PROBE_TIMEOUT_S)
    if len(written) < len(prompts):
        return f"the manager stops ({cause})"
    pairs = zip(prompts, written, strict=True)
    if all(is_likely(loaded, prompt, tokens) for prompt, tokens in pairs):
        return ""
    return "the manager's tokens are others"


def _written(batch: Batch, prompts: list[list[int]]) -> list[list[int]]:
    """What the batch writes; nothing where it dies."""
    names = [f"{number:0{LABEL_PREFIX_CHARS}}probe" for number in range(len(prompts))]
    for name, prompt in zip(names, prompts, strict=True):
        batch.add(name, prompt, Admission(PROBE_TOKENS, GREEDY))
    written: dict[str, list[int]] = {}
    deadline_s = time.monotonic() + PROBE_TIMEOUT_S
    while len(written) < len(names) and time.monotonic() < deadline_s:
        output = batch.get_result(timeout=0.1)
        if (output is None and batch.is_dead) or (output is not None and output.error):
            return []
        if output is not None and output.is_finished():
            written[output.request_id] = list(output.generated_tokens)
    return [written[name] for name in names if name in written]


@torch.inference_mode()
def is_likely(loaded: LoadedModel, prompt: list[int], written: list[int]) -> bool:
    """Whether each token is the likeliest of the model alone, or as good as that."""
    model: Any = loaded.model
    tokens = torch.tensor([prompt + written[:-1]], device=model.device)
    scores = model(input_ids=tokens, use_cache=False).logits[0, len(prompt) - 1 :].float()
    taken = scores.gather(-1, torch.tensor(written, device=scores.device).unsqueeze(-1)).squeeze(-1)
    gaps = (scores.max(dim=-1).values - taken) / scores.std(dim=-1)
    return bool((gaps <= MAX_GAP).all())
