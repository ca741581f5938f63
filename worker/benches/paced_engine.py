"""An engine that writes at a fixed rate and computes nothing, for ``parley bench scale``.

With it a worker costs no processor time, so that the rest limits the number of workers.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shared.replies import FinishReason
from shared.settings import Settings
from worker.engine.protocol import Request, RequestLimits
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.tasks.generate import ChatModel

MODEL = "paced"
WORDS = ("one ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight ")
CONTEXT_TOKENS = 8192
MAX_NEW_TOKENS = 512
LARGE = 10_000_000_000


@dataclass(slots=True, eq=False)
class PacedGeneration:
    """One answer: one word every ``pause_s``."""

    request: Request
    pause_s: float
    is_over: threading.Event = field(default_factory=threading.Event)
    num_tokens: int = 0
    finish_reason: FinishReason | None = None

    def __iter__(self) -> Iterator[str]:
        """Words. See ``protocol.Generation``."""
        while self.num_tokens < self.request.max_new_tokens:
            if self.is_over.wait(self.pause_s):
                return
            yield WORDS[self.num_tokens % len(WORDS)]
            self.num_tokens += 1
        self.finish_reason = FinishReason.LENGTH


class PacedEngine:
    """Writes every answer at the same rate, at any number of answers. Thread-safe."""

    def __init__(self, tokens_per_s: float) -> None:
        self._pause_s = 1 / tokens_per_s
        self._running: dict[str, PacedGeneration] = {}

    def submit(self, request: Request) -> PacedGeneration:
        """Start an answer. See ``protocol.Engine``."""
        generation = PacedGeneration(request, self._pause_s)
        self._running[request.id] = generation
        return generation

    def cancel(self, request_id: str) -> None:
        """End an answer. See ``protocol.Engine``."""
        if generation := self._running.pop(request_id, None):
            generation.is_over.set()

    def close(self) -> None:
        """End all answers."""
        for request_id in tuple(self._running):
            self.cancel(request_id)

    @property
    def num_running(self) -> int:
        """The number of answers being written."""
        return len(self._running)


@contextlib.contextmanager
def paced_chat_model(
    settings: Settings, tokens_per_s: float, _abandon: Callable[[], None]
) -> Iterator[tuple[str, ChatModel]]:
    """A factory like ``chat_model.chat_model_of``, without a model."""
    engine = PacedEngine(tokens_per_s)
    limits = RequestLimits.of(CONTEXT_TOKENS, settings.max_new_tokens, MAX_NEW_TOKENS)
    try:
        yield MODEL, ChatModel(engine, PlainTokenizer(), limits, LARGE)
    finally:
        engine.close()
