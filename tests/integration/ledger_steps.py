"""The ledger's steps as tests take them: small functions on a store of a Redis without workers."""

import time
from collections.abc import Callable
from typing import Any

from shared.jobs import Job, Kind, Origin, Platform, Turn, make_job
from shared.ledger import keys, lifecycle, presentation
from shared.ledger.lifecycle import Claimant, Claimed, ConversationMemory, JobLimits, Lease, Ready
from shared.replies import Done, Failed, Final
from tests.patience import PATIENCE_S
from worker.store import BlockingStore

LIMITS = JobLimits(deadline_ms=60_000, retention_ms=60_000)
NO_TIME = JobLimits(deadline_ms=0, retention_ms=60_000)
LONG_MS = 60_000
SHORT_MS = 50
OVER_MS = 0
"""A lease that has run out when it is given: no clock decides what a random run finds."""
MAX_ATTEMPTS = 3
DONE = Done("Yes.")
REFUSAL = Failed("empty", "There was no text.")
REMEMBER = ConversationMemory(
    (Turn("user", "q"), Turn("assistant", "a")), max_turns=50, retention_ms=LIMITS.retention_ms
)


def message(number: int, thread: str = "1.0") -> Job:
    """The job of one message in a thread."""
    origin = Origin(Platform.SLACK, "T1", "C1", thread, f"{number}.5", "U1")
    return make_job(Kind.CHAT, origin, f"question {number}")


def accept(store: BlockingStore, job: Job, limits: JobLimits = LIMITS) -> Ready | None:
    return store.run(lifecycle.accept(job, limits)).ready


def claim(store: BlockingStore, job: Job, token: str = "t1", lease_ms: int = LONG_MS) -> Claimed:
    claimed = store.run(lifecycle.claim(job.id, Claimant("w1", token, lease_ms, MAX_ATTEMPTS)))
    if claimed.lease and claimed.lease.is_alone:
        assert store.run(lifecycle.begin(job.id, token))
    return claimed


def lease_of(claimed: Claimed) -> Lease:
    assert claimed.lease is not None, claimed.reason
    return claimed.lease


def finish(
    store: BlockingStore, job: Job, token: str = "t1", reply: Final = DONE
) -> lifecycle.Finished:
    return store.run(lifecycle.finish(job.id, token, reply, REMEMBER))


def state_of(store: BlockingStore, job: Job) -> str | None:
    state: Any = store.client.hget(keys.job(job.id), "state")
    return state.decode() if state else None


def outbox_of(store: BlockingStore) -> list[tuple[str, str, Final]]:
    """Entry id, job id and reply of everything that waits to be shown."""
    entries: Any = store.client.xrange(keys.outbox("slack"))
    return [
        (entry.decode(), fields[b"job"].decode(), presentation.read_final(fields[b"reply"]))
        for entry, fields in entries
    ]


def replies_of(store: BlockingStore, job: Job) -> list[Final]:
    return [reply for _, job_id, reply in outbox_of(store) if job_id == job.id]


def sweep(store: BlockingStore) -> list[str]:
    return [ready.id for ready in store.run(lifecycle.sweep(100))]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that Redis's clock brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "It did not come about."
        time.sleep(0.005)


def sweep_until_ready(store: BlockingStore, job: Job) -> None:
    wait_for(lambda: job.id in sweep(store))


def everything_in(store: BlockingStore) -> dict[bytes, bytes | None]:
    """Every key with its value as Redis would dump it."""
    names: Any = store.client.keys("*")
    dumps: Any = [store.client.dump(name) for name in names]
    return dict(zip(names, dumps, strict=True))


Shown = tuple[str, ...]
"""What a process may do, and the state of each part."""


def show(
    store: BlockingStore, job: Job, me: str, num_parts: int = 1, *, is_final: bool = False
) -> Shown:
    """Whether this process may show a job, and its parts."""
    shown = store.run(presentation.show(job.id, me, is_final=is_final, num_parts=num_parts))
    return (str(shown.lock), *shown.parts)


def deliver(store: BlockingStore, job: Job) -> None:
    """Close a job as a bots process does that has shown its reply."""
    ((entry, _, _),) = [found for found in outbox_of(store) if found[1] == job.id]
    assert store.run(presentation.note_delivered(job.id, job.origin.outbox, entry))


def has_run_for_a_while(store: BlockingStore) -> None:
    """Wait until this Redis runs for a second: before, it may be the one that ended a run."""
    info: Any = store.client.info("server")
    while info["uptime_in_seconds"] < 1:
        time.sleep(0.05)
        info = store.client.info("server")
