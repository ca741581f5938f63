"""A batch for families that transformers' manager cannot compute: each request by itself, in turns.

Every request keeps its own cache, whatever its kind (keys and values, states, both), and is
computed as ``generate`` would. A round lets each request write one token, so answers stream side by
side, requests join and leave between two tokens, and their total speed is that of one. That is
right for any model and fast for none: for many people use a model server.
"""

import gc
import inspect
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.generation.utils import ALL_CACHE_NAMES

from worker.engine.batch import Admission
from worker.engine.devices import cache_bytes_per_token, free_cache_bytes
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.processor import PictureInputs
from worker.engine.transformers_engine.sampling import chosen, packed, penalized, unpacked

IDLE_S = 0.1
STATE = "rope_deltas"


@dataclass(slots=True)
class SimpleOutput:
    """What a request has written so far; see ``worker.engine.batch.BatchOutput``."""

    request_id: str
    generated_tokens: list[int]
    error: str | None
    is_last: bool

    def is_finished(self) -> bool:
        """Whether this is the last output."""
        return self.is_last


@dataclass(slots=True)
class _Row:
    """A request in the batch; owned by its thread."""

    id: str
    prompt: list[int]
    terms: Admission
    written: list[int] = field(default_factory=list)
    kwargs: dict[str, Any] | None = None
    """What ``generate`` carries from step to step, with the cache; None before the first."""
    state: tuple[Any, ...] = ()
    """What the model itself keeps from step to step."""

    @property
    def num_tokens(self) -> int:
        """Prompt and answer."""
        return len(self.prompt) + len(self.written)


class _States:
    """What models keep in themselves between the steps of one answer: offsets of positions."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._keepers = [module for module in model.modules() if STATE in vars(module)]

    def saved(self) -> tuple[Any, ...]:
        """The state after a step."""
        return tuple(getattr(module, STATE) for module in self._keepers)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Bring a request's state back before its next step; none before its first."""
        for module, state in zip(self._keepers, saved or (None,) * len(self._keepers), strict=True):
            setattr(module, STATE, state)


