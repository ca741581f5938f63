"""``python -m worker.engine.openvino.process``: the engine's process, one pipeline and model.

Reads requests from standard input, writes tokens to standard output, and ends when its input does.
Long prompts are read in parts between the steps of running answers, so that these are at most twice
as slow meanwhile; the parts meet in the cache of prefixes.
"""

import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import openvino
import openvino_genai

from worker.engine.openvino.pacing import PartPacing
from worker.engine.openvino.wire import (
    CANCEL,
    ERROR,
    READY,
    WRITTEN,
    AddMessage,
    PipelineOptions,
    line_of,
    parsed,
)

MAX_BATCHED_TOKENS = 256
"""Most tokens of one step: the short prompts of many people at once."""
LONG_TOKENS = 256
"""Longer prompts are read in parts while other answers are being written."""
PART_TOKENS = 64
"""Two blocks of the cache."""
NUM_KNOWN = 64
FLUSH_S = 0.05
"""Tokens are handed out so often: each time costs their reader a wake-up, and text is shown less
often still."""
IDLE_S = 0.1


@dataclass(slots=True, eq=False)
class _Answer:
    """A request in the pipeline, or waiting for it."""

    asked: AddMessage
    handle: Any = None
    num_read: int = 0
    """Tokens of the prompt that earlier parts have put into the cache."""
    pending: list[int] = field(default_factory=list)
    flushed_s: float = 0.0
    is_first: bool = True


class EngineProcess:
    """The loop: requests in, a step, tokens out."""

    def __init__(self, options: PipelineOptions, out: BinaryIO) -> None:
        """Load the model; takes seconds."""
        self._options = options
        self._out = out
        self._answers: dict[str, _Answer] = {}
        self._reading: deque[_Answer] = deque()
        """Long prompts, read in parts, one after the other."""
        self._part: Any = None
        """The handle of the part that is being read."""
        self._pacing = PartPacing()
        self._known: deque[list[int]] = deque(maxlen=NUM_KNOWN)
        """Prompts that were read lately: what is in the cache of prefixes, for the most part."""
        self._number = 0
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.num_kv_blocks = options.num_blocks
        scheduler.max_num_batched_tokens = max(MAX_BATCHED_TOKENS, options.max_requests)
        scheduler.max_num_seqs = options.max_requests + 1  # and a part
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = options.shares_prefixes
        # Without a word of it bfloat16 where the processor has it, which small models notice.
        properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": options.precision or "f32"}
        if options.precision:
            properties["KV_CACHE_PRECISION"] = options.precision
            properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "0"  # inputs are not rounded
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            options.folder, scheduler, "CPU", properties
        )

    def run(self, calls: "queue.SimpleQueue[bytes | None]") -> None:
        """Run until the input ends."""
        while True:
            for line in _taken(calls, is_idle=not self._answers):
                if line is None:
                    return
                self._heed(line)
            if not self._answers:
                continue
            self._feed()
            begun_s = time.perf_counter()
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()
            self._pacing.note(time.perf_counter() - begun_s, is_part=self._part is not None)
            self._hand_out()

    def _heed(self, line: bytes) -> None:
        kind, value = parsed(line)
        if kind == CANCEL:
            self._cancel(value)
            return
        answer = _Answer(AddMessage(**value))
        self._answers[answer.asked.label] = answer
        token_ids = answer.asked.token_ids
        answer.num_read = max((_num_common(each, token_ids) for each in self._known), default=0)
        if self._options.shares_prefixes and len(token_ids) - answer.num_read > LONG_TOKENS:
            self._reading.append(answer)
        else:
            self._add(answer)

    def _cancel(self, label: str) -> None:
        answer = self._answers.pop(label, None)
        if answer is None:
            return
        if answer.handle is not None:
            answer.handle.cancel()
        elif answer is self._reading[0] and self._part is not None:
            self._part.cancel()
            self._part = None
        if answer in self._reading:
            self._reading.remove(answer)

    def _feed(self) -> None:
        """Put the next part of a long prompt into the pipeline, if it is time."""
        if self._part is not None:
            if self._is_running(self._part):
                return
            self._part = None
            self._reading[0].num_read += PART_TOKENS
        if not self._reading:
            return
        answer = self._reading[0]
        others = len(self._answers) - len(self._reading)
        left = len(answer.asked.token_ids) - answer.num_read
        if others == 0 or left <= PART_TOKENS:
            self._reading.popleft()
            self._add(answer)
        elif self._pacing.is_due:
            part = answer.asked.token_ids[: answer.num_read + PART_TOKENS]
            self._part = self._submit(part, self._config(1, {}))

    def _is_running(self, handle: Any) -> bool:  # noqa: ANN401 - a handle of the library
        if handle.can_read():
            handle.read()
        return bool(handle.get_status() == openvino_genai.GenerationStatus.RUNNING)

    def _add(self, answer: _Answer) -> None:
        asked = answer.asked
        config = self._config(asked.max_new_tokens, asked.sampling)
        self._known.append(asked.token_ids)
        answer.handle = self._submit(asked.token_ids, config)

    def _submit(self, token_ids: list[int], config: Any) -> Any:  # noqa: ANN401 - the library's
        self._number += 1
        ids = openvino.Tensor(np.array([token_ids], dtype=np.int64))
        return self._pipeline.add_request(self._number, ids, config)

    def _config(self, max_new_tokens: int, sampling: dict[str, float | int]) -> Any:  # noqa: ANN401
        config = openvino_genai.GenerationConfig()
        ends = self._options.eos_token_ids
        config.eos_token_id = ends[0] if ends else 0
        config.stop_token_ids = set(ends) or {0}
        config.ignore_eos = not ends
        config.max_new_tokens = max_new_tokens
        config.do_sample = "temperature" in sampling
        for name, value in sampling.items():
            setattr(config, name, value)
        return config

    def _hand_out(self) -> None:
        """Send what was written, of each answer at most once in ``FLUSH_S``."""
        now_s = time.perf_counter()
        written: list[tuple[str, list[int], bool]] = []
        for label, answer in tuple(self._answers.items()):
            if answer.handle is None:
                continue
            if answer.handle.can_read():
                for output in answer.handle.read().values():
                    answer.pending.extend(output.generated_ids)
            status = answer.handle.get_status()
            is_last = status != openvino_genai.GenerationStatus.RUNNING
            if status == openvino_genai.GenerationStatus.IGNORED:
                raise MemoryError("The cache is too small for a request.")
            is_due = answer.is_first or now_s - answer.flushed_s >= FLUSH_S
            if is_last or (answer.pending and is_due):
                written.append((label, answer.pending, is_last))
                answer.pending, answer.flushed_s, answer.is_first = [], now_s, False
            if is_last:
                del self._answers[label]
        self._send(WRITTEN, written)

    def _send(self, kind: str, value: object) -> None:
        self._out.write(line_of(kind, value))
        self._out.flush()


