"""Something done again and again on a thread of its own, whatever happens."""

import threading
from collections.abc import Callable
from typing import Self

import kombu.exceptions
import redis

from shared.logs import get_logger

log = get_logger(__name__)


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