class SimpleBatch:
    """One life of the batch: started once, closed once."""

    def __init__(self, loaded: LoadedModel, max_requests: int, budget_tokens: int) -> None:
        """Prepare; nothing is computed yet.

        Args:
            loaded: the model.
            max_requests: how many answers are written at once.
            budget_tokens: of all prompts and answers that have a cache.
        """
        self._loaded = loaded
        self._model: Any = loaded.model
        self._states = _States(loaded.model)
        self._max_requests = max_requests
        self._budget_tokens = budget_tokens
        self._arrivals: queue.SimpleQueue[_Row] = queue.SimpleQueue()
        self._outputs: queue.SimpleQueue[SimpleOutput] = queue.SimpleQueue()
        self._waiting: list[_Row] = []
        self._rows: list[_Row] = []
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simple-batch", daemon=True)
        self.num_moves = 0
        self.has_begun = False

    def start(self) -> None:
        """Start the loop, on a thread that does not keep the process alive."""
        self._thread.start()

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request. See ``batch.Batch``."""
        if self.is_dead:
            return False
        with self._lock:
            self._cancelled.discard(request_id)
        self._arrivals.put(_Row(request_id, list(token_ids), terms))
        self._wake.set()
        return True

    def cancel_request(self, request_id: str) -> None:
        """Drop a request before its next step."""
        with self._lock:
            self._cancelled.add(request_id)
        self._wake.set()

    def get_result(self, *, timeout: float) -> SimpleOutput | None:
        """The next output, if one arrives within so many seconds."""
        try:
            return self._outputs.get(timeout=timeout)
        except queue.Empty:
            return None

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended."""
        return self._error is not None or not self._thread.is_alive()

    def bury(self, timeout_s: float) -> str:
        """Stop and release the caches; return the name of the error it died of."""
        self._is_stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        cause = type(self._error).__name__
        self._error = None  # its traceback holds the caches
        self._rows, self._waiting = [], []
        gc.collect()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        return cause

    @torch.inference_mode()
    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self.has_begun = True
                self._take_arrivals()
                if self._rows:
                    self._round()
                elif not self._waiting:
                    self._wake.wait(IDLE_S)
                    self._wake.clear()
                self.num_moves += 1
        except BaseException as error:  # noqa: BLE001 - of a step: the engine starts another batch
            self._error = error

    def _take_arrivals(self) -> None:
        """Let waiting requests join while there is room."""
        while not self._arrivals.empty():
            self._waiting.append(self._arrivals.get())
        self._rows = [row for row in self._rows if not self._is_cancelled(row)]
        self._waiting = [row for row in self._waiting if not self._is_cancelled(row)]
        # Nothing else knows of a request that has ended or never came.
        with self._lock:
            self._cancelled &= {row.id for row in (*self._rows, *self._waiting)}
        held = sum(row.num_tokens for row in self._rows)
        while self._waiting and len(self._rows) < self._max_requests:
            held += self._waiting[0].num_tokens + 1
            if self._rows and held > self._budget_tokens:
                break
            self._rows.append(self._waiting.pop(0))

    def _round(self) -> None:
        """Let each request write a token; the newest waits where memory is short."""
        while len(self._rows) > 1 and self._held > self._budget_tokens:
            newest = self._rows.pop()
            newest.kwargs = None
            self._waiting.insert(0, newest)
        for row in list(self._rows):
            if self._is_stopping:
                return
            if self._is_cancelled(row):
                continue
            self._step(row)
            self.num_moves += 1

    @property
    def _held(self) -> int:
        return sum(row.num_tokens + 1 for row in self._rows)

    def _is_cancelled(self, row: _Row) -> bool:
        with self._lock:
            return row.id in self._cancelled

    def _step(self, row: _Row) -> None:
        row.written.append(self._next_token(row))
        is_last = (
            row.written[-1] in self._loaded.eos_token_ids
            or len(row.written) >= row.terms.max_new_tokens
        )
        if is_last:
            self._rows.remove(row)
        self._outputs.put(SimpleOutput(row.id, list(row.written), None, is_last))

    def _next_token(self, row: _Row) -> int:
        tokens = torch.tensor([row.prompt + row.written], device=self._model.device)  # (1, length)
        scores = self._scores(row, tokens)
        sampling = row.terms.sampling
        step = row.terms.num_drawn + len(row.written)
        parameters = unpacked(packed([sampling], [step]).to(scores.device), 1)
        if sampling.repetition_penalty not in (None, 1.0):
            seen = torch.zeros_like(scores, dtype=torch.bool)
            seen[0, tokens[0]] = True
            scores = penalized(scores, seen, parameters.penalty)
        return int(chosen(scores, parameters).argmax(dim=-1))

    def _scores(self, row: _Row, tokens: torch.Tensor) -> torch.Tensor:
        """The logits after a request's last token; (1, num_tokens), float32.

        These are the steps of ``generate`` (``GenerationMixin._sample``), without its loop.
        """
        model, is_first = self._model, row.kwargs is None
        kwargs = self._first_kwargs(row, tokens) if row.kwargs is None else row.kwargs
        self._states.restore(row.state)
        has_cache = any(kwargs.get(name) is not None for name in ALL_CACHE_NAMES)
        inputs = model.prepare_inputs_for_generation(
            tokens,
            next_sequence_length=None if is_first or not has_cache else 1,
            is_first_iteration=is_first,
            **kwargs,
        )
        outputs = model(**inputs, return_dict=True)
        row.kwargs = model._update_model_kwargs_for_generation(  # noqa: SLF001 - as generate does
            outputs, kwargs, is_encoder_decoder=False
        )
        row.state = self._states.saved()
        scores: torch.Tensor = outputs.logits[:, -1].to(torch.float32)
        return scores

    def _first_kwargs(self, row: _Row, tokens: torch.Tensor) -> dict[str, Any]:
        model = self._model
        # No mask: nothing is padded.
        kwargs: dict[str, Any] = {"attention_mask": None, "use_cache": True}
        if isinstance(row.terms.inputs, PictureInputs):
            kwargs |= row.terms.inputs.on(model.device, model.dtype, tokens.size(1))
        if "position_ids" in inspect.signature(model.forward).parameters:
            positions = model._prepare_position_ids_for_generation  # noqa: SLF001 - as generate does
            kwargs["position_ids"] = positions(tokens, kwargs)
        if model._supports_default_dynamic_cache():  # noqa: SLF001 - as generate asks
            name = "cache_params" if "mamba" in type(model).__name__.lower() else "past_key_values"
            kwargs[name] = DynamicCache(config=self._loaded.text_config)
        if model._supports_logits_to_keep():  # noqa: SLF001 - as generate asks
            kwargs["logits_to_keep"] = 1
        return kwargs


class SimpleBatches:
    """A factory of simple batches around one model; see ``worker.engine.batch.Batches``."""

    def __init__(self, loaded: LoadedModel, max_requests: int, cache_tokens: int | None) -> None:
        """Compute how many tokens may have a cache.

        Args:
            loaded: the model.
            max_requests: how many answers are written at once.
            cache_tokens: of all of them; None: from the free memory.
        """
        self._loaded = loaded
        self._max_requests = max_requests
        if cache_tokens is None:
            a_token = cache_bytes_per_token(loaded.text_config, loaded.model.dtype)
            cache_tokens = free_cache_bytes(loaded.model.device) // max(1, a_token)
        self.capacity_tokens = max(2, min(cache_tokens, loaded.context_tokens * max_requests))

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._loaded.num_linear_weights * self._loaded.model.dtype.itemsize

    def close(self) -> None:
        """Nothing is started in advance."""

    def start(self) -> SimpleBatch:
        """Start a new batch."""
        batch = SimpleBatch(self._loaded, self._max_requests, self.capacity_tokens)
        batch.start()
        return batch
