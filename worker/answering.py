"""A chat: the conversation so far and a message in, the model's answer out."""

from dataclasses import dataclass

from shared.jobs import Job, Turn
from shared.ledger import Lease, Memory
from shared.replies import Done, Failed
from worker.engine.generation import Sampling
from worker.leases import Held
from worker.prompts import ASSISTANT, USER, Prompt, Question, make_prompt
from worker.store import Store
from worker.works import Outcome
from worker.writing import Draft, Mind

FORGOTTEN = "I have forgotten this conversation. We start afresh."
NOTHING_TO_SAY = "I have nothing to say to that."


@dataclass(frozen=True, slots=True)
class Manner:
    """What an operator decides about answers."""

    system_prompt: str
    sampling: Sampling
    max_turns: int
    retention_ms: int


class Answerer:
    """Writes answers with one model; on many threads at once."""

    def __init__(self, store: Store, mind: Mind, manner: Manner) -> None:
        self._store = store
        self._mind = mind
        self._manner = manner

    def answer(self, held: Held) -> Outcome:
        """Write an answer. See ``works.Work``."""
        lease = held.lease
        draft = Draft(self._store, self._mind.engine, held, lease.shown)
        written = draft.write(self._prompt(lease), self._manner.sampling)
        answer = draft.text.strip()
        if not answer:
            return Outcome(Failed(code="no_words", sentence=NOTHING_TO_SAY))
        return Outcome(Done(answer, written.finish_reason), self._memory(lease.job, answer))

    def forget(self, held: Held) -> Outcome:
        """Clear the conversation. See ``works.Work``."""
        del held
        return Outcome(Done(FORGOTTEN), Memory(forget=True))

    def _prompt(self, lease: Lease) -> Prompt:
        manner = self._manner
        question = Question(manner.system_prompt, lease.history, lease.job.text, lease.shown)
        return make_prompt(question, self._mind.tokenizer, self._mind.limits)

    def _memory(self, job: Job, answer: str) -> Memory:
        turns = (Turn(USER, job.text), Turn(ASSISTANT, answer))
        manner = self._manner
        return Memory(turns, max_turns=manner.max_turns, retention_ms=manner.retention_ms)
