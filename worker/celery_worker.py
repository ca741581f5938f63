"""The Celery worker in this process: tasks by name, our signal handlers, restarts after faults.

Everything is built by functions, so that importing this module does nothing. It uses Celery's own
extension points: bootsteps, the setting ``worker_consumer``, and the lists of errors after which a
consumer reconnects instead of ending its worker.
"""

import signal
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from types import FrameType
from typing import Any

import celery
from celery import bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from shared.jobs import CHAT_QUEUE, INDEX_QUEUE, TAG_QUEUE, Kind, chat_queue
from shared.logs import get_logger
from shared.preferences import MODEL_NAME


def add_tasks(app: celery.Celery, run: Callable[[str], None]) -> None:
    """Register a task for every kind of job, by its name; the argument is the job's id."""
    for kind in Kind:
        app.task(name=kind.task_name)(run)


def queues_of(model: str, chosen: Collection[str]) -> list[str]:
    """The queues a worker consumes: its own model's before those for any model.

    Args:
        model: the name of the worker's.
        chosen: ``PARLEY_QUEUES``.
    """
    is_wanted = CHAT_QUEUE in chosen and MODEL_NAME.fullmatch(model)
    wanted = [chat_queue(model)] if is_wanted else []
    return [*wanted, *(queue for queue in (CHAT_QUEUE, TAG_QUEUE, INDEX_QUEUE) if queue in chosen)]


def worker_arguments(concurrency: int, queues: Sequence[str]) -> list[str]:
    """The command line of a Celery worker with so many threads that consumes these queues.

    Remote control is off, so gossip, mingle and heartbeat would only fill Redis.
    """
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={concurrency}",
        f"--queues={','.join(queues)}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


log = get_logger(__name__)

RECONNECT_FIRST_S = 0.5
RECONNECT_LONGEST_S = 2.0
"""Celery's own waits grow to 30 s, and no job is answered until the last of them is over."""
STEADY_S = 60.0
"""After a consumer ran for so long, the next failure counts as the first again."""
RESTARTS = 6
"""After so many failures in a row the process ends, having waited 0.5 + 1 + 2 + 4 + 8 + 16 s."""
FIRST_RESTART_S = 0.5
PAUSE_S = 0.1
FIRST_LOOK_S, LAST_LOOK_S = 0.001, 0.1
"""Waits of 1, 4, 16 and 64 ms: Celery counts a thread as free some microseconds after its task has
ended, later on a busy machine."""


class ToughConsumer(Consumer):
    """A consumer that reconnects soon after any fault; Celery's does so only after a connection's.

    Otherwise a message that is not Celery's, such as a bare JSON list, ends the worker: it is
    removed
    from the queue, decoding it raises, and no consumer expects that. Celery restarts a consumer at
    most
    five times a second and then waits for a second each time, so this is no busy loop.
    """

    hub: Any
    """Celery's event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's own
        super().__init__(*args, **kwargs)
        self.channel_errors = (Exception,)

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - its types want whole seconds
        """Connect, however long it takes."""
        conn.ensure_connection(
            _note_no_connection,
            interval_start=RECONNECT_FIRST_S,
            interval_step=RECONNECT_FIRST_S,
            interval_max=RECONNECT_LONGEST_S,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return conn

    def on_ready(self) -> None:
        """Begin to consume; from now on a thread that becomes free gets its next job at once.

        While all threads are busy Celery asks Redis for nothing, and looks again only when its
        event loop wakes, a second later or more.
        """
        super().on_ready()
        signals.task_postrun.connect(self._wake)

    def _wake(self, **_: object) -> None:
        """Wake the event loop, which asks for a message; called on the thread of a task."""
        if self.hub is not None:
            self.hub.call_soon(self._look, FIRST_LOOK_S)

    def _look(self, again_s: float) -> None:
        """Look again soon if the thread does not count as free yet: its task has just ended."""
        is_full = len(state.reserved_requests) >= self.pool.num_processes
        if is_full and again_s < LAST_LOOK_S:
            self.hub.call_later(again_s, self._look, 4 * again_s)


def _note_no_connection(error: Exception, interval_s: float) -> None:
    log.warning("celery_not_connected", error=type(error).__name__, again_in_s=interval_s)


def make_tough(app: celery.Celery, on_signal: Callable[[], None]) -> None:
    """Make the workers of this app survive faults; call ``on_signal`` at each signal to end."""
    # Celery warns of an option that takes effect with late acknowledgement alone.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    app.conf.worker_consumer = ToughConsumer
    app.conf.broker_channel_error_retry = True

    class Signals(bootsteps.StartStopStep):
        """The step after Celery's own signal handlers and before the first connection."""

        def start(self, parent: object) -> None:
            """Have every signal start Celery's warm shutdown, and call ``on_signal``.

            Celery's second SIGINT waits for every task, and its SIGHUP starts another program.
            """
            del parent
            warm: Any = signal.getsignal(signal.SIGTERM)

            def handle(number: int, frame: FrameType | None) -> None:
                on_signal()
                warm(number, frame)

            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, handle)

    app.steps["worker"].add(Signals)


def run_celery(
    app: celery.Celery,
    arguments: list[str],
    is_asked: Callable[[], bool],
    first_wait_s: float = FIRST_RESTART_S,
) -> bool:
    """Run Celery until a signal ends it; restart it if anything else does.

    Args:
        app: the app whose worker runs.
        arguments: its command line.
        is_asked: whether this process is to end.
        first_wait_s: the wait after a first failure; doubled each time.

    Returns:
        Whether it was a signal; False if it failed ``RESTARTS`` times in a row.
    """
    num_failures = 0
    while num_failures < RESTARTS:
        started_s = time.monotonic()
        if _run_once(app, arguments) == 0 or is_asked():
            return True
        if time.monotonic() - started_s > STEADY_S:
            num_failures = 0
        wait_s = first_wait_s * 2**num_failures
        num_failures += 1
        log.error("celery_ended", again_in_s=wait_s)
        _pause(wait_s, is_asked)
    return is_asked()


def _run_once(app: celery.Celery, arguments: list[str]) -> object:
    """Run Celery once; return its exit code, 0 after a signal. Waits for running tasks."""
    try:
        app.worker_main(arguments)
    except SystemExit as end:
        return end.code
    except Exception:
        log.exception("celery_crashed")
    return None


def _pause(wait_s: float, is_asked: Callable[[], bool]) -> None:
    """Wait without an ``Event``: the signal handler must not set an event whose lock we hold."""
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s and not is_asked():
        time.sleep(PAUSE_S)
