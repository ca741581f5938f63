"""Sixteen answers of the included model, as a worker writes them, and when their pieces come."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.settings import read_settings
from worker.chat_model import chat_model_of
from worker.engine.protocol import Request, Sampling
from worker.tasks.generate import ChatModel

NUM_ANSWERS = 16
NUM_TOKENS = 400
STALL_S = 120.0
NUMBERS = itertools.count()


@dataclass(slots=True)
class Answers:
    """The answers that are being written."""

    chat_model: ChatModel
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """When a piece came, and how long after the one before; in seconds."""
    is_over: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> float:
        """Let them be written for so long, once all have begun; return when that time began."""
        while len(self.gaps) < NUM_ANSWERS * 4:
            time.sleep(0.1)
        begun_s = time.monotonic()
        time.sleep(seconds)
        return begun_s

    def gap_s(self, begun_s: float, ended_s: float | None) -> float:
        """The median time between two pieces of an answer in this time; 0 if there were none."""
        until_s = time.monotonic() if ended_s is None else ended_s
        found = [gap for at_s, gap in list(self.gaps) if begun_s <= at_s <= until_s]
        return statistics.median(found) if found else 0.0

    def write(self, number: int) -> None:
        """Write one answer after the other."""
        words = self.chat_model.tokenizer.encode(f"Tell story {number}.", add_special_tokens=False)
        while not self.is_over.is_set():
            request = Request(
                str(next(NUMBERS)), tuple(words), NUM_TOKENS, Sampling(temperature=1.0)
            )
            before_s = None
            for _piece in self.chat_model.engine.submit(request):
                now_s = time.monotonic()
                if before_s is not None:
                    self.gaps.append((now_s, now_s - before_s))
                before_s = now_s
                if self.is_over.is_set():
                    self.chat_model.engine.cancel(request.id)


@contextmanager
def writing() -> Iterator[Answers]:
    """Sixteen answers, written on and on while the block runs."""
    with chat_model_of(read_settings({}, None), STALL_S, lambda: None) as (_, chat_model):
        answers = Answers(chat_model)
        threads = [
            threading.Thread(target=answers.write, args=(number,)) for number in range(NUM_ANSWERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield answers
        finally:
            answers.is_over.set()
            for thread in threads:
                thread.join()
