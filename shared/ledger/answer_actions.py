"""What people do with an answer: stop it, have it written again, take the question back.

The steps of ``shared.ledger.lua.verbs`` as calls; ``bots.incoming.answer_actions`` runs them.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.jobs import Job
from shared.ledger import codec
from shared.ledger.calls import Call, Raw, text_of
from shared.ledger.lifecycle import STOPPED, Ready
from shared.ledger.lua import verbs as scripts


class Did(StrEnum):
    """What became of it."""

    UNKNOWN = "unknown"
    """The ledger knows no such job, or not any more."""
    OVER = "over"
    """It is too late for that."""
    BUSY = "busy"
    """The answer is just being shown: ask again soon."""
    TOLD = "told"
    """A worker has it in hand, and ends it at once."""
    STOPPED = "stopped"
    AGAIN = "again"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step did."""

    did: Did
    ready: Ready | None = None
    """The job that may run next, and has to be handed to Celery."""
    posted: tuple[str, ...] = ()
    """The messages that stand and have to go."""


Step = Call[Effect]


def stop(job_id: str) -> Step:
    """End an answer as it is by now."""
    return Call(scripts.STOP, (job_id, codec.encode(STOPPED)), _read)


def again(job: Job, deadline_ms: int) -> Step:
    """Run a job again, as it reads now, in the messages that it has."""
    return Call(scripts.AGAIN, (job.id, codec.encode(job), job.kind, deadline_ms), _read)


def withdraw(job_id: str) -> Step:
    """End a job whose message was deleted; what stands of its answer has to go."""
    return Call(scripts.WITHDRAW, (job_id,), _read)


def _read(raw: Raw) -> Effect:
    did, *words = (text_of(word) for word in raw)
    next_id, next_words, *posted = [*words, "", ""]
    ready = Ready.read(next_id, next_words) if next_id else None
    return Effect(Did(did), ready, tuple(part for part in posted if part))
