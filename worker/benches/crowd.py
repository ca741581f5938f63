"""A long prompt among running answers: how much longer they wait for pieces meanwhile."""

import secrets
import threading
import time
from collections.abc import Sequence

from worker.engine.batching import BatchGeneration, BatchingEngine
from worker.engine.generation import Request

NUM_RUNNING = 16
LONG_TOKENS = 1500
NEW_TOKENS = 600
"""Of the running answers: enough to outlast the measurement."""
BEFORE_S = 3.0
POLL_S = 0.01
PATIENCE_S = 60.0


def stretch(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> float | None:
    """The time between pieces while the long prompt is read, over that before.

    Args:
        engine: with room for ``NUM_RUNNING`` answers and one more.
        prompts: short ones; used in turns.

    Returns:
        None if the running answers ended before.
    """
    tenant = secrets.token_hex(4)
    ids = [f"{tenant}-{number}" for number in range(NUM_RUNNING)]
    times_s: list[float] = []
    readers = []
    for number, name in enumerate(ids):
        request = Request(name, prompts[number % len(prompts)], NEW_TOKENS, salt=name)
        readers.append(threading.Thread(target=_read, args=(engine.submit(request), times_s)))
        readers[-1].start()
    try:
        _wait_for(times_s, 2 * NUM_RUNNING, readers)
        begun_s, num_begun = time.perf_counter(), len(times_s)
        time.sleep(BEFORE_S)
        before = (len(times_s) - num_begun) / (time.perf_counter() - begun_s)
        num_tokens = min(LONG_TOKENS, engine.limits.max_total_tokens // 2)
        prompt = (prompts[0] * (num_tokens // len(prompts[0]) + 1))[:num_tokens]
        begun_s, num_begun = time.perf_counter(), len(times_s)
        reading = engine.submit(Request(f"{tenant}-long", prompt, 1, salt=f"{tenant}-long"))
        next(iter(reading), None)
        meanwhile = (len(times_s) - num_begun) / (time.perf_counter() - begun_s)
        is_running = all(reader.is_alive() for reader in readers)
        return before / meanwhile if is_running and meanwhile else None
    finally:
        for name in ids:
            engine.cancel(name)
        for reader in readers:
            reader.join()


def _read(generation: BatchGeneration, times_s: list[float]) -> None:
    times_s.extend(time.perf_counter() for _ in generation)


def _wait_for(times_s: list[float], count: int, readers: Sequence[threading.Thread]) -> None:
    """Wait for so many pieces, or until no more will come."""
    until_s = time.perf_counter() + PATIENCE_S
    while len(times_s) < count and any(reader.is_alive() for reader in readers):
        if time.perf_counter() > until_s:
            return
        time.sleep(POLL_S)
