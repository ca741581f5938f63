"""One continuous batch for everybody, around transformers' own continuous batching manager.

The manager pages the cache, shares prefixes, schedules and samples; this file gives every request a
queue of its own, refuses what can never fit (one such prompt would fail the whole batch), and
builds the manager anew when it dies, going on with every answer from the tokens it had.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.requests import GenerationOutput

from shared.errors import EngineError, PromptTooLongError
from shared.logs import get_logger
from shared.replies import FinishReason
from worker.engine.devices import pick_cache_tokens
from worker.engine.generation import Limits, Request, Sampling
from worker.engine.models import LoadedModel
from worker.engine.text import StopTexts, TextStream

log = get_logger(__name__)

PAGE_TOKENS = 256
"""Tokens a page of the cache. On a CPU larger pages mean fewer gathers: 49 tokens/s against 39 with
64-token pages, 32 requests of the default model on two cores."""
CPU_BATCH_TOKENS = 512
"""Most tokens in one forward step on a CPU, so that a long prompt does not stall the others."""
GREEDY = Sampling(temperature=1e-7, top_p=1.0)
"""The manager either samples for everybody or for nobody; so cold a sample is the argmax."""
ANY_SAMPLING = Sampling(temperature=0.7, top_p=0.9)
"""Values that make the manager build its samplers at all; every request brings its own."""
MAX_DEATHS = 3
"""A request that was in the batch at so many deaths of the manager is given up."""
MAX_FRUITLESS = 6
POLL_S = 0.1
STOP_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an operator may choose."""

    max_new_tokens: int
    max_requests: int
    cache_tokens: int | None = None
    """None: from the memory that is free."""


@dataclass(slots=True)
class _Running:
    """A request in the batch; owned by the router thread once it is submitted."""

    request: Request
    inbox: "queue.SimpleQueue[_Event]" = field(default_factory=queue.SimpleQueue)
    token_ids: list[int] = field(default_factory=list)
    """All tokens written, over every life of the manager."""
    base: int = 0
    """How many of them were written before the present manager was built."""
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    """New tokens, and in the last event why there will be no more."""

    token_ids: tuple[int, ...] = ()
    is_last: bool = False
    finish_reason: FinishReason | None = None
    error: EngineError | None = None


