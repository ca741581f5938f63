"""A chat: from the conversation so far and a message to the model's answer."""

import dataclasses
from dataclasses import dataclass

from shared.jobs import Job
from shared.ledger import thoughts
from shared.ledger.lifecycle import ConversationMemory, Lease
from shared.replies import Done, Failed, FinishReason, ThoughtSoFar
from worker.engine.protocol import Sampling
from worker.engine.thinking.opening import NO_THOUGHT
from worker.handler import Outcome, RunEndedError
from worker.leases import Ending, HeldLease
from worker.prompts.chat import Prompt, PromptInput, make_prompt
from worker.store import BlockingStore
from worker.tasks.attachments import pictures_of
from worker.tasks.generate import ChatModel, Draft
from worker.tasks.memory import Remembering, system_prompt_of

FORGOTTEN = "I have forgotten this conversation. We start afresh."
NOTHING_TO_SAY = "I have nothing to say to that."
RETRY_TEMPERATURE, RETRY_TOP_P = 0.8, 0.95


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """The operator's options for answers."""

    system_prompt: str
    sampling: Sampling
    remembering: Remembering


class Answerer:
    """Writes answers with one model; on many threads at once."""

    def __init__(self, store: BlockingStore, chat_model: ChatModel, manner: ChatOptions) -> None:
        self._store = store
        self._chat_model = chat_model
        self._options = manner

    def answer(self, held: HeldLease) -> Outcome:
        """Write an answer. See ``handler.Handler``."""
        lease = held.lease
        thought = self._thought(lease.job)
        draft = Draft(self._store, self._chat_model, held, lease.shown, thought.text)
        try:
            finish_reason = draft.write(
                self._prompt(lease, thought), self._sampling(lease.job)
            ).finish_reason
        except RunEndedError:
            if held.ending is not Ending.CANCELLED:
                raise
            finish_reason = FinishReason.CANCELLED
        answer = draft.text.strip()
        if not answer and finish_reason is not FinishReason.CANCELLED:
            return Outcome(Failed(code="no_words", sentence=NOTHING_TO_SAY))
        if not answer:
            return Outcome(Done(answer, finish_reason))
        memory = self._options.remembering.exchange(lease.job, lease.job.text, answer)
        return Outcome(Done(answer, finish_reason, has_thought=draft.has_thought), memory)

    def forget(self, held: HeldLease) -> Outcome:
        """Clear the conversation. See ``handler.Handler``."""
        del held
        return Outcome(Done(FORGOTTEN), ConversationMemory(forget=True))

    def _thought(self, job: Job) -> ThoughtSoFar:
        """What an earlier run of the job has thought; a server is not told of it."""
        notation = self._chat_model.notation
        if not notation.may_think or notation.habit:
            return NO_THOUGHT
        return self._store.run(thoughts.read(job.id)) or NO_THOUGHT

    def _prompt(self, lease: Lease, thought: ThoughtSoFar) -> Prompt:
        system = system_prompt_of(lease.job, self._options.system_prompt)
        pictures = pictures_of(lease.job.attachments)
        question = PromptInput(system, lease.history, lease.job.text, lease.shown, pictures)
        chat_model = self._chat_model
        terms = chat_model.terms_for(lease.job, thought)
        return make_prompt(
            question, chat_model.tokenizer, chat_model.limits, terms, chat_model.reader
        )

    def _sampling(self, job: Job) -> Sampling:
        """The sampling of a job: a retry samples, because the most likely words were not liked."""
        sampling = self._options.sampling
        if not job.num_retries or (sampling.temperature or 0.0) >= RETRY_TEMPERATURE:
            return sampling
        return dataclasses.replace(sampling, temperature=RETRY_TEMPERATURE, top_p=RETRY_TOP_P)
