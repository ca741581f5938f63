"""The loop of the engine for processors: requests in, step after step, tokens out.

One life of it, like ``worker.engine.transformers_batch.TransformersBatch``: started once, buried
once, built anew by ``worker.engine.engine`` when it dies.
"""

import gc
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field

import torch

from worker.engine.cpu.block_allocator import Blocks
from worker.engine.cpu.model import AttentionSpan, Cache, Stepper
from worker.engine.cpu.sampler import SamplingChoice, choose
from worker.engine.cpu.scheduler import Cabinet, CachedSequence, PrefillBudget, chunks, runs
from worker.engine.prefix_sharing import LABEL_PREFIX_CHARS

IDLE_S = 0.1
FLUSH_S = 0.05
"""A sequence's tokens are handed out so often: each time costs its reader a wake-up, and nobody is
shown a text more often."""


@dataclass(slots=True)
class CpuOutput:
    """What a request has so far."""

    request_id: str
    generated_tokens: list[int]
    is_last: bool = False
    error: str | None = None

    def is_finished(self) -> bool:
        """Whether no more will come."""
        return self.is_last


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request."""

    label: str
    prompt: list[int]
    max_new_tokens: int
    manner: SamplingChoice


@dataclass(slots=True, eq=False)
class _Writing:
    """A request that has a block."""

    asked: _Asked
    held: CachedSequence
    handed_out_s: float = 0.0

    @property
    def num_written(self) -> int:
        return len(self.held.tokens) - len(self.asked.prompt)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a batch has room for."""

    cache_tokens: int
    largest_block: int
    max_requests: int


@dataclass(slots=True)
class _Step:
    """The tokens of a step, and whose next token comes of it."""

    token_ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    spans: list[AttentionSpan] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    writers: list[_Writing] = field(default_factory=list)
    computed: list[tuple[CachedSequence, int]] = field(default_factory=list)

    def add(self, held: CachedSequence, num_tokens: int, writer: _Writing | None) -> None:
        """Let the next tokens of a sequence be computed."""
        start, end = held.num_cached, held.num_cached + num_tokens
        self.token_ids.extend(held.tokens[start:end])
        self.positions.extend(range(start, end))
        self.computed.append((held, num_tokens))
        if writer is not None:
            self.wanted.append(len(self.token_ids) - 1)
            self.writers.append(writer)


