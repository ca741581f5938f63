"""Wakes workers beside the event loop: Celery's client blocks, for as long as Redis is slow.

The threads are few and their queue is short. What does not fit is dropped, and that is no loss: the
ledger has the job, and the sweep hands it to Celery again.
"""

import queue
import threading
from collections.abc import Callable

from shared.ledger import Ready
from shared.logs import get_logger

log = get_logger(__name__)

NUM_THREADS = 2
MAX_WAITING = 256


class Waker:
    """Calls ``publish`` in threads of its own, which do not outlive the process."""

    def __init__(self, publish: Callable[[Ready], None]) -> None:
        self._publish = publish
        self._waiting: queue.Queue[Ready] = queue.Queue(MAX_WAITING)
        self._threads: list[threading.Thread] = []

    def wake(self, ready: Ready) -> None:
        """Have a worker woken for a job. Never blocks."""
        if not self._threads:
            self._start()
        try:
            self._waiting.put_nowait(ready)
        except queue.Full:
            log.warning("wake_dropped", job=ready.id)

    def _start(self) -> None:
        # Not an executor: at its end Python would wait for a thread that hangs in a connection.
        self._threads = [
            threading.Thread(target=self._run, name=f"waker-{number}", daemon=True)
            for number in range(NUM_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while True:
            ready = self._waiting.get()
            try:
                self._publish(ready)
            except Exception as error:  # noqa: BLE001 - the sweep wakes the worker again
                log.warning("publish_failed", job=ready.id, error=type(error).__name__)