class BatchGeneration:
    """One answer being written; read by one thread."""

    def __init__(self, engine: "BatchingEngine", running: _Running) -> None:
        self._engine = engine
        self._running = running
        self.finish_reason: FinishReason | None = None

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come. See ``generation.Generation``."""
        request = self._running.request
        stream = TextStream(self._engine.decode, request.prompt_ids)
        stops = StopTexts(request.stop)
        while True:
            event = self._running.inbox.get()
            if event.error:
                raise event.error
            if piece := stops.push(stream.push(event.token_ids)):
                yield piece
            if stops.is_stopped:
                self._engine.cancel(request.id)
                self.finish_reason = FinishReason.STOP
                return
            if event.is_last:
                if piece := stops.flush():
                    yield piece
                self.finish_reason = event.finish_reason
                return


class BatchingEngine:
    """transformers' continuous batching, made to survive. Thread-safe."""

    def __init__(self, loaded: LoadedModel, options: EngineOptions) -> None:
        self._loaded = loaded
        self._options = options
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._manager: ContinuousBatchingManager | None = None
        self._on_lost: Callable[[], None] = lambda: None
        self._num_fruitless = 0
        """How often in a row the manager died without having written a token."""
        self._is_lost = False
        self._is_closing = threading.Event()
        self._router = threading.Thread(target=self._route, name="engine-router", daemon=True)
        model = loaded.model
        wanted = options.cache_tokens or pick_cache_tokens(
            model.config.get_text_config(), model.device, model.dtype
        )
        self._num_pages = max(2, wanted // PAGE_TOKENS)
        capacity = (self._num_pages - 1) * PAGE_TOKENS
        total = min(capacity, loaded.context_tokens)
        self.limits = Limits(
            max_total_tokens=total, max_new_tokens=min(options.max_new_tokens, total // 2)
        )

    def open(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """Start the batch; the first request need not wait for it.

        Args:
            on_lost: called once if the engine can be rebuilt no more; the process should end.
        """
        self._on_lost = on_lost
        self._manager = self._build_manager()
        self._router.start()

    def close(self) -> None:
        """Stop; answers being written end as if cancelled."""
        self._is_closing.set()
        if self._router.is_alive():
            self._router.join(STOP_TIMEOUT_S)
        with self._lock:
            if self._manager is not None and self._manager.is_running():
                self._manager.stop(hard_stop=True, timeout=STOP_TIMEOUT_S)
            for running in self._running.values():
                running.inbox.put(_Event(is_last=True))
            self._running.clear()

    def submit(self, request: Request) -> BatchGeneration:
        """Add a request to the batch. See ``generation.Engine``."""
        num_prompt = len(request.prompt_ids)
        if num_prompt + request.max_new_tokens > self.limits.max_total_tokens:
            raise PromptTooLongError(num_prompt, self.limits.max_prompt_tokens)
        running = _Running(request)
        with self._lock:
            if self._is_lost:
                raise EngineError("The engine is lost.")
            self._running[request.id] = running
            self._add(running)
        return BatchGeneration(self, running)

    def cancel(self, request_id: str) -> None:
        """Stop writing an answer. See ``generation.Engine``."""
        with self._lock:
            running = self._running.pop(request_id, None)
            if running is None or self._manager is None:
                return
            self._manager.cancel_request(request_id)
            running.inbox.put(_Event(is_last=True))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids to text, without special tokens."""
        return self._loaded.tokenizer.decode(list(token_ids), skip_special_tokens=True)

    @property
    def num_running(self) -> int:
        """How many answers are being written."""
        return len(self._running)

    def _build_manager(self) -> ContinuousBatchingManager:
        model: Any = self._loaded.model
        is_cpu = model.device.type == "cpu"
        generation = GenerationConfig(  # type: ignore[no-untyped-call]  # no stubs
            do_sample=True,
            temperature=ANY_SAMPLING.temperature,
            top_p=ANY_SAMPLING.top_p,
            eos_token_id=list(self._loaded.eos_token_ids) or -1,
            max_new_tokens=self._options.max_new_tokens,
        )
        batching = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS,
            num_blocks=self._num_pages,
            max_batch_tokens=CPU_BATCH_TOKENS if is_cpu else None,
            max_requests_per_batch=self._options.max_requests,
            per_request_processors=True,
        )
        manager: ContinuousBatchingManager = model.init_continuous_batching(
            generation_config=generation, continuous_batching_config=batching
        )
        manager.start()
        return manager

    def _add(self, running: _Running) -> None:
        """Put a request into the present manager. If that is dead, the router will see to it."""
        request = running.request
        running.base = len(running.token_ids)
        sampling = request.sampling if request.sampling.temperature > 0 else GREEDY
        if self._manager is not None:
            self._manager.add_request(
                [*request.prompt_ids, *running.token_ids],
                request_id=request.id,
                max_new_tokens=request.max_new_tokens - running.base,
                streaming=True,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
            )

    def _route(self) -> None:
        """Route until closed; if even the rebuilding fails, say so to everybody who waits."""
        try:
            self._route_outputs()
        except Exception:
            log.exception("engine_lost")
            with self._lock:
                self._is_lost = True
                for running in self._running.values():
                    error = EngineError("The engine cannot be rebuilt.")
                    running.inbox.put(_Event(is_last=True, error=error))
                self._running.clear()
            self._on_lost()

    def _route_outputs(self) -> None:
        """Give every output to the request it belongs to, and a dead manager a successor."""
        while not self._is_closing.is_set():
            manager = self._manager
            if manager is None:
                return
            output = manager.get_result(timeout=POLL_S)
            if output is not None and output.error is None:
                self._deliver(output)
            elif output is not None or not manager.is_running():
                self._replace(manager)
            elif manager.background_thread_status.fatal_error is not None:
                time.sleep(POLL_S)  # its thread is on its way out

    def _deliver(self, output: GenerationOutput) -> None:
        self._num_fruitless = 0
        with self._lock:
            running = self._running.get(output.request_id)
            if running is None:
                return  # cancelled meanwhile
            new = tuple(output.generated_tokens[len(running.token_ids) - running.base :])
            running.token_ids.extend(new)
            reason = None
            if output.is_finished():
                del self._running[output.request_id]
                ended = bool(new) and new[-1] in self._loaded.eos_token_ids
                reason = FinishReason.STOP if ended else FinishReason.LENGTH
            running.inbox.put(_Event(new, is_last=reason is not None, finish_reason=reason))

    def _replace(self, dead: ContinuousBatchingManager) -> None:
        """Build a new manager; everything that was being written goes on in it."""
        self._num_fruitless += 1
        dead.stop(hard_stop=True, timeout=STOP_TIMEOUT_S)
        if self._num_fruitless > MAX_FRUITLESS:
            raise EngineError(f"The engine died {self._num_fruitless} times without a token.")
        with self._lock:
            log.error(
                "engine_died",
                num_requests=len(self._running),
                error=type(dead.background_thread_status.fatal_error).__name__,
            )
            self._manager = self._build_manager()
            for running in list(self._running.values()):
                running.deaths += 1
                if running.deaths < MAX_DEATHS:
                    self._add(running)
                    continue
                del self._running[running.request.id]
                error = EngineError(f"The engine died {running.deaths} times with this request.")
                running.inbox.put(_Event(is_last=True, error=error))
