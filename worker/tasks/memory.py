"""What a conversation remembers of a task, so that `make it shorter` can follow. Pure."""

from dataclasses import dataclass

from shared.jobs import Audience, Job, Turn
from shared.ledger.lifecycle import Memory
from worker.prompts.chat import ASSISTANT, USER
from worker.tasks.manners import kept_ms

NOTHING = Memory()


@dataclass(frozen=True, slots=True)
class Remembering:
    """How much is remembered, and how long."""

    max_turns: int
    retention_ms: int

    def memory(self, job: Job, asked: str, answer: str) -> Memory:
        """The task as a question and its answer.

        Nothing of what one person alone sees, and of a command, a menu or a reaction: none of them
        is a message of the conversation.
        """
        if job.origin.act or job.origin.audience is Audience.ASKER:
            return NOTHING
        turns = (Turn(USER, asked, job.id), Turn(ASSISTANT, answer, job.id))
        return Memory(turns, max_turns=self.max_turns, retention_ms=kept_ms(job, self.retention_ms))
