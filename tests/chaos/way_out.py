"""A worker's side of the ledger, played step by step: what bots have to show is decided by a test.

Everything else is real: Redis, the bots' process, its clients and the fake platforms behind them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from shared.jobs import Job, Kind, Origin, make_job
from shared.ledger import keys, lifecycle, status, thoughts
from shared.ledger.lifecycle import Claimant, ConversationMemory, JobLimits
from shared.ledger.status import WorkerReport, WorkerState
from shared.replies import Done, Final, Snapshot, ThoughtSoFar
from tests.patience import PATIENCE_S
from worker.store import BlockingStore

POLL_S = 0.02
LEASE_MS = 600_000
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
TOKEN = "scribe"


class Scribe:
    """Accepts as bots would, and writes as a worker would."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.store = BlockingStore(client)

    def accept(self, origin: Origin, text: str = "a question") -> Job:
        """Record a message that no bots process was told of."""
        return self.accept_job(make_job(Kind.CHAT, origin, text))

    def accept_job(self, job: Job) -> Job:
        """Record a job of any kind that no bots process was told of."""
        self.store.run(lifecycle.accept(job, LIMITS))
        return job

    def begin(self, job: Job) -> None:
        """Take a job in hand, as soon as it may run."""
        claimant = Claimant("w1", TOKEN, LEASE_MS, max_attempts=1)
        wait_for(
            lambda: self.store.run(lifecycle.claim(job.id, claimant)).lease is not None,
            f"{job.id} to be claimed, which is {self.state(job)}",
        )

    def write(self, job: Job, text: str) -> None:
        """Publish the text so far."""
        assert self.store.run(lifecycle.publish_snapshot(job.id, TOKEN, Snapshot(text)))

    def think(self, job: Job, thinking_s: float, thought: str) -> None:
        """Publish that the model thinks, and keep what it has thought."""
        snapshot = Snapshot("", thinking_s=thinking_s)
        assert self.store.run(lifecycle.publish_snapshot(job.id, TOKEN, snapshot))
        assert self.store.run(thoughts.keep(job.id, TOKEN, ThoughtSoFar(thought)))

    def end(self, job: Job, reply: Final | str) -> None:
        """End a job that is in hand."""
        final = Done(reply) if isinstance(reply, str) else reply
        assert self.store.run(lifecycle.finish(job.id, TOKEN, final, ConversationMemory())).counted

    def answer(self, job: Job, reply: Final | str) -> None:
        """Begin and end a job."""
        self.begin(job)
        self.end(job, reply)

    def state(self, job: Job) -> str:
        """The ledger's word for where a job is; empty if it does not know it."""
        state: Any = self.client.hget(keys.job(job.id), "state")
        return state.decode() if state else ""

    def part(self, job: Job, number: int = 0) -> str:
        """The message that a part is noted as; empty if it is not."""
        noted: Any = self.client.hget(keys.job(job.id), f"part:{number}")
        return noted.decode() if noted else ""

    def wait_state(self, job: Job, *states: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a job is in one of these states."""
        wait_for(lambda: self.state(job) in states, f"{job.id} to be {states}", timeout_s)

    def report(self, state: WorkerState, name: str = "w1", slots: int = 1) -> None:
        """Be a worker for as long as its sign of life lasts."""
        self.store.run(status.sign_of_life(WorkerReport(name, state, "model", slots, 0)))

    def num_in_outbox(self, name: str) -> int:
        """Final replies that have not been shown."""
        num: Any = self.client.xlen(keys.outbox(name))
        return int(num)


@contextmanager
def scribe_at(redis_url: str) -> Iterator[Scribe]:
    """A scribe on this Redis."""
    with redis.Redis.from_url(redis_url) as client:
        yield Scribe(client)


def wait_for(is_met: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for a condition that other processes bring about; not for use in an event loop."""
    deadline = time.monotonic() + timeout_s
    while not is_met():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(POLL_S)
