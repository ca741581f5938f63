"""A worker's shutdown: accept no jobs, finish running ones for a while, hand back the rest.

Requested by signals, any number of times; knows neither Celery nor the engine.
"""

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable

from shared.errors import StartupError
from shared.logs import get_logger

log = get_logger(__name__)

LEAVE_AGAIN_S = 0.2
FORCED_AFTER_S = 10.0
"""Handed-back runs end within this time, or the process ends without waiting for them."""
EXIT_FORCED = StartupError.exit_code


class Shutdown:
    """Waits on a thread of its own for a shutdown request; a second request shortens the wait."""

    def __init__(
        self,
        stop_s: float,
        close: Callable[[], None],
        hand_back: Callable[[], None],
        forced_after_s: float = FORCED_AFTER_S,
    ) -> None:
        self._stop_s = stop_s
        self._close = close
        self._hand_back = hand_back
        self._forced_after_s = forced_after_s
        self._requests: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._wait, name="shutdown", daemon=True)
        self.is_asked = False
        """Whether this worker is shutting down."""
        self.is_abandoned = False
        """Whether it ends because it cannot answer any more; then it ends with ``EXIT_FORCED``."""

    def open(self) -> None:
        """Start waiting."""
        self._thread.start()

    def ask(self) -> None:
        """Request the shutdown; the second time, hand back running jobs at once.

        May be called in a signal handler, even during another call: a ``SimpleQueue`` is made for
        that, an
        ``Event`` is not.
        """
        self.is_asked = True
        self._requests.put(None)

    def abandon(self) -> None:
        """End at once: this process can answer no more jobs."""
        self.is_abandoned = True
        self.ask()
        self.ask()

    def _wait(self) -> None:
        self._requests.get()
        log.info("worker_stopping")
        # Whatever delays the steps below, Redis or a lock: the timer ends the process in time.
        latest_s = self._stop_s + 2 * self._forced_after_s
        last_resort = threading.Timer(latest_s, _force)
        last_resort.daemon = True
        last_resort.start()
        self._close()
        with contextlib.suppress(queue.Empty):
            self._requests.get(timeout=self._stop_s)
        self._hand_back()
        # A thread that is stuck in foreign code cannot be ended, and would be waited for. Leases
        # that it still holds expire.
        time.sleep(self._forced_after_s)
        _force()


def leave_at_sigterm(shutdown: Shutdown) -> None:
    """Abort the loading of the model at SIGTERM, until Celery's signal handlers are in place.

    Python drops what is raised while an object is deleted, and the loading would continue: it is
    raised
    repeatedly, until ``stay`` is called.
    """

    def leave(number: int, _frame: object) -> None:
        if number == signal.SIGTERM:
            shutdown.ask()
        signal.setitimer(signal.ITIMER_REAL, LEAVE_AGAIN_S)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, leave)


def stay() -> None:
    """Stop the repeated raising: the loading has been aborted or has ended."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _force() -> None:
    log.error("exit_forced")
    os._exit(EXIT_FORCED)
