"""From a lease to the answer of its job: prompt, engine, text so far.

Nothing is finished or given back here; whoever called does that with what it gets.
"""

from dataclasses import dataclass

from shared.errors import DeadlineError, EngineLostError
from shared.jobs import Job, Turn
from shared.ledger import Lease, Memory
from shared.replies import Done, Failed, Final, FinishReason
from worker.engine.generation import Engine, Generation, Limits, Request, Sampling, Tokenizer
from worker.leases import Ending, Held
from worker.prompts import ASSISTANT, USER, Question, make_prompt
from worker.publish import SnapshotPublisher
from worker.store import Store

FORGOTTEN = "I have forgotten this conversation. We start afresh."
NOTHING_TO_SAY = "I have nothing to say to that."


@dataclass(frozen=True, slots=True)
class Mind:
    """The model as the tasks see it."""

    engine: Engine
    tokenizer: Tokenizer
    limits: Limits


@dataclass(frozen=True, slots=True)
class Manner:
    """What an operator decides about answers."""

    system_prompt: str
    sampling: Sampling
    deadline_s: float
    max_turns: int
    retention_ms: int


NO_MEMORY = Memory()
"""The conversation stays as it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to."""

    reply: Final
    memory: Memory = NO_MEMORY


class Answerer:
    """Writes answers with one model; on many threads at once."""

    def __init__(self, store: Store, mind: Mind, manner: Manner) -> None:
        self._store = store
        self._mind = mind
        self._manner = manner

    def answer(self, held: Held) -> Outcome | None:
        """Write an answer; None if its run had to end and nothing is to be said about it.

        Raises:
            RefusedError: it cannot be answered as it was asked.
            EngineError: the engine died of it.
            InterruptedError: the engine has ended; the job is not to blame.
        """
        lease = held.lease
        request = self._request(lease)
        publisher = SnapshotPublisher(self._store, lease)
        generation = self._submit(request)
        held.when_over(lambda: self._mind.engine.cancel(request.id))
        try:
            for piece in generation:
                publisher.push(piece)
        finally:
            self._mind.engine.cancel(request.id)
        if generation.finish_reason is not None:
            return self._answered(lease.job, publisher.text, generation.finish_reason)
        if held.ending is Ending.STOPPED:
            publisher.flush()  # whoever takes over goes on from there
        if held.ending is None:
            raise InterruptedError("The engine was closed.")
        return self.unanswered(held, publisher.text)

    def forget(self) -> Outcome:
        """Clear the conversation."""
        return Outcome(Done(FORGOTTEN), Memory(forget=True))

    def unanswered(self, held: Held, text: str) -> Outcome | None:
        """What is said about a run that had to end with so much text; None for nothing."""
        if held.ending is not Ending.EXPIRED:
            return None
        return Outcome(DeadlineError(self._manner.deadline_s).to_reply(text.strip()))

    def _request(self, lease: Lease) -> Request:
        mind, manner = self._mind, self._manner
        question = Question(manner.system_prompt, lease.history, lease.job.text, lease.shown)
        prompt = make_prompt(question, mind.tokenizer, mind.limits)
        return Request(
            # Two runs of a job may meet in one engine, so the lease's token names the request.
            id=f"{lease.job.id}-{lease.token}",
            prompt_ids=prompt.token_ids,
            max_new_tokens=prompt.max_new_tokens,
            sampling=manner.sampling,
            stop=prompt.stop,
            salt=lease.job.origin.tenant,
        )

    def _submit(self, request: Request) -> Generation:
        try:
            return self._mind.engine.submit(request)
        except EngineLostError as error:
            raise InterruptedError("The engine was lost before.") from error

    def _answered(self, job: Job, text: str, reason: FinishReason) -> Outcome:
        answer = text.strip()
        if not answer:
            return Outcome(Failed(code="no_words", sentence=NOTHING_TO_SAY))
        turns = (Turn(USER, job.text), Turn(ASSISTANT, answer))
        manner = self._manner
        memory = Memory(turns, max_turns=manner.max_turns, retention_ms=manner.retention_ms)
        return Outcome(Done(answer, reason), memory)
