"""The engine: one continuous batch, around transformers' manager or our engine for processors.

The batch keeps the cache, shares prefixes, schedules and samples; this file gives every request a
queue of its own, refuses what can never fit (one such prompt would fail the whole batch), rebuilds
the batch when it dies, and reports when neither that nor waiting helps.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from shared.errors import EngineError, EngineLostError, PromptTooLongError
from shared.logs import get_logger
from shared.replies import FinishReason
from worker.engine.batch import Admission, Batch, Batches, BatchOutput
from worker.engine.detokenize import Arrival, TextStream, pieces_of
from worker.engine.fault_isolation import FaultIsolation, RunSlot
from worker.engine.protocol import ModelInfo, Request, RequestLimits, Sampling
from worker.engine.tenant_salt import Labels, id_of
from worker.engine.thinking.notation import hidden_ids

log = get_logger(__name__)

MAX_FRUITLESS = 6
"""After so many deaths in a row without a token between them, no request is to blame."""
POLL_S = 0.1
UNSET = Sampling()
STOP_TIMEOUT_S = 10
DEFAULT_STALL_TIMEOUT_S = 120.0
"""One step of a large model on a slow CPU takes tens of seconds; none takes two minutes."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The operator's options of the engine."""

    max_new_tokens: int | None
    """The longest answer; None: as the model's maker says, else what is left."""
    max_requests: int
    cache_tokens: int | None = None
    """None: from the free memory."""
    stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S
    """A forward step that takes longer never returns: the engine is lost."""
    sampling: Sampling = UNSET
    """What the operator set for all requests."""


@dataclass(slots=True)
class _Running:
    """A request in the engine; owned by the router thread once it is submitted."""

    request: Request
    inbox: "queue.SimpleQueue[_Event]" = field(default_factory=queue.SimpleQueue)
    token_ids: list[int] = field(default_factory=list)
    """All tokens written, across all batches."""
    base: int = 0
    """How many of them were written before it was last added to a batch."""


@dataclass(frozen=True, slots=True)
class _Event:
    """New tokens; the last event has the finish reason or the error."""

    token_ids: tuple[int, ...] = ()
    is_last: bool = False
    finish_reason: FinishReason | None = None
    error: EngineError | None = None


class _StallWatch:
    """Counts the polls without progress, each of ``POLL_S`` or longer.

    Counts, and reads no clock: a process that was frozen for an hour has missed no poll.
    """

    def __init__(self, timeout_s: float) -> None:
        self._max_polls = timeout_s / POLL_S
        self._num_polls = 0
        self._num_moves = 0

    def is_stuck(self, num_moves: int) -> bool:
        """Record a poll without output; return whether the limit is exceeded."""
        self._num_polls = self._num_polls + 1 if num_moves == self._num_moves else 0
        self._num_moves = num_moves
        return self._num_polls > self._max_polls


class BatchGeneration:
    """One answer being written; read by one thread."""

    def __init__(self, engine: "BatchingEngine", running: _Running) -> None:
        self._engine = engine
        self._running = running
        self.finish_reason: FinishReason | None = None

    @property
    def num_tokens(self) -> int:
        """The number of tokens written so far."""
        return len(self._running.token_ids)

    def __iter__(self) -> Iterator[str]:
        """Pieces of text as they come. See ``protocol.Generation``."""
        request = self._running.request
        cancel = partial(self._engine.cancel, request.id)
        self.finish_reason = yield from pieces_of(self._arrivals(), request.stop, cancel)

    def _arrivals(self) -> Iterator[Arrival]:
        stream = TextStream(self._engine.decode, self._running.request.prompt_ids)
        while True:
            event = self._running.inbox.get()
            if event.error:
                raise event.error
            yield Arrival(stream.push(event.token_ids), event.is_last, event.finish_reason)