def _num_common(some: list[int], others: list[int]) -> int:
    """How many tokens two prompts begin with in common; whole parts alone."""
    num = min(len(some), len(others)) // PART_TOKENS * PART_TOKENS
    while num and some[:num] != others[:num]:
        num -= PART_TOKENS
    return num


def _taken(calls: "queue.SimpleQueue[bytes | None]", *, is_idle: bool) -> Iterator[bytes | None]:
    """The messages that have come; waits for one while there is nothing to do."""
    try:
        yield calls.get(timeout=None if is_idle else 0)
        while True:
            yield calls.get_nowait()
    except queue.Empty:
        return


def _read(calls: "queue.SimpleQueue[bytes | None]") -> None:
    """Pass standard input on, line by line; its end means that the worker has ended."""
    for line in sys.stdin.buffer:
        calls.put(line)
    calls.put(None)


def main() -> int:
    """Run the engine's process; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the worker as well
    # What the library prints must not get between the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        _, value = parsed(sys.stdin.buffer.readline())
        process = EngineProcess(PipelineOptions(**value), out)
        out.write(line_of(READY, None))
        out.flush()
        calls: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(calls,), daemon=True).start()
        process.run(calls)
    except BrokenPipeError:
        return 0
    except BaseException as error:  # noqa: BLE001 - the worker is told, whatever it is
        out.write(line_of(ERROR, f"{type(error).__name__}: {error}"))
        out.flush()
        os._exit(1)  # without the library's own clearing up, which may wait for ever
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
