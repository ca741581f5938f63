"""The status of workers and the queue: heartbeats, starts, queue positions, dead letters.

Lua steps and the calls that run them, for either side and for the command line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from shared.jobs import Job, QueuePosition
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lifecycle import Ready
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE
from shared.ledger.lua.workers import (
    BEGIN_START,
    END_START,
    FAIL_START,
    LEAVE_START,
    PLACE,
    STATUS,
)

SIGN_OF_LIFE = (
    ENDING_PRELUDE
    + f"""
-- ARGV: worker, field, value, field, value, ... Alive for the next WORKER_LIFETIME_MS.
local now = now_ms()
redis.call('HSET', worker_key(ARGV[1]), unpack(ARGV, 2))
redis.call('PEXPIRE', worker_key(ARGV[1]), {keys.WORKER_LIFETIME_MS})
redis.call('ZADD', WORKERS, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', now - {keys.WORKER_LIFETIME_MS})
return 1
"""
)

FAREWELL = (
    ENDING_PRELUDE
    + """
-- ARGV: worker. It ends: nobody need wait for it.
redis.call('DEL', worker_key(ARGV[1]))
redis.call('ZREM', WORKERS, ARGV[1])
return 1
"""
)

DEAD_LETTERS = (
    PRELUDE
    + """
-- ARGV: most. Returns {id, when in ms, job, attempts} of each dead letter, the oldest first.
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', DEAD, 0, -1)) do
  local job = redis.call('HMGET', job_key(id), 'job', 'attempts')
  if not job[1] then
    redis.call('ZREM', DEAD, id)
  elseif #answer < tonumber(ARGV[1]) then
    table.insert(answer, {id, redis.call('ZSCORE', DEAD, id), job[1], job[2]})
  end
end
return answer
"""
)

REQUEUE = (
    PRELUDE
    + """
-- ARGV: id, deadline_ms. A dead letter is tried again, in the message that it has.
-- Returns {'unknown'}, {'undelivered'} or {'requeued', id and words of what may run now}.
local id = ARGV[1]
if not redis.call('ZSCORE', DEAD, id) then return {'unknown'} end
local job = redis.call('HMGET', job_key(id), 'state', 'conversation', 'asker')
if not job[1] then
  redis.call('ZREM', DEAD, id)
  return {'unknown'}
end
if job[1] ~= 'delivered' then return {'undelivered'} end
local now = now_ms()
redis.call('ZREM', DEAD, id)
redis.call('HDEL', job_key(id), 'dead', 'counted', 'blamed', 'lone_deaths', 'taken_for_dead')
redis.call('DEL', ending_key(id))
redis.call('PERSIST', job_key(id))
redis.call('HSET', job_key(id), 'state', 'waiting', 'attempts', 0, 'accepted_at', now,
  'deadline', now + ARGV[2], 'number', redis.call('INCR', SEQUENCE))
if job[3] then note_asker(job[3], id, ARGV[2]) end
if line_up(job[2], id) > 1 then
  redis.call('ZADD', OPEN, now + ARGV[2], id)
  enqueue(id)
  return {'requeued'}
end
local ready = queue(id, now)
return {'requeued', ready[1], ready[2]}
"""
)

DROP = (
    PRELUDE
    + f"""
-- ARGV: id. A dead letter is forgotten, as any other job that was answered. Returns 1 or 0.
local id = ARGV[1]
if redis.call('ZREM', DEAD, id) == 0 then return 0 end
redis.call('HDEL', job_key(id), 'dead')
if redis.call('HGET', job_key(id), 'state') == 'delivered' then
  redis.call('PEXPIRE', job_key(id), {keys.DELIVERED_JOB_LIFETIME_MS})
end
return 1
"""
)


SECOND_MS, MINUTE_MS = 1000, 60_000


class WorkerState(StrEnum):
    """Whether a worker can answer."""

    LOADING = "loading"
    """It has started and will be ready soon."""
    READY = "ready"
    STOPPING = "stopping"
    """It finishes its running jobs and claims no new ones."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A live worker's report about itself."""

    name: str
    state: WorkerState
    model: str
    slots: int
    """The number of answers that it can write at once."""
    running: int
    """The number of answers that it is writing now."""


def sign_of_life(report: WorkerReport) -> Call[bool]:
    """Record a heartbeat: the worker counts as alive for the next ``WORKER_LIFETIME_MS``."""
    fields = (
        *("state", report.state, "model", report.model),
        *("slots", report.slots, "running", report.running),
    )
    return Call(SIGN_OF_LIFE, (report.name, *fields), is_one)


def farewell(name: str) -> Call[bool]:
    """Remove a worker that shuts down, so that no wait is estimated from it."""
    return Call(FAREWELL, (name,), is_one)


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """One worker's start."""

    worker: str
    """Its name, which holds its process's id."""
    host: str
    model: str
    slots: int
    """The answers that it will write at once; 0 for a worker without a chat model."""

    @property
    def id(self) -> str:
        """What the starts of one worker after another have in common."""
        return f"{self.host}|{self.model}"


@dataclass(frozen=True, slots=True)
class FailedStarts:
    """A model that a host's worker has failed to start, several times in a row."""

    host: str
    model: str
    num_failed: int
    sentence: str
    """Why, at the last start."""
    age_ms: int
    """How long ago that was."""

    @classmethod
    def read(cls, raw: Any) -> Self:  # noqa: ANN401 - a list inside a script's answer
        """Read one of a script's lists."""
        host, model, num_failed, sentence, age_ms = raw
        return cls(
            text_of(host), text_of(model), int(num_failed), text_of(sentence), int(float(age_ms))
        )

    def __str__(self) -> str:
        """A sentence for operators."""
        return (
            f"model {self.model} failed {self.num_failed} starts on {self.host}, the last "
            f"{_ago(self.age_ms)} ago: {self.sentence}"
        )


def begin_start(start: WorkerStart) -> Call[int]:
    """Record that a worker begins to load its model; how many starts failed in a row before it."""
    args = (start.id, start.worker, start.host, start.model, start.slots)
    return Call(BEGIN_START, args, _number)


def fail_start(start: WorkerStart, sentence: str) -> Call[int]:
    """Record why a start has failed; how many have failed in a row now."""
    return Call(FAIL_START, (start.id, start.worker, sentence), _number)


def end_start(start: WorkerStart) -> Call[bool]:
    """Record that a worker is ready, and forget the failures before."""
    return Call(END_START, (start.id, start.worker), is_one)


def leave_start(start: WorkerStart) -> Call[bool]:
    """Record that a worker was asked to end before it was ready."""
    return Call(LEAVE_START, (start.id, start.worker), is_one)


def _number(raw: Any) -> int:  # noqa: ANN401 - a script's answer
    return int(raw)


def _ago(age_ms: int) -> str:
    if age_ms < 2 * MINUTE_MS:
        return f"{age_ms // SECOND_MS} s"
    return f"{age_ms // MINUTE_MS} min"


def queue_position(job_id: str) -> Call[QueuePosition | None]:
    """The queue position of a job; None for an unknown job."""

    def read(raw: Raw) -> QueuePosition | None:
        if not raw:
            return None
        ahead, wait_ms, ready, alive = (int(word) for word in raw[1:5])
        expected_ms = wait_ms if wait_ms >= 0 else None
        failing = text_of(raw[5])
        return QueuePosition(text_of(raw[0]), ahead, expected_ms, ready, alive, failing)

    return Call(PLACE, (job_id,), read)


@dataclass(frozen=True, slots=True)
class Status:
    """An operator's overview."""

    num_queued: int
    num_running: int
    oldest_wait_ms: int
    num_dead: int
    num_in_celery: int
    service_ms: int
    workers: tuple[WorkerReport, ...]
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Model -> jobs that wait for a worker that runs it; the empty name: for any worker."""
    failed_starts: tuple[FailedStarts, ...] = ()
    """Models that have failed so often in a row that a restart does not help."""
    num_unreadable: int = 0
    """Jobs that wait for a process of the version that wrote them, or their reply."""


def status() -> Call[Status]:
    """Workers, queue and dead letters now."""

    def read(raw: Any) -> Status:  # noqa: ANN401 - a script's answer, with lists in it
        queued, running, oldest_ms, dead, in_celery, service_ms, unreadable = map(int, raw[:7])
        names, counts = (raw[7][at::2] for at in (0, 1))
        waiting = {text_of(name): int(count) for name, count in zip(names, counts, strict=True)}
        failed = tuple(FailedStarts.read(words) for words in raw[8])
        workers = tuple(_report(words) for words in raw[9:])
        numbers = (queued, running, oldest_ms, dead, in_celery, service_ms)
        return Status(*numbers, workers, waiting, failed, unreadable)

    return Call(STATUS, (), read)


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

    return Call(DEAD_LETTERS, (most,), read)


@dataclass(frozen=True, slots=True)
class Requeued:
    """The outcome of requeueing a dead letter."""

    outcome: str
    """``requeued``, ``unknown``, or ``undelivered``: its sentence has not been shown yet."""
    ready: Ready | None = None


def requeue(job_id: str, deadline_ms: int) -> Call[Requeued]:
    """Requeue a dead letter, from its first attempt, in the message that it has."""

    def read(raw: Raw) -> Requeued:
        words = [text_of(word) for word in raw]
        ready = Ready.read(words[1], words[2]) if len(words) > 1 else None
        return Requeued(words[0], ready)

    return Call(REQUEUE, (job_id, deadline_ms), read)


def drop(job_id: str) -> Call[bool]:
    """Delete a dead letter; False if there is none of that id."""
    return Call(DROP, (job_id,), is_one)