class BatchingEngine:
    """A continuous batch with fault recovery. Thread-safe."""

    def __init__(self, info: ModelInfo, batches: Batches, options: EngineOptions) -> None:
        """Prepare the engine; nothing is computed yet.

        Args:
            info: the model, apart from its weights.
            batches: what computes it.
            options: the operator's.
        """
        self._info = info
        self._options = options
        self._batches = batches
        self._hidden = hidden_ids(info.tokenizer)
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._fault_isolation = FaultIsolation()
        self._labels = Labels()
        self._batch: Batch | None = None
        """None before it is opened, and from the death of one batch to the start of the next."""
        self._in_batch: set[str] = set()
        """The requests that the present batch has been given."""
        self._moves_at_cancel: int | None = None
        """The progress of the present batch when it was last told to drop a request."""
        self._on_lost: Callable[[], None] = lambda: None
        self._num_fruitless = 0
        """How many batches in a row died without having written a token."""
        self._is_lost = False
        self._is_closing = threading.Event()
        self._router = threading.Thread(target=self._route, name="engine-router", daemon=True)
        total = min(batches.capacity_tokens, info.context_tokens)
        self.limits = RequestLimits.of(total, options.max_new_tokens, info.max_new_tokens)

    def open(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """Start the batch; the first request need not wait for it.

        Args:
            on_lost: called once if the engine cannot be rebuilt any more, or a forward step never
                returns; the process should end, and must not wait for the batch's thread.
        """
        self._on_lost = on_lost
        self._batch = self._batches.start()
        self._router.start()

    def close(self) -> None:
        """Stop; unfinished answers end as if cancelled."""
        self._is_closing.set()
        if self._router.is_alive() and self._router is not threading.current_thread():
            self._router.join(STOP_TIMEOUT_S)
        with self._lock:
            batch, self._batch = self._batch, None
            for running in self._running.values():
                running.inbox.put(_Event(is_last=True))
            self._forget_all()
        if batch is not None:
            # A lost engine's batch is stuck: do not wait for it.
            batch.bury(0 if self._is_lost else STOP_TIMEOUT_S)
        self._batches.close()

    def submit(self, request: Request) -> BatchGeneration:
        """Add a request to the batch. See ``protocol.Engine``."""
        num_prompt = len(request.prompt_ids)
        if num_prompt + request.max_written_tokens > self.limits.max_total_tokens:
            raise PromptTooLongError(num_prompt, self.limits.max_prompt_tokens)
        running = _Running(request)
        with self._lock:
            if self._is_lost:
                raise EngineLostError
            self._running[request.id] = running
            self._fault_isolation.arrive(request.id)
            self._fill_batch()
        return BatchGeneration(self, running)

    def cancel(self, request_id: str) -> None:
        """Stop writing an answer. See ``protocol.Engine``."""
        with self._lock:
            running = self._running.get(request_id)
            if running is None:
                return
            # Before its successor is added: the batch handles both in the same step.
            if self._batch is not None and request_id in self._in_batch:
                self._batch.cancel_request(self._labels.label(running.request))
                self._moves_at_cancel = self._batch.num_moves
            self._end(running, _Event(is_last=True))
            self._fill_batch()

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids to text, without special tokens but those that tell thoughts from answers."""
        if self._hidden is None:
            return self._info.tokenizer.decode(list(token_ids), skip_special_tokens=True)
        shown = [token_id for token_id in token_ids if token_id not in self._hidden]
        return self._info.tokenizer.decode(shown, skip_special_tokens=False)

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._batches.weight_bytes

    @property
    def batches(self) -> Batches:
        """What computes the model."""
        return self._batches

    @property
    def num_running(self) -> int:
        """The number of answers that are being written, or wait for it."""
        return len(self._running)

    def _fill_batch(self) -> None:
        """Add the requests that may run now and are not yet in the present batch."""
        if self._batch is None:
            return  # its successor gets them
        for turn in self._fault_isolation.current():
            if turn.id not in self._in_batch:
                self._add(self._batch, turn)

    def _add(self, batch: Batch, turn: RunSlot) -> None:
        running = self._running[turn.id]
        request = running.request
        running.base = len(running.token_ids)
        left = request.max_written_tokens - running.base
        terms = Admission(
            left if turn.max_tokens is None else min(left, turn.max_tokens),
            request.sampling.over(self._info.sampling),
            request.inputs,
            running.base,
        )
        token_ids = [*request.prompt_ids, *running.token_ids]
        if batch.add(self._labels.label(request), token_ids, terms):
            self._in_batch.add(turn.id)  # else it is dead, and the router replaces it

    def _end(self, running: _Running, event: _Event) -> None:
        """Send a request its last event and remove it."""
        request_id = running.request.id
        del self._running[request_id]
        self._in_batch.discard(request_id)
        self._fault_isolation.leave(request_id)
        running.inbox.put(event)

    def _forget_all(self) -> None:
        self._running.clear()
        self._in_batch.clear()
        self._fault_isolation = FaultIsolation()

    def _route(self) -> None:
        """Route until closed; if that fails, report the error to all requests."""
        try:
            self._route_outputs()
        except Exception:
            log.exception("engine_lost")
            with self._lock:
                self._is_lost = True
                for running in self._running.values():
                    running.inbox.put(_Event(is_last=True, error=EngineLostError()))
                self._forget_all()
            self._on_lost()

    def _route_outputs(self) -> None:
        """Send every output to its request, and replace a dead batch.

        Raises:
            EngineLostError: a step takes too long, or the batch dies again and again.
        """
        watch = _StallWatch(self._options.stall_timeout_s)
        while not self._is_closing.is_set() and (batch := self._batch) is not None:
            output = batch.get_result(timeout=POLL_S)
            if output is not None and output.error is None:
                self._deliver(batch, output)
            elif output is not None or batch.is_dead:
                self._replace(batch)
            elif watch.is_stuck(batch.num_moves):
                self._fail_stuck()
                raise EngineLostError("A forward step does not return.")

    def _fail_stuck(self) -> None:
        """Fail the requests in the step that does not return: one of them may be to blame."""
        with self._lock:
            for request_id in tuple(self._in_batch):
                error = EngineError("A forward step with this request in it does not return.")
                self._end(self._running[request_id], _Event(is_last=True, error=error))

    def _deliver(self, batch: Batch, output: BatchOutput) -> None:
        self._num_fruitless = 0
        with self._lock:
            running = self._running.get(id_of(output.request_id))
            if running is None:
                # Cancelled. Cancel again, as the manager forgets a cancel that overtakes its
                # request.
                if not output.is_finished():
                    batch.cancel_request(output.request_id)
                return
            new = tuple(output.generated_tokens[len(running.token_ids) - running.base :])
            running.token_ids.extend(new)
            if not output.is_finished():
                running.inbox.put(_Event(new))
                return
            self._end_turn(running, new)
            self._fill_batch()

    def _end_turn(self, running: _Running, new: tuple[int, ...]) -> None:
        """Handle a request that the batch has finished: its end, or only the trial of a suspect."""
        has_ended = bool(new) and new[-1] in self._info.eos_token_ids
        if has_ended or len(running.token_ids) >= running.request.max_written_tokens:
            reason = FinishReason.STOP if has_ended else FinishReason.LENGTH
            self._end(running, _Event(new, is_last=True, finish_reason=reason))
            return
        running.inbox.put(_Event(new))
        self._in_batch.discard(running.request.id)
        self._fault_isolation.acquit(running.request.id)

    def _replace(self, dead: Batch) -> None:
        """Build a new batch; all unfinished requests continue in it, suspects first."""
        with self._lock:
            self._batch = None
        cause = dead.bury(STOP_TIMEOUT_S)
        self._num_fruitless += 1
        with self._lock:
            log.error("engine_died", num_requests=len(self._in_batch), error=cause)
            if self._num_fruitless > MAX_FRUITLESS:
                raise EngineLostError(f"{self._num_fruitless} deaths in a row without a token.")
            culprit = self._find_culprit(dead)
            self._in_batch.clear()
            self._moves_at_cancel = None
            if culprit is not None:
                error = EngineError(f"The batch died ({cause}) with this request alone in it.")
                self._end(self._running[culprit], _Event(is_last=True, error=error))
            self._batch = self._batches.start()
            self._fill_batch()

    def _find_culprit(self, dead: Batch) -> str | None:
        if not dead.has_begun:
            return None  # none of them ended it: the next batch gets all of them
        # A cancelled request was still in the step that was running at that time.
        is_open = dead.num_moves == self._moves_at_cancel
        return self._fault_isolation.die(() if is_open else self._in_batch)
