"""A long prompt among running answers: how much longer they wait for pieces meanwhile."""

import itertools
import secrets
import threading
import time
from collections.abc import Sequence

from worker.engine.engine import BatchingEngine
from worker.engine.protocol import Request

NUM_RUNNING = 16
LONG_TOKENS = 1500
NEW_TOKENS = 600
"""Of a running answer; another follows it."""
SETTLE_S, BEFORE_S = 2.0, 3.0


def stretch(engine: BatchingEngine, prompts: Sequence[tuple[int, ...]]) -> float:
    """The time between pieces while the long prompt is read, over that before.

    Args:
        engine: with room for ``NUM_RUNNING`` answers and one more.
        prompts: short ones; used in turns.
    """
    tenant = secrets.token_hex(4)
    times_s: list[float] = []
    is_over = threading.Event()

    def keep_writing(number: int) -> None:
        for turn in itertools.count():
            name = f"{tenant}-{number}-{turn}"
            prompt = prompts[number % len(prompts)]
            for _ in engine.submit(Request(name, prompt, NEW_TOKENS, salt=name)):
                times_s.append(time.perf_counter())
                if is_over.is_set():
                    engine.cancel(name)
                    return

    writers = [threading.Thread(target=keep_writing, args=(at,)) for at in range(NUM_RUNNING)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(SETTLE_S)  # all prompts are read by then
        begun_s, num_begun = time.perf_counter(), len(times_s)
        time.sleep(BEFORE_S)  # what is measured is how much comes in a while
        before = (len(times_s) - num_begun) / (time.perf_counter() - begun_s)
        num_tokens = min(LONG_TOKENS, engine.limits.max_total_tokens // 2)
        prompt = (prompts[0] * (num_tokens // len(prompts[0]) + 1))[:num_tokens]
        begun_s, num_begun = time.perf_counter(), len(times_s)
        reading = engine.submit(Request(f"{tenant}-long", prompt, 1, salt=f"{tenant}-long"))
        next(iter(reading), None)
        num_meanwhile = max(1, len(times_s) - num_begun)
        return before * (time.perf_counter() - begun_s) / num_meanwhile
    finally:
        is_over.set()
        for writer in writers:
            writer.join()