class LeanBatch:
    """One continuous batch on the processor. Thread-safe where other threads call it."""

    def __init__(self, stepper: Stepper, sizes: Sizes, eos_token_ids: tuple[int, ...]) -> None:
        self._stepper = stepper
        self._sizes = sizes
        self._eos = frozenset(eos_token_ids)
        self._cabinet = Cabinet(Blocks(sizes.cache_tokens, sizes.largest_block))
        self._pace = PrefillBudget()
        self._waiting: deque[_Asked] = deque()
        self._active: list[_Writing] = []
        self._calls: queue.SimpleQueue[_Asked | str | None] = queue.SimpleQueue()
        self._outputs: queue.SimpleQueue[CpuOutput | None] = queue.SimpleQueue()
        self._is_stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.num_moves = 0
        """Grows with every step, and ten times a second while there is no work."""
        self.has_begun = False
        """Whether a step was ever begun; if not, no request can have ended it."""

    def start(self) -> None:
        """Start the loop."""
        self._thread.start()

    def add_request(  # noqa: PLR0913 - as transformers' manager is called
        self,
        input_ids: list[int],
        *,
        request_id: str,
        max_new_tokens: int,
        streaming: bool,
        temperature: float,
        top_p: float,
        seed: int | None = None,
        step: int = 0,
    ) -> str | None:
        """Take a request; None if the loop has ended."""
        del streaming  # every request's tokens are handed out as they come
        if self.is_dead:
            return None
        manner = SamplingChoice(temperature, top_p, seed, step)
        self._calls.put(_Asked(request_id, input_ids, max_new_tokens, manner))
        return request_id

    def cancel_request(self, request_id: str) -> None:
        """Forget a request before the next step."""
        self._calls.put(request_id)

    def get_result(self, *, timeout: float) -> CpuOutput | None:
        """The next output; None if none comes in so many seconds, or the loop ends."""
        try:
            return self._outputs.get(timeout=timeout)
        except queue.Empty:
            return None

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended."""
        return self._error is not None or not self._thread.is_alive()

    def bury(self, timeout_s: float) -> str:
        """Stop for good and let go of the cache; returns the name of what it died of."""
        self._is_stopping.set()
        self._calls.put(None)
        self._thread.join(timeout_s)
        cause = type(self._error).__name__
        self._error = None  # its traceback keeps the cache
        gc.collect()
        return cause

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                cache = self._stepper.new_cache(self._sizes.cache_tokens)
                while not self._is_stopping.is_set():
                    self._take_calls()
                    self._admit(cache)
                    if self._active:
                        self.has_begun = True
                        self._step(cache)
                    self.num_moves += 1
        except BaseException as error:  # noqa: BLE001 - whatever it was, who waits is told
            self._error = error
        finally:
            self._outputs.put(None)

    def _take_calls(self) -> None:
        """What other threads have asked for; waits for it while there is nothing to do."""
        try:
            call = self._calls.get(timeout=0 if self._active else IDLE_S)
            while True:
                self._heed(call)
                call = self._calls.get_nowait()
        except queue.Empty:
            return

    def _heed(self, call: _Asked | str | None) -> None:
        if isinstance(call, _Asked):
            self._waiting.append(call)
        elif call is not None:
            self._waiting = deque(asked for asked in self._waiting if asked.label != call)
            for writing in [one for one in self._active if one.asked.label == call]:
                self._leave(writing)

    def _admit(self, cache: Cache) -> None:
        """Give those who wait a block, in their order, while there is room."""
        while self._waiting and len(self._active) < self._sizes.max_requests:
            asked = self._waiting[0]
            salt = asked.label[:LABEL_PREFIX_CHARS]
            most = len(asked.prompt) + asked.max_new_tokens
            place = self._cabinet.place(salt, asked.prompt, most)
            if place is None:
                return
            if place.copied_from is not None:
                self._stepper.copy(cache, place.copied_from, place.block, place.num_cached)
            held = CachedSequence(salt, place.block, list(asked.prompt), place.num_cached)
            self._cabinet.held.append(held)
            self._waiting.popleft()
            self._active.append(_Writing(asked, held))

    def _step(self, cache: Cache) -> None:
        """Compute the next token of everybody who has read, and some of the prompts of the rest."""
        step, num_read = self._plan()
        begun_s = time.perf_counter()
        wanted = step.wanted or [len(step.token_ids) - 1]  # nobody's, but a network wants one
        logits = self._stepper.step(step.token_ids, step.positions, step.spans, wanted, cache)
        tokens = choose(logits, [writing.asked.manner for writing in step.writers])
        now_s = time.perf_counter()
        self._pace.note(len(step.token_ids) - num_read, num_read, now_s - begun_s)
        for held, num_tokens in step.computed:
            held.num_cached += num_tokens
        for writing, token in zip(step.writers, tokens, strict=False):
            self._write(writing, token, now_s)

    def _plan(self) -> tuple[_Step, int]:
        """The next step, and how many of its tokens are prompts'."""
        by_held = {id(writing.held): writing for writing in self._active}
        held = [writing.held for writing in self._active]
        step = _Step()
        writing_now = [one for one in held if one.num_missing == 1]
        for run in runs(writing_now):
            first = run[0].block
            num_seen = max(len(one.tokens) for one in run)
            step.spans.append(AttentionSpan(first.offset, first.size, len(run), 1, num_seen))
            for one in run:
                step.add(one, 1, by_held[id(one)])
        num_written = len(step.token_ids)
        reading = [one for one in held if one.num_missing > 1]
        for one, num in chunks(reading, self._pace.budget(num_written)):
            block, num_seen = one.block, one.num_cached + num
            step.spans.append(AttentionSpan(block.offset, block.size, 1, num, num_seen))
            step.add(one, num, by_held[id(one)] if num == one.num_missing else None)
        return step, len(step.token_ids) - num_written

    def _write(self, writing: _Writing, token: int, now_s: float) -> None:
        """Add a token to an answer, and hand out what it has if it is time."""
        asked, held = writing.asked, writing.held
        held.tokens.append(token)
        is_last = token in self._eos or writing.num_written >= asked.max_new_tokens
        if is_last or writing.num_written == 1 or now_s - writing.handed_out_s >= FLUSH_S:
            writing.handed_out_s = now_s
            self._outputs.put(CpuOutput(asked.label, held.tokens[len(asked.prompt) :], is_last))
        if is_last:
            self._leave(writing)

    def _leave(self, writing: _Writing) -> None:
        self._active.remove(writing)
        self._cabinet.end(writing.held)
