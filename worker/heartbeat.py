"""The heartbeat of a worker and the sweep of the ledger, each repeated on a thread of its own."""

import threading
from collections.abc import Callable
from typing import Self

import kombu.exceptions
import redis

from shared.ledger import documents, lifecycle, status
from shared.ledger.lifecycle import Ready
from shared.ledger.status import WorkerReport, WorkerState
from shared.logs import get_logger
from worker.store import BlockingStore

log = get_logger(__name__)

SIGN_OF_LIFE_EVERY_S = 2.0
SWEEP_EVERY_S = 1.0
SWEEP_MAX_JOBS = 500
AWAY_PAUSE_S = 0.25
"""While Redis is away a ticker does not ask for it at each of its turns: some take hundredths of a
second."""


class Heartbeat:
    """Reports in Redis that this worker is alive, its state, and its model."""

    def __init__(
        self,
        store: BlockingStore,
        name: str,
        model: str,
        slots: int,
        num_running: Callable[[], int],
    ) -> None:
        self._store = store
        self._name = name
        self.model = model
        """The name of its model; as its setting names it until the model is loaded."""
        self._slots = slots
        self._num_running = num_running
        self._state = WorkerState.LOADING
        self._is_gone = False
        self._in_turn = threading.Lock()
        """A heartbeat that is under way on another thread must not arrive after the withdrawal."""

    def give(self) -> None:
        """Count as alive for the next ``WORKER_LIFETIME_MS``; does nothing after ``withdraw``."""
        with self._in_turn:
            if self._is_gone:
                return
            report = WorkerReport(
                self._name, self._state, self.model, self._slots, self._num_running()
            )
            self._store.run(status.sign_of_life(report))

    def become(self, state: WorkerState) -> None:
        """Publish a new state at once; if Redis is away, with the next heartbeat.

        A stopping worker does not become ready again.
        """
        if self._state is not WorkerState.STOPPING:
            self._state = state
        try:
            self.give()
        except (redis.RedisError, OSError) as error:
            log.warning("state_not_told", state=state, error=type(error).__name__)

    def withdraw(self) -> None:
        """Remove this worker, so that no job waits for it; Redis forgets it soon anyway."""
        try:
            with self._in_turn:
                self._is_gone = True
                self._store.run(status.farewell(self._name))
        except (redis.RedisError, OSError) as error:
            log.warning("goodbye_not_said", error=type(error).__name__)


def sweep(store: BlockingStore, publish: Callable[[Ready], None]) -> None:
    """Hand overdue jobs to Celery again; remove some vectors of documents that are gone."""
    for ready in store.run(lifecycle.sweep(SWEEP_MAX_JOBS)):
        log.info("job_republished", job=ready.id)
        publish(ready)
    store.run(documents.tidy())


class Ticker:
    """Calls a function periodically on a thread of its own until it is stopped.

    Redis may be away for a while: such a call is skipped, the next one comes.
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
        """Stop ticking and wait for the last call."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            pause_s = self._interval_s
            try:
                self._tick()
            except (redis.RedisError, kombu.exceptions.KombuError, OSError) as error:
                log.warning("tick_failed", ticker=self._thread.name, error=type(error).__name__)
                pause_s = max(pause_s, AWAY_PAUSE_S)
            except Exception:
                # Without its tickers a worker loses every job it has: go on after any error.
                log.exception("tick_crashed", ticker=self._thread.name)
            self._is_stopping.wait(pause_s)
