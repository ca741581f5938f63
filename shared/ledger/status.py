"""What workers say of themselves, what people who wait are told, and what operators ask and do.

The steps of ``shared.ledger.lua.operating`` as calls for either side and for the command line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.jobs import Job
from shared.ledger import codec
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lifecycle import Ready
from shared.ledger.lua import operating as scripts


class WorkerState(StrEnum):
    """Whether a worker can answer."""

    LOADING = "loading"
    """It is there and will be ready soon."""
    READY = "ready"
    STOPPING = "stopping"
    """It finishes what it has and takes nothing new."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a live worker says of itself."""

    name: str
    state: WorkerState
    model: str
    slots: int
    """Answers that it can write at once."""
    running: int
    """Answers that it is writing now."""


def sign_of_life(report: WorkerReport) -> Call[bool]:
    """Be known as alive for the next ``WORKER_LIFETIME_MS``."""
    fields = (
        *("state", report.state, "model", report.model),
        *("slots", report.slots, "running", report.running),
    )
    return Call(scripts.SIGN_OF_LIFE, (report.name, *fields), is_one)


def farewell(name: str) -> Call[bool]:
    """A worker ends: nobody need wait for it."""
    return Call(scripts.FAREWELL, (name,), is_one)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands that may not have been begun."""

    state: str
    num_ahead: int
    wait_ms: int | None
    """Until it is begun, as far as can be told; None before anything has been measured."""
    num_ready: int
    """Workers that answer now."""
    num_alive: int
    """Workers that are there, loading ones too."""


def place(job_id: str) -> Call[Place | None]:
    """How long a job still has to wait; None for a job that nobody knows."""

    def read(raw: Raw) -> Place | None:
        if not raw:
            return None
        ahead, wait_ms, ready, alive = (int(word) for word in raw[1:])
        return Place(text_of(raw[0]), ahead, wait_ms if wait_ms >= 0 else None, ready, alive)

    return Call(scripts.PLACE, (job_id,), read)


@dataclass(frozen=True, slots=True)
class Status:
    """What an operator sees at a glance."""

    num_queued: int
    num_running: int
    oldest_wait_ms: int
    num_dead: int
    num_in_celery: int
    service_ms: int
    workers: tuple[WorkerReport, ...]


def status() -> Call[Status]:
    """Workers, queue and dead letters now."""

    def read(raw: Raw) -> Status:
        queued, running, oldest_ms, dead, in_celery, service_ms = (int(word) for word in raw[:6])
        workers = tuple(_report(words) for words in raw[6:])
        return Status(queued, running, oldest_ms, dead, in_celery, service_ms, workers)

    return Call(scripts.STATUS, (), read)


def _report(raw: Any) -> WorkerReport:  # noqa: ANN401 - a list inside a script's answer
    name, *words = (text_of(word) for word in raw)
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return WorkerReport(
        name=name,
        state=WorkerState(fields["state"]),
        model=fields["model"],
        slots=int(fields["slots"]),
        running=int(fields["running"]),
    )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job whose attempts are used up."""

    job: Job
    died_at_ms: int
    attempts: int


def dead_letters(most: int) -> Call[tuple[DeadLetter, ...]]:
    """The dead letters, the oldest first."""

    def read(raw: Iterable[Any]) -> tuple[DeadLetter, ...]:
        return tuple(
            DeadLetter(codec.decode(job, Job), int(float(died_at)), int(attempts))
            for _, died_at, job, attempts in raw
        )

    return Call(scripts.DEAD_LETTERS, (most,), read)


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of a dead letter that was to be tried again."""

    outcome: str
    """``requeued``, ``unknown``, or ``undelivered``: its sentence has not been shown yet."""
    ready: Ready | None = None


def requeue(job_id: str, deadline_ms: int) -> Call[Requeued]:
    """Try a dead letter again, from its first attempt, in the message that it has."""

    def read(raw: Raw) -> Requeued:
        words = [text_of(word) for word in raw]
        ready = Ready.read(words[1], words[2]) if len(words) > 1 else None
        return Requeued(words[0], ready)

    return Call(scripts.REQUEUE, (job_id, deadline_ms), read)


def drop(job_id: str) -> Call[bool]:
    """Forget a dead letter; False if there is none of that id."""
    return Call(scripts.DROP, (job_id,), is_one)
