"""Batches of OpenVINO's pipeline: each is a process, so that a crash costs the batch alone."""

import contextlib
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.engine.batch import Admission
from worker.engine.openvino.wire import (
    ADD,
    CANCEL,
    ERROR,
    READY,
    AddMessage,
    PipelineOptions,
    line_of,
    parsed,
)
from worker.engine.protocol import Sampling
from worker.engine.tenant_salt import LABEL_PREFIX_CHARS

COMMAND = (sys.executable, "-m", "worker.engine.openvino.process")
MAX_SALTED_ID = 2**31 - 1
"""A processor computes token ids in 32 bits."""
KILLED_S = 5.0
"""A killed process ends in milliseconds; this is for a machine that swaps."""
SEED_BITS = 31
SEED_STEP = 1_000_003
"""Any prime: the draws of a request that goes on in another batch differ from its first ones."""


@dataclass(slots=True)
class OpenVinoOutput:
    """The output of a request so far; see ``worker.engine.batch.BatchOutput``."""

    request_id: str
    generated_tokens: list[int]
    is_last: bool
    error: str | None = None

    def is_finished(self) -> bool:
        """Whether this is the last output."""
        return self.is_last


@dataclass(slots=True)
class TenantOffsets:
    """A number for each tenant, which is added to the first token of its prompts.

    The prepared model takes it off again (``files.with_salt``), so no answer changes. The cache of
    prefixes hashes the tokens as they come, and each block's hash covers the one before it: what
    one tenant has asked is never found by another.
    """

    vocabulary: int
    _numbers: dict[str, int] = field(default_factory=dict)

    def salted(self, label: str, token_ids: list[int]) -> list[int]:
        """The tokens with the offset of the tenant whose salt begins the label."""
        salt = label[:LABEL_PREFIX_CHARS]
        number = self._numbers.setdefault(salt, len(self._numbers))
        most = MAX_SALTED_ID // self.vocabulary
        if number >= most:  # more tenants than numbers: forget all, prefixes of old ones lie unused
            self._numbers.clear()
            number = self._numbers.setdefault(salt, 0)
        first, *rest = token_ids
        return [first + self.vocabulary * number, *rest]


class OpenVinoBatch:
    """One life of the engine's process. Thread-safe."""

    def __init__(self, options: PipelineOptions, offsets: TenantOffsets) -> None:
        """Start the process; it loads the model meanwhile."""
        self._options = options
        self._offsets = offsets
        self._process = subprocess.Popen(  # noqa: S603 - our own module, in this Python
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._outputs: queue.SimpleQueue[OpenVinoOutput | None] = queue.SimpleQueue()
        self._written: dict[str, list[int]] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        """Another one: what is written must be read while a long prompt is being sent."""
        self._is_dead = False
        self._cause = ""
        self.num_moves = 0
        """Grows with every message, and ten times a second while there is no work."""
        self.has_begun = False
        """Whether a step has ended; if not, no request can have ended the process."""
        self._send(line_of("open", options))
        self._reader = threading.Thread(target=self._read, name="openvino", daemon=True)
        self._reader.start()

    def add(self, request_id: str, token_ids: list[int], terms: Admission) -> bool:
        """Add a request. See ``worker.engine.batch.Batch``."""
        ids = (
            self._offsets.salted(request_id, token_ids)
            if self._options.shares_prefixes
            else token_ids
        )
        asked = AddMessage(request_id, ids, terms.max_new_tokens, _sampling(terms))
        with self._lock:
            self._written[request_id] = []
        return self._send(line_of(ADD, asked))

    def cancel_request(self, request_id: str) -> None:
        """Drop a request before the next step."""
        with self._lock:
            self._written.pop(request_id, None)
        self._send(line_of(CANCEL, request_id))

    def get_result(self, *, timeout: float) -> OpenVinoOutput | None:
        """The next output, if one arrives within so many seconds."""
        try:
            return self._outputs.get(timeout=timeout)
        except queue.Empty:
            if not self._written:
                self.num_moves += 1
            return None

    @property
    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self._is_dead

    def bury(self, timeout_s: float) -> str:
        """End the process; return the name of what it died of."""
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(timeout_s, KILLED_S))
        self._reader.join(max(timeout_s, KILLED_S))
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return self._cause or f"exit code {self._process.returncode}"

    def _send(self, line: bytes) -> bool:
        stream = self._process.stdin
        try:
            with self._sending:
                if stream is None or self._is_dead:
                    return False
                stream.write(line)
                stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def _read(self) -> None:
        """Pass on what the process writes, until it ends."""
        stream = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            for line in stream or ():
                self._take(line)
        self._is_dead = True
        self._outputs.put(None)

    def _take(self, line: bytes) -> None:
        kind, value = parsed(line)
        self.num_moves += 1
        if kind == ERROR:
            self._cause = value
        elif kind != READY:
            self.has_begun = True
            self._pass_on(value)

    def _pass_on(self, written: Sequence[tuple[str, list[int], bool]]) -> None:
        for label, tokens, is_last in written:
            with self._lock:
                so_far = self._written.get(label)
                if so_far is None:
                    continue  # cancelled
                so_far.extend(tokens)
                if is_last:
                    del self._written[label]
                self._outputs.put(OpenVinoOutput(label, list(so_far), is_last))


@dataclass(slots=True)
class OpenVinoBatches:
    """A factory of batches around one prepared model; see ``worker.engine.batch.Batches``."""

    options: PipelineOptions
    capacity_tokens: int
    weight_bytes: int
    vocabulary: int
    _first: OpenVinoBatch | None = None
    """Started in advance, so that it loads while the worker imports."""

    def start_early(self) -> None:
        """Start the first batch before it is asked for."""
        self._first = self._new()

    def start(self) -> OpenVinoBatch:
        """Start a new batch."""
        first, self._first = self._first, None
        return first or self._new()

    def close(self) -> None:
        """End the batch that was started before it was asked for, if it never was."""
        first, self._first = self._first, None
        if first is not None:
            first.bury(0)

    def _new(self) -> OpenVinoBatch:
        return OpenVinoBatch(self.options, TenantOffsets(self.vocabulary))


def _sampling(terms: Admission) -> dict[str, float | int]:
    """The attributes of OpenVINO's configuration for a request that differ from its own."""
    sampling: Sampling = terms.sampling
    if not sampling.temperature:
        penalty = sampling.repetition_penalty
        return {} if penalty in (None, 1.0) else {"repetition_penalty": penalty}
    values = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or None,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
    }
    seed = secrets.randbits(SEED_BITS) if sampling.seed is None else sampling.seed
    values["rng_seed"] = (seed + SEED_STEP * terms.num_drawn) % 2**SEED_BITS
    return {name: value for name, value in values.items() if value is not None}
