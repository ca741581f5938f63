"""Workers between a ledger and an outbox: what tests hand in as bots would, and read as they would.

Knows no platform. Workers run as processes of their own, some with faults in foreign libraries.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import redis

from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import codec, keys, lifecycle, presentation
from shared.ledger import status as operating
from shared.ledger.celery import build_celery, publish
from shared.ledger.lifecycle import JobLimits
from shared.ledger.status import Status
from shared.replies import Done, Final, Snapshot
from tests.celery_apps import close
from tests.patience import PATIENCE_S
from tests.running import RunningModule
from worker.store import BlockingStore, open_store

ROOT = Path(__file__).parent.parent.parent
POLL_S = 0.02
OUTBOX = Platform.SLACK.value
DEADLINE_S = 120.0
RETENTION_MS = 600_000


class Desk:
    """Where bots would stand: hands messages in, and reads what comes back."""

    def __init__(self, redis_url: str) -> None:
        self.store: BlockingStore = open_store(redis_url, allow_volatile=False)
        self._app = build_celery(redis_url)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self.store.client.connection_pool.disconnect()
        close(self._app)

    @property
    def client(self) -> redis.Redis:
        return self.store.client

    def accept(self, text: str, deadline_s: float = DEADLINE_S, kind: Kind = Kind.CHAT) -> Job:
        """Record a message, in a conversation of its own, and tell Celery nothing."""
        number = next(self._numbers)
        origin = Origin(Platform.SLACK, "T1", "C1", f"{number}.0", f"{number}.0", "U1")
        job = make_job(kind, origin, text)
        limits = JobLimits(deadline_ms=round(deadline_s * 1000), retention_ms=RETENTION_MS)
        assert self.store.run(lifecycle.accept(job, limits)).ready
        return job

    def ask(self, text: str, deadline_s: float = DEADLINE_S, kind: Kind = Kind.CHAT) -> Job:
        """Record a message and wake a worker."""
        job = self.accept(text, deadline_s, kind)
        self.wake(job)
        return job

    def wake(self, job: Job) -> None:
        publish(self._app, lifecycle.Ready(job.id, job.kind, job.kind.queue))

    def replies(self, job: Job) -> list[Final]:
        """Every ending that lies in the outbox for a job."""
        entries: Any = self.client.xrange(keys.outbox(OUTBOX))
        return [
            presentation.read_final(fields[b"reply"])
            for _, fields in entries
            if fields[b"job"].decode() == job.id
        ]

    def wait_reply(self, job: Job, timeout_s: float = PATIENCE_S) -> Final:
        """The one ending of a job."""
        wait_for(lambda: self.replies(job), f"a reply to {job.text!r}", timeout_s)
        (reply,) = self.replies(job)
        return reply

    def wait_answer(self, job: Job, timeout_s: float = PATIENCE_S) -> str:
        """The text of a job's one whole answer."""
        reply = self.wait_reply(job, timeout_s)
        assert isinstance(reply, Done), reply
        return reply.text

    def shown(self, job: Job) -> str:
        """The text so far; empty if there is none."""
        snapshot: Any = self.client.get(keys.snapshot(job.id))
        return codec.decode(snapshot.decode(), Snapshot).text if snapshot else ""

    def wait_shown(self, job: Job, num_chars: int = 10) -> str:
        """The text so far, when it has so many characters."""
        wait_for(lambda: len(self.shown(job)) >= num_chars, f"some text for {job.text!r}")
        return self.shown(job)

    def field(self, job: Job, name: str) -> str:
        """What the ledger notes about a job; empty if nothing."""
        value: Any = self.client.hget(keys.job(job.id), name)
        return value.decode() if value else ""

    def is_running(self, job: Job) -> bool:
        return self.field(job, "state") == "running"

    def status(self) -> Status:
        return self.store.run(operating.status())


@contextmanager
def desk_at(redis_url: str) -> Iterator[Desk]:
    desk = Desk(redis_url)
    try:
        yield desk
    finally:
        desk.close()


def worker(settings: Mapping[str, str], *faults: str) -> RunningModule:
    """A worker process, not started yet."""
    return _process("tests.chaos.faulty_worker", *faults, settings=settings)


def bare_worker(settings: Mapping[str, str], *faults: str) -> RunningModule:
    """A Celery worker that can do nothing, not started yet."""
    return _process("tests.chaos.bare_worker", *faults, settings=settings)


def _process(*module: str, settings: Mapping[str, str]) -> RunningModule:
    return RunningModule(*module, settings={"PYTHONPATH": str(ROOT), **settings})


class Supervised:
    """A worker that is started again when it ends, each time somebody looks after it."""

    # By no thread: the kernel ends a child with the thread that started it.

    def __init__(self, start: Callable[[], RunningModule]) -> None:
        self._start = start
        self.lives: list[RunningModule] = []

    def __enter__(self) -> Self:
        self.look_after()
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives:
            life.stop()

    def look_after(self) -> None:
        """Start the worker unless it runs."""
        if not self.lives or self.lives[-1].process.poll() is not None:
            self.lives.append(self._start().__enter__())

    @property
    def exit_codes(self) -> list[int]:
        """Of those lives that are over."""
        codes = [life.process.poll() for life in self.lives]
        return [code for code in codes if code is not None]


def wait_for(
    is_met: Callable[[], object],
    what: str,
    timeout_s: float = PATIENCE_S,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Wait for a condition; fail if it is not met in time."""
    deadline = time.monotonic() + timeout_s
    while not is_met():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        meanwhile()
        time.sleep(POLL_S)
