"""Generation with the chat model, shared by all writing tasks: prompts in, streamed text out."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import EngineLostError
from shared.jobs import Effort, Job
from shared.replies import FinishReason, ThoughtSoFar
from worker.engine.protocol import (
    NO_THINKING,
    Engine,
    Generation,
    ModelInfo,
    PictureReader,
    Request,
    RequestLimits,
    Sampling,
    Thinking,
    Thought,
    Tokenizer,
)
from worker.engine.thinking.notation import NO_NOTATION, Notation, notation_of
from worker.engine.thinking.opening import NO_THOUGHT, ThinkingTerms, after_thought
from worker.engine.thinking.splitter import Part, Retraction, Splitter, Start
from worker.handler import RunEndedError
from worker.leases import Ending, HeldLease
from worker.prompts.chat import Prompt
from worker.store import BlockingStore
from worker.tasks.snapshots import SnapshotPublisher

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
    notation: Notation = NO_NOTATION
    thinking: Thinking = NO_THINKING
    """As the worker's settings have it."""
    reader: PictureReader | None = None
    """Lays pictures into its prompts; None where it sees none, or the engine does that."""

    def terms_for(self, job: Job, thought: ThoughtSoFar = NO_THOUGHT) -> ThinkingTerms:
        """Whether the model thinks about a job: by its words, else its channel, else the settings.

        Args:
            job: the job.
            thought: what an earlier run of it has thought.
        """
        asked = job.effort or (job.manner.thinking if job.manner else None)
        thinking = dataclasses.replace(self.thinking, effort=asked or self.thinking.effort)
        return ThinkingTerms(self.notation, thinking, thought)

    @property
    def terms_of_tasks(self) -> ThinkingTerms:
        """For short tasks, which are done without a thought."""
        return ThinkingTerms(self.notation, Thinking(Effort.OFF))


def chat_model_around(
    engine: Engine, info: ModelInfo, limits: RequestLimits, thinking: Thinking = NO_THINKING
) -> ChatModel:
    """The chat model for an engine of this process."""
    return ChatModel(
        engine,
        info.tokenizer,
        limits,
        info.num_parameters,
        notation=notation_of(info.tokenizer),
        thinking=thinking,
    )


@dataclass(frozen=True, slots=True)
class Written:
    """The model's text for one prompt."""

    text: str
    finish_reason: FinishReason


class _SplitAnswer:
    """One generation while it is read: its text without its thoughts, and where it has to end."""

    def __init__(self, prompt: Prompt, show: Callable[[str], None]) -> None:
        self._prompt = prompt
        self._show = show
        self._splitter = Splitter(prompt.notation, prompt.start)
        self._num_thought_tokens = 0
        self.text = ""
        self.thought = ""
        self.cut: FinishReason | None = None
        """LENGTH once the thought or the answer has its full length."""

    @property
    def is_thinking(self) -> bool:
        """Whether a thought is open, or nothing else has come."""
        return self._splitter.is_thinking or bool(self.thought and not self.text.strip())

    def take(self, piece: str, num_tokens: int, publisher: SnapshotPublisher) -> None:
        """Take a piece of the generation, which has written so many tokens."""
        for part in self._splitter.push(piece):
            self._take(part, publisher)
        most = self._prompt.thinking.max_tokens
        if self._splitter.is_thinking:
            self._num_thought_tokens = num_tokens
            is_full = num_tokens >= most > 0
        else:
            is_full = most > 0 and num_tokens - self._num_thought_tokens >= (
                self._prompt.max_new_tokens
            )
        if is_full:
            self.cut = FinishReason.LENGTH

    def end(self, reason: FinishReason | None, publisher: SnapshotPublisher) -> None:
        """Take what was held back."""
        is_cut = (self.cut or reason) is FinishReason.LENGTH
        for part in self._splitter.flush(is_cut=is_cut):
            self._take(part, publisher)

    def _take(self, part: Part, publisher: SnapshotPublisher) -> None:
        if isinstance(part, Retraction):
            publisher.take_back(len(self.text))
            self.text = ""
        elif isinstance(part, Thought):
            self.thought += part
            publisher.think(part)
        else:
            publisher.end_thought()
            self.text += part
            self._show(part)


