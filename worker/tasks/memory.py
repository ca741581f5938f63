"""What a conversation remembers of a question or a task, so that `make it shorter` can follow.

How a job's channel wants to be answered, laid over the worker's own settings. Pure.
"""

from dataclasses import dataclass

from shared.jobs import Audience, Job, Turn
from shared.languages import name_of
from shared.ledger.lifecycle import ConversationMemory
from worker.handler import NO_MEMORY
from worker.prompts.chat import ASSISTANT, USER


def system_prompt_of(job: Job, own_prompt: str) -> str:
    """What the model is told first.

    Args:
        job: whose channel may have a prompt of its own, and a language.
        own_prompt: the worker's.
    """
    manner = job.manner
    if manner is None:
        return own_prompt
    return f"{manner.system_prompt or own_prompt}{in_language(job)}"


def in_language(job: Job) -> str:
    """What is said to the model of the language of its answer; empty if that is the question's."""
    language = job.manner.language if job.manner else ""
    return f" Answer in {name_of(language)}." if language else ""


def kept_ms(job: Job, own_ms: int) -> int:
    """How long the job's conversation is remembered, in ms; ``own_ms`` is the worker's setting."""
    retention_ms = job.manner.retention_ms if job.manner else None
    return own_ms if retention_ms is None else retention_ms


@dataclass(frozen=True, slots=True)
class Remembering:
    """How much is remembered, and how long."""

    max_turns: int
    retention_ms: int

    def exchange(self, job: Job, asked: str, answer: str) -> ConversationMemory:
        """A question and its answer."""
        turns = (Turn(USER, asked, job.id), Turn(ASSISTANT, answer, job.id))
        return ConversationMemory(
            turns, max_turns=self.max_turns, retention_ms=kept_ms(job, self.retention_ms)
        )

    def memory(self, job: Job, asked: str, answer: str) -> ConversationMemory:
        """The task as a question and its answer.

        Nothing of what one person alone sees, and of a command, a menu or a reaction: none of them
        is a message of the conversation.
        """
        if job.origin.act or job.origin.audience is Audience.ASKER:
            return NO_MEMORY
        return self.exchange(job, asked, answer)
