"""Sixteen answers of the included model, as a worker writes them, and when their pieces come."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.settings import read_settings
from tests.hostile.reading import Reading
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
    alone: list[tuple[float, float]] = field(default_factory=list)
    """When answers were written and no file was read."""
    is_over: threading.Event = field(default_factory=threading.Event)

    def write_alone(self, seconds: float) -> None:
        """Let them be written for so long, once all have begun."""
        while len(self.gaps) < NUM_ANSWERS * 4:
            time.sleep(0.1)
        begun_s = time.monotonic()
        time.sleep(seconds)
        self.alone.append((begun_s, time.monotonic()))

    @property
    def alone_s(self) -> float:
        """The median time between two pieces while no file is read."""
        return statistics.median(self._gaps(self.alone))

    def slower(self, readings: Sequence[Reading]) -> float:
        """How many times longer it is while these are read; 0 if no piece came meanwhile."""
        gaps = self._gaps([(each.begun_s, each.begun_s + each.seconds) for each in readings])
        return statistics.median(gaps) / self.alone_s if gaps else 0.0

    def _gaps(self, spans: Sequence[tuple[float, float]]) -> list[float]:
        return [
            gap
            for at_s, gap in list(self.gaps)
            if any(begun_s <= at_s <= ended_s for begun_s, ended_s in spans)
        ]

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
