"""The record of this worker's start: begun before its model is loaded, ended when it is ready.

After several failed starts in a row the next one waits first, longer each time, whatever supervisor
started it. The record is what ``parley status``, ``parley doctor`` and people who ask read.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import redis

from shared.errors import StartupError
from shared.ledger import keys, status
from shared.ledger.calls import Call
from shared.ledger.status import WorkerStart
from shared.logs import SECRETS, get_logger
from shared.settings import Settings
from worker.engine.gguf import DEFAULT_MODEL
from worker.engine.protocol import DEFAULT
from worker.shutdown import Shutdown, stay
from worker.store import BlockingStore

log = get_logger(__name__)
T = TypeVar("T")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 90.0
"""As of ``parley up``."""
MAX_DOUBLINGS = 10
"""A row of failures may be thousands long; the longest pause is reached before."""
MAX_REASON_CHARS = 300
LOST = "The engine was lost before the worker was ready; the log says more."


class StartRecord:
    """Records one start of this worker. Redis may be away: then there is no record of it."""

    def __init__(self, store: BlockingStore, start: WorkerStart, shutdown: Shutdown) -> None:
        self._store = store
        self._start = start
        self._shutdown = shutdown
        self._is_over = False

    def succeed(self) -> None:
        """The worker is ready: failures before are forgotten, later ones are no failed starts."""
        self._is_over = True
        self._run(status.end_start(self._start))

    @contextlib.contextmanager
    def recorded(self, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
        """Load and run a worker in this block; it calls ``succeed`` when it is ready.

        Raises:
            StartupError: it has failed before that; the sentence says why.
        """
        try:
            num_failed = self._run(status.begin_start(self._start)) or 0
            if wait_s := pause_before(num_failed):
                log.warning(
                    "start_waits", model=self._start.model, num_failed=num_failed, wait_s=wait_s
                )
                pause(wait_s)
            yield
        except (SystemExit, KeyboardInterrupt):
            stay()  # nothing interrupts the record
            self._stop()
            raise
        except Exception as error:
            if self._is_over:
                raise
            stay()
            if self._shutdown.is_asked:  # its SystemExit was changed by a library on its way
                self._stop()
                raise SystemExit(0) from error
            sentence = _sentence(self._start.model, error)
            self._fail(sentence)
            if isinstance(error, StartupError):
                raise
            raise StartupError(sentence) from error

    def _stop(self) -> None:
        """End the start for a signal, or because the engine was lost, which sends one."""
        if self._shutdown.is_abandoned:
            self._fail(LOST)
        elif not self._is_over:
            self._run(status.leave_start(self._start))

    def _fail(self, sentence: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        num_failed = self._run(status.fail_start(self._start, SECRETS.sub("", sentence)))
        log.error("start_failed", model=self._start.model, num_failed=num_failed)

    def _run(self, call: Call[T]) -> T | None:
        try:
            return self._store.run(call)
        except (redis.RedisError, OSError) as error:
            log.warning("start_not_recorded", error=type(error).__name__)
            return None


def pause_before(num_failed: int) -> float:
    """Seconds to wait before a start after so many failed ones in a row."""
    excess = num_failed - keys.FAILING_STARTS
    if excess < 0:
        return 0.0
    doublings = min(excess, MAX_DOUBLINGS)
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**doublings))


def model_name_of(settings: Settings) -> str:
    """The name of a worker's model before it is loaded; what it is called later, where it can be.

    A folder's or file's name, a hub id, or what a model server is asked for.
    """
    if settings.engine == "openai":
        return settings.model
    if settings.model == DEFAULT:
        return DEFAULT_MODEL.name
    path = Path(settings.model).expanduser()
    if path.is_file():
        return path.resolve().stem
    looks_like_path = settings.model.startswith((".", "/", "~"))
    return path.resolve().name if path.is_dir() or looks_like_path else settings.model


def _sentence(model: str, error: Exception) -> str:
    if isinstance(error, StartupError):
        return str(error)
    text = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (
        f"The model {model} cannot be started ({reason[:MAX_REASON_CHARS].rstrip('.')}): check "
        "that it fits into this machine's memory, or name another one in PARLEY_MODEL."
    )
