"""The memory of a conversation: the turns a task leaves, so that `make it shorter` can follow.

Also applies a job's prompt overrides to the worker's own settings. Pure.
"""

from dataclasses import dataclass

from shared.jobs import Audience, Job, Turn
from shared.languages import name_of
from shared.ledger.lifecycle import ConversationMemory
from worker.handler import NO_MEMORY
from worker.prompts.chat import ASSISTANT, USER


def system_prompt_of(job: Job, own_prompt: str) -> str:
    """The system prompt of a job.

    Args:
        job: its channel may have a prompt of its own, and a language.
        own_prompt: the worker's.
    """
    manner = job.manner
    if manner is None:
        return own_prompt
    return f"{manner.system_prompt or own_prompt}{in_language(job)}"


def in_language(job: Job) -> str:
    """The instruction about the answer's language; empty if it is that of the question."""
    language = job.manner.language if job.manner else ""
    return f" Answer in {name_of(language)}." if language else ""


def kept_ms(job: Job, own_ms: int) -> int:
    """The retention of the job's conversation, in ms; ``own_ms`` is the worker's setting."""
    retention_ms = job.manner.retention_ms if job.manner else None
    return own_ms if retention_ms is None else retention_ms


@dataclass(frozen=True, slots=True)
class Remembering:
    """How many turns are remembered, and for how long."""

    max_turns: int
    retention_ms: int

    def exchange(self, job: Job, asked: str, answer: str) -> ConversationMemory:
        """The turns of a question and its answer."""
        people = (job.origin.user, *job.quoted)
        turns = (Turn(USER, asked, job.id, people), Turn(ASSISTANT, answer, job.id, people))
        return ConversationMemory(
            turns, max_turns=self.max_turns, retention_ms=kept_ms(job, self.retention_ms)
        )

    def memory(self, job: Job, asked: str, answer: str) -> ConversationMemory:
        """The turns of a task, as a question and its answer.

        None for an answer that only one person sees, or for a command, a menu or a reaction: those
        are no
        messages of the conversation.
        """
        if job.origin.act or job.origin.audience is Audience.ASKER:
            return NO_MEMORY
        return self.exchange(job, asked, answer)