class Draft:
    """One answer while it is being written, by one prompt or several; streamed as it grows."""

    def __init__(
        self,
        store: BlockingStore,
        chat_model: ChatModel,
        held: HeldLease,
        shown: str = "",
        thought: str = "",
    ) -> None:
        """``shown`` and ``thought``: what an earlier run has written, and is continued."""
        self._chat_model = chat_model
        self._engine = engine = chat_model.engine
        self._held = held
        self._publisher = SnapshotPublisher(
            store,
            held.lease,
            lambda: engine.num_running,
            shown,
            on_progress=held.on_progress,
        )
        self._publisher.thought = thought
        self._num_requests = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._publisher.text

    @property
    def has_thought(self) -> bool:
        """Whether the model has thought."""
        return bool(self._publisher.thought.strip())

    def add(self, text: str) -> None:
        """Add text that the model did not write."""
        self._publisher.push(text)

    def write(self, prompt: Prompt, sampling: Sampling, *, is_shown: bool = True) -> Written:
        """Have the model continue a prompt; a thought that has its full length is ended.

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
        show = self._publisher.push if is_shown else _drop
        reading, reason = self._run(prompt, sampling, show, len(prompt.token_ids))
        if reading.is_thinking:
            after = _after_thought(prompt, reading.thought, self._chat_model)
            reading, reason = self._run(after, sampling, show, 0)
        self._publisher.end_thought()
        return Written(reading.text, reason)

    def _run(
        self, prompt: Prompt, sampling: Sampling, show: Callable[[str], None], num_counted: int
    ) -> tuple[_SplitAnswer, FinishReason]:
        """Read one request to its end; count its tokens with ``num_counted`` of the prompt."""
        request = self._request(prompt, sampling)
        generation = self._submit(request)
        self._held.when_over(lambda: self._engine.cancel(request.id))
        reading = _SplitAnswer(prompt, show)
        try:
            for piece in generation:
                reading.take(piece, generation.num_tokens, self._publisher)
                if reading.cut:
                    break
        finally:
            self._engine.cancel(request.id)
            self._held.num_tokens += num_counted + generation.num_tokens
        reason = reading.cut or generation.finish_reason
        if reason is not None:
            reading.end(reason, self._publisher)
            return reading, reason
        if self._held.ending is Ending.STOPPED:
            self._publisher.flush()  # the next run continues from there
        if self._held.ending is None:
            raise InterruptedError("The engine was closed.")
        raise RunEndedError(self.text)

    def _request(self, prompt: Prompt, sampling: Sampling) -> Request:
        lease = self._held.lease
        self._num_requests += 1
        return Request(
            # Two runs of a job may meet in one engine, so the lease's token is part of the
            # request's id.
            id=f"{lease.job.id}-{lease.token}-{self._num_requests}",
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=sampling,
            stop=prompt.stop,
            pictures=prompt.pictures,
            inputs=prompt.inputs,
            salt=lease.job.origin.tenant,
            thinking=prompt.thinking,
        )

    def _submit(self, request: Request) -> Generation:
        try:
            return self._engine.submit(request)
        except EngineLostError as error:
            raise InterruptedError("The engine was lost before.") from error


def _after_thought(prompt: Prompt, thought: str, chat_model: ChatModel) -> Prompt:
    """The prompt for the answer alone, after a thought that was ended or was all that came.

    A server lays the prompt out by itself: it is asked once more, without a thought.
    """
    if prompt.notation.habit:
        return dataclasses.replace(prompt, thinking=NO_THINKING, start=Start.ANSWER)
    most = chat_model.limits.max_total_tokens - len(prompt.token_ids) - 1
    for text in (thought, ""):
        closed = after_thought(text, prompt.notation, prompt.start)
        more = chat_model.tokenizer.encode(closed, add_special_tokens=False)
        if len(more) <= most:
            break
    longest = max(1, min(prompt.max_new_tokens, most + 1 - len(more)))
    return dataclasses.replace(
        prompt,
        token_ids=(*prompt.token_ids, *more),
        max_new_tokens=longest,
        thinking=NO_THINKING,
        start=Start.WRITING,
    )


def _drop(piece: str) -> None:
    """Drop a piece of text that is not shown."""
