"""The lease keeper of this process: renews its jobs' leases, and tells a run when it must end.

A listener learns at once that a job which may run here was stopped or changed. A lost message does
no harm: each renewal of a lease reports the same, a little later.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import redis
import redis.client

from shared.connections.silence import Silence, text_of
from shared.ledger import keys, lifecycle
from shared.ledger.lifecycle import Hold, Lease
from worker.store import BlockingStore

RENEWALS_PER_LEASE = 4
STUCK_AFTER_TURNS = 48
"""After so many turns, which is twelve leases, a run that was told to end will never do so."""
MS = 1000


class Ending(StrEnum):
    """Why a run must end early."""

    LOST = "lost"
    """Another run has the lease, or the job is closed."""
    EXPIRED = "expired"
    """The job's deadline has passed."""
    CANCELLED = "cancelled"
    """A person stopped the answer."""
    STOPPED = "stopped"
    """This worker shuts down: the job is handed back."""


def _do_nothing() -> None:
    """Nothing waits for this run."""


class HeldLease:
    """A lease while it is renewed. It ends at most once, and notifies its listeners."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.ending: Ending | None = None
        self.num_tokens = 0
        """The tokens read and generated for it so far."""
        self.num_turns_over = 0
        """The keeper's turns since its run should have ended."""
        self.on_progress: Callable[[], None] = _do_nothing
        """Called when more of the answer has been published than was shown."""
        self._deadline_s = time.monotonic() + lease.left_ms / MS
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_over(self) -> bool:
        """Whether the run must end."""
        return self.ending is not None

    @property
    def is_past_deadline(self) -> bool:
        """Whether the job's deadline has passed, which Redis need not be asked for."""
        return time.monotonic() >= self._deadline_s

    def when_over(self, listener: Callable[[], None]) -> None:
        """Register a listener for the end of the run; called at once if it has ended already."""
        with self._lock:
            if self.ending is None:
                self._listeners.append(listener)
                return
        listener()

    def end(self, ending: Ending) -> None:
        """Tell the run to end; only the first reason counts."""
        with self._lock:
            if self.ending is not None:
                return
            self.ending = ending
        for listener in self._listeners:
            listener()


class LeaseKeeper:
    """Renews the leases of all running jobs of this process. Thread-safe."""

    def __init__(self, store: BlockingStore, lease_ms: int) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._lock = threading.Lock()
        self._held: dict[str, HeldLease] = {}
        self._is_closed = False

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[HeldLease]:
        """Renew this lease while the block runs."""
        held = HeldLease(lease)
        with self._lock:
            self._held[lease.token] = held
            is_closed = self._is_closed
        if is_closed:
            held.end(Ending.STOPPED)
        try:
            yield held
        finally:
            with self._lock:
                self._held.pop(lease.token, None)

    @property
    def num_kept(self) -> int:
        """The number of jobs that this process runs now."""
        return len(self._held)

    @property
    def is_closed(self) -> bool:
        """Whether this process accepts no more jobs."""
        return self._is_closed

    @property
    def is_stuck(self) -> bool:
        """Whether a run continues long after it was told to end."""
        return any(held.num_turns_over > STUCK_AFTER_TURNS for held in self._present())

    @property
    def interval_s(self) -> float:
        """How often ``renew_all`` has to be called."""
        return self._lease_ms / MS / RENEWALS_PER_LEASE

    def renew_all(self) -> None:
        """Renew every lease once; tell the runs whose lease is over to end.

        Each renewal extends by a whole lease. If a run does not report in that time why it ended,
        the
        sweep does.
        """
        for held in self._present():
            if held.is_over:
                held.num_turns_over += 1
                continue
            self._renew(held)

    def look(self, job_id: str) -> None:
        """Renew the leases of one job at once, because its state changed."""
        for held in self._present():
            if held.lease.job.id == job_id and not held.is_over:
                self._renew(held)

    def _renew(self, held: HeldLease) -> None:
        lease = held.lease
        match self._store.run(lifecycle.renew(lease.job.id, lease.token, self._lease_ms)):
            case Hold.LOST:
                held.end(Ending.LOST)
            case Hold.STOPPED:
                held.end(Ending.CANCELLED)
            case Hold.EXPIRED:
                held.end(Ending.EXPIRED)

    def close(self) -> None:
        """Accept no more jobs: a lease that comes from now on is handed back at once."""
        with self._lock:
            self._is_closed = True

    def hand_back(self) -> None:
        """End every run now and give its job back."""
        for held in self._present():
            held.end(Ending.STOPPED)

    def _present(self) -> list[HeldLease]:
        with self._lock:
            return list(self._held.values())


LISTEN_S = 0.5
"""A turn's longest time, which is also how long a worker's shutdown may wait for it."""
PAUSE_S = 0.01


def _pubsub(client: redis.Redis) -> redis.client.PubSub:
    pubsub: redis.client.PubSub = client.pubsub(  # type: ignore[no-untyped-call]  # no types
        ignore_subscribe_messages=True
    )
    return pubsub


class Listener:
    """Listens on one connection; one thread has to call ``listen`` repeatedly."""

    def __init__(self, store: BlockingStore, keeper: LeaseKeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._pubsub: redis.client.PubSub | None = None
        self._silence = Silence()

    def listen(self) -> None:
        """Wait a little for the id of a changed job, and have its run check its lease.

        Raises:
            redis.RedisError, OSError: Redis is away; the next call reconnects.
        """
        try:
            if self._pubsub is None:
                self._pubsub = _pubsub(self._store.client)
                self._pubsub.subscribe(keys.LOOK)
                self._silence = Silence()
            message: Any = self._pubsub.get_message(timeout=LISTEN_S)
            if self._silence.note(message):
                self._pubsub.ping()
            if job_id := text_of(message):
                self._keeper.look(job_id)
        except (redis.RedisError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None
