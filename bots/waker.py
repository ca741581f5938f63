"""Wakes workers in a thread beside the event loop, because Celery's client blocks if Redis is slow.

Waiting jobs are published together, and the queue is short. Jobs that do not fit are dropped, which
loses nothing: the ledger has them, and the sweep hands them to Celery again.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from shared.ledger.lifecycle import Ready
from shared.logs import get_logger

log = get_logger(__name__)

MAX_WAITING = 256
PAUSE_S = 0.02
"""After each step: a single job is woken at once, and many are woken together."""


class Waker:
    """Calls ``publish`` in a daemon thread."""

    def __init__(self, publish: Callable[..., None]) -> None:
        """``publish``: as ``ledger.celery.publish`` with its app."""
        self._publish = publish
        self._waiting: queue.Queue[Ready] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None

    def wake(self, ready: Ready) -> None:
        """Queue a wake-up for a job. Never blocks."""
        if self._thread is None:
            # Not an executor: on exit Python would wait for a thread that hangs in a connection.
            self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(ready)
        except queue.Full:
            log.warning("wake_dropped", job=ready.id)

    def _run(self) -> None:
        while True:
            readies = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(readies) < MAX_WAITING:
                    readies.append(self._waiting.get_nowait())
            try:
                self._publish(*readies)
            except Exception as error:  # noqa: BLE001 - the sweep wakes the worker again
                log.warning("publish_failed", num_jobs=len(readies), error=type(error).__name__)
            time.sleep(PAUSE_S)
