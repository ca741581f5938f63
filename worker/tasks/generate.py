"""Generation with the chat model, shared by all writing tasks: prompts in, streamed text out.

Publishes the text so far as snapshots, rate-limited.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from shared.errors import EngineLostError
from shared.ledger import lifecycle
from shared.ledger.lifecycle import Lease
from shared.logs import get_logger
from shared.replies import FinishReason, Snapshot
from shared.streaming_cadence import MOST_SNAPSHOTS_PER_S, SNAPSHOT_EVERY_S
from worker.engine.protocol import (
    Engine,
    Generation,
    ModelInfo,
    Request,
    RequestLimits,
    Sampling,
    Tokenizer,
)
from worker.handler import RunEndedError
from worker.leases import Ending, HeldLease
from worker.prompts.chat import Prompt
from worker.store import BlockingStore

log = get_logger(__name__)


class SnapshotPublisher:
    """Collects the pieces of one answer and publishes the text so far."""

    def __init__(
        self,
        store: BlockingStore,
        lease: Lease,
        num_written: Callable[[], int],
        shown: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing published.

        Args:
            store: where snapshots are published.
            lease: the job's.
            num_written: how many answers are being written now.
            shown: the text that is already shown and is continued.
            clock: in seconds.
        """
        self._store = store
        self._num_written = num_written
        self._lease = lease
        self._clock = clock
        self._last_s = float("-inf")
        self.text = shown

    def push(self, piece: str) -> None:
        """Add a piece; publish if the last snapshot is old enough."""
        self.text += piece
        now_s = self._clock()
        if now_s - self._last_s < max(SNAPSHOT_EVERY_S, self._num_written() / MOST_SNAPSHOTS_PER_S):
            return
        self._last_s = now_s
        self.flush()

    def flush(self) -> None:
        """Publish the text so far.

        A snapshot that Redis does not accept is no loss: the next one holds its text.
        """
        call = lifecycle.publish_snapshot(
            self._lease.job.id, self._lease.token, Snapshot(self.text)
        )
        try:
            self._store.run(call)
        except (redis.RedisError, OSError) as error:
            log.warning("snapshot_not_published", error=type(error).__name__)


SMALL = 1_000_000_000
"""A chat model with fewer parameters is not reliable for translations and for answers in its own
words; docs/tasks.md has the measurements."""


@dataclass(frozen=True, slots=True)
class ChatModel:
    """The chat model as the tasks see it."""

    engine: Engine
    tokenizer: Tokenizer
    limits: RequestLimits
    num_parameters: int = 0
    """The number of its weights: small models are trusted with less."""
    can_see: bool = False
    """Whether it accepts pictures."""


def chat_model_around(engine: Engine, info: ModelInfo, limits: RequestLimits) -> ChatModel:
    """The chat model for an engine of this process."""
    return ChatModel(engine, info.tokenizer, limits, info.num_parameters)


@dataclass(frozen=True, slots=True)
class Written:
    """The model's text for one prompt."""

    text: str
    finish_reason: FinishReason


class Draft:
    """One answer while it is being written, by one prompt or several; streamed as it grows."""

    def __init__(
        self, store: BlockingStore, engine: Engine, held: HeldLease, shown: str = ""
    ) -> None:
        """``shown``: the text that is already shown and is continued."""
        self._engine = engine
        self._held = held
        self._publisher = SnapshotPublisher(store, held.lease, lambda: engine.num_running, shown)
        self._num_requests = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._publisher.text

    def add(self, text: str) -> None:
        """Add text that the model did not write."""
        self._publisher.push(text)

    def write(self, prompt: Prompt, sampling: Sampling, *, is_shown: bool = True) -> Written:
        """Have the model continue a prompt.

        Args:
            prompt: the prompt.
            sampling: the sampler's parameters.
            is_shown: whether the text becomes a part of the answer as it arrives.

        Raises:
            PromptTooLongError: it can never fit.
            RunEndedError, EngineError, InterruptedError: as of ``handler.Handler``.
        """
        if prompt.max_new_tokens == 0:
            return Written("", FinishReason.LENGTH)
        lease = self._held.lease
        self._num_requests += 1
        request = Request(
            # Two runs of a job may meet in one engine, so the lease's token is part of the
            # request's id.
            id=f"{lease.job.id}-{lease.token}-{self._num_requests}",
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=sampling,
            stop=prompt.stop,
            pictures=prompt.pictures,
            salt=lease.job.origin.tenant,
        )
        return self._run(request, self._publisher.push if is_shown else _drop)

    def _run(self, request: Request, show: Callable[[str], None]) -> Written:
        generation = self._submit(request)
        self._held.when_over(lambda: self._engine.cancel(request.id))
        pieces: list[str] = []
        try:
            for piece in generation:
                pieces.append(piece)
                show(piece)
        finally:
            self._engine.cancel(request.id)
            self._held.num_tokens += len(request.prompt_ids) + generation.num_tokens
        if generation.finish_reason is not None:
            return Written("".join(pieces), generation.finish_reason)
        if self._held.ending is Ending.STOPPED:
            self._publisher.flush()  # the next run continues from there
        if self._held.ending is None:
            raise InterruptedError("The engine was closed.")
        raise RunEndedError(self.text)

    def _submit(self, request: Request) -> Generation:
        try:
            return self._engine.submit(request)
        except EngineLostError as error:
            raise InterruptedError("The engine was lost before.") from error


def _drop(piece: str) -> None:
    """Drop a piece of text that is not shown."""
