"""A chat model that computes nothing: it writes letters, brisk or slow, as the question wants it.

For tests whose subject is not the engine. Its tokenizer is the tiny model's, a token a byte, so
that prompts are laid out, measured and refused as with that; a token that it writes is a letter.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from shared.replies import FinishReason
from shared.settings import Settings
from tests.fakes.tiny_model import CONTEXT_TOKENS, make_tokenizer
from worker.engine.protocol import Request, RequestLimits, Tokenizer
from worker.tasks.generate import ChatModel

SLOWLY = "slowly"
"""A question with this word in it is answered at a pace at which it can be stopped midway; what
somebody else has begun is ended soon all the same."""
TURN_CHARS = 200
"""From the end of a prompt: where its question stands."""
FIRST_LETTER_S = 0.1
BRISK_S = 0.4
"""What the rest of an answer takes, however long it is."""
SLOW_LETTER_S = 0.025
"""At this pace 120 letters take three seconds."""
ANSWER = "assistant: "
"""Stands in the tiny model's prompts before what it is to write, or to go on from."""
LETTERS = "the quick brown fox jumps over the lazy dog "
NUM_PARAMETERS = 100_000
MAX_NEW_TOKENS = 512


@dataclass(slots=True, eq=False)
class PacedLetters:
    """One answer. See ``protocol.Generation``."""

    request: Request
    letter_s: float
    number: int
    """Of all answers; each begins with another letter, so that people see when it is a new one."""
    is_over: threading.Event = field(default_factory=threading.Event)
    num_tokens: int = 0
    finish_reason: FinishReason | None = None

    def __iter__(self) -> Iterator[str]:
        """Letters, one at a time."""
        pause_s = FIRST_LETTER_S
        while self.num_tokens < self.request.max_new_tokens:
            if self.is_over.wait(pause_s):
                return
            yield LETTERS[(self.number + self.num_tokens) % len(LETTERS)]
            self.num_tokens += 1
            pause_s = self.letter_s
        self.finish_reason = FinishReason.LENGTH


class PacedModel:
    """Writes every answer at its own pace, however many there are. Thread-safe."""

    def __init__(self) -> None:
        # Looser in its types than what Parley asks of one.
        self.tokenizer = cast("Tokenizer", make_tokenizer(has_template=True))
        self._running: dict[str, PacedLetters] = {}
        self._numbers = itertools.count()

    def submit(self, request: Request) -> PacedLetters:
        """Begin an answer. See ``protocol.Engine``."""
        end = self.tokenizer.decode(request.prompt_ids[-TURN_CHARS:], skip_special_tokens=True)
        question, _, begun = end.rpartition(ANSWER)
        is_slow = SLOWLY in question and not begun
        letter_s = SLOW_LETTER_S if is_slow else BRISK_S / request.max_new_tokens
        letters = PacedLetters(request, letter_s, next(self._numbers))
        self._running[request.id] = letters
        return letters

    def cancel(self, request_id: str) -> None:
        """End an answer. See ``protocol.Engine``."""
        if letters := self._running.pop(request_id, None):
            letters.is_over.set()

    def close(self) -> None:
        """End all."""
        for request_id in tuple(self._running):
            self.cancel(request_id)

    @property
    def num_running(self) -> int:
        """How many answers are being written."""
        return len(self._running)


@contextlib.contextmanager
def paced_mind(
    settings: Settings, _stall_timeout_s: float, _abandon: Callable[[], None]
) -> Iterator[tuple[str, ChatModel]]:
    """As ``chat_model.chat_model_of``."""
    model = PacedModel()
    limits = RequestLimits.of(CONTEXT_TOKENS, settings.max_new_tokens, MAX_NEW_TOKENS)
    try:
        yield Path(settings.model).name, ChatModel(model, model.tokenizer, limits, NUM_PARAMETERS)
    finally:
        model.close()
