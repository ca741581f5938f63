"""Keeps the leases of running jobs, the worker's sign of life and the sweep: one thread each."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import kombu.exceptions
import redis

from shared import ledger, operating
from shared.ledger import Hold, Lease, Ready
from shared.logs import get_logger
from shared.operating import WorkerReport, WorkerState
from worker.store import Store

log = get_logger(__name__)

RENEWALS_PER_LEASE = 4
SWEEP_EVERY_S = 1.0
SWEEP_MAX_JOBS = 100
SIGN_OF_LIFE_EVERY_S = 2.0
MS = 1000

OnEnd = Callable[[Hold], None]
"""Called once when a lease is lost or its job's deadline is over."""


@dataclass(frozen=True, slots=True)
class _Kept:
    lease: Lease
    on_end: OnEnd


class LeaseKeeper:
    """Renews the leases of all running jobs of this process."""

    def __init__(self, store: Store, lease_ms: int) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._kept: dict[str, _Kept] = {}

    @contextmanager
    def keeping(self, lease: Lease, on_end: OnEnd) -> Iterator[None]:
        """Renew this lease while the block runs."""
        self._kept[lease.token] = _Kept(lease, on_end)
        try:
            yield
        finally:
            self._kept.pop(lease.token, None)

    @property
    def num_kept(self) -> int:
        """How many jobs this process runs now."""
        return len(self._kept)

    @property
    def interval_s(self) -> float:
        """How often ``renew_all`` has to be called."""
        return self._lease_ms / MS / RENEWALS_PER_LEASE

    def renew_all(self) -> None:
        """Renew every lease once; tell those that are over."""
        for token, kept in list(self._kept.items()):
            hold = self._store.run(ledger.renew(kept.lease.job.id, token, self._lease_ms))
            if hold is not Hold.HELD and self._kept.pop(token, None) is not None:
                kept.on_end(hold)


class SignOfLife:
    """Says in Redis that this worker lives and what it runs."""

    def __init__(
        self, store: Store, name: str, model: str, slots: int, num_running: Callable[[], int]
    ) -> None:
        self._store = store
        self._name = name
        self._model = model
        self._slots = slots
        self._num_running = num_running
        self.state = WorkerState.READY

    def give(self) -> None:
        """Be known as alive for the next ``WORKER_LIFETIME_MS``."""
        report = WorkerReport(self._name, self.state, self._model, self._slots, self._num_running())
        self._store.run(operating.sign_of_life(report))

    def withdraw(self) -> None:
        """Say goodbye, so that nobody waits for this worker."""
        self._store.run(operating.farewell(self._name))


def sweep(store: Store, publish: Callable[[Ready], None]) -> None:
    """Hand overdue jobs to Celery again."""
    for ready in store.run(ledger.sweep(SWEEP_MAX_JOBS)):
        log.info("job_republished", job=ready.id)
        publish(ready)


class Ticker:
    """Calls something again and again on a thread of its own until it is stopped.

    Redis may be away for a while: such a turn is skipped, the next one comes.
    """

    def __init__(self, name: str, interval_s: float, tick: Callable[[], None]) -> None:
        self._interval_s = interval_s
        self._tick = tick
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Start ticking."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop ticking and wait for the last turn."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._tick()
            except (redis.RedisError, kombu.exceptions.KombuError, OSError) as error:
                log.warning("tick_failed", ticker=self._thread.name, error=type(error).__name__)
            except Exception:
                # Without its tickers a worker loses every job it has: whatever it was, go on.
                log.exception("tick_crashed", ticker=self._thread.name)
            self._is_stopping.wait(self._interval_s)
