"""The filter of log lines that come again and again while Redis is away.

Each loop that meets Redis logs its own event when that fails. Without this filter a worker wrote a
hundred lines a second while Redis was away. A fault is logged once, then how often it came in each
ten seconds, and once when it is over.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis.exceptions
import structlog

REPEATED_EVENTS = frozenset(
    {
        # of bots
        "budget_not_shared",
        "closing_delayed",
        "final_delayed",
        "lookback_interrupted",
        "outbox_interrupted",
        "partial_not_shown",
        "preferences_not_heard",
        "sweep_failed",
        "workspaces_not_looked_up",
        # of either
        "publish_failed",
        # of workers
        "celery_not_connected",
        "finish_delayed",
        "job_interrupted",
        "snapshot_not_published",
        "state_not_told",
        "tick_failed",
    }
)
"""Lines that Parley's own loops write while Redis is away; ``error`` says why. What a person did in
that time has a line of its own each time."""
FOREIGN_LOGGERS = ("celery", "kombu", "redis")
REDIS_ERRORS = frozenset(
    {name for name in vars(redis.exceptions) if name.endswith("Error")}
    | {"OperationalError", "TimeoutError", "OSError"}
    | {"BrokenPipeError", "ConnectionAbortedError", "ConnectionRefusedError"}
    | {"ConnectionResetError", "InterruptedError", "gaierror"}
)
EVERY_S = 10.0
QUIET_S = 2.0
"""Longer than the pauses of the loops after a fault."""
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class _Fault:
    """A fault that goes on."""

    first_s: float
    last_s: float
    said_s: float
    num: int = 1
    num_since: int = 0


class RepeatedFaults(logging.Filter):
    """Lets the first line of a fault pass, counts the others, and says when it is over.

    It is over when Redis has answered since, and it has not come for a while. A daemon thread
    looks for that while there are faults, and ends with the last of them. Thread-safe.
    """

    def __init__(
        self,
        every_s: float = EVERY_S,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a fault.

        Args:
            every_s: how often a fault that goes on is logged.
            quiet_s: after how long without it a fault is over.
            clock: in seconds.
        """
        super().__init__()
        self._every_s = every_s
        self._quiet_s = quiet_s
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: dict[str, _Fault] = {}
        self._is_looking = False
        self._answered_s = float("-inf")

    def note_answer(self) -> None:
        """Redis has answered."""
        if self._faults:
            self._answered_s = self._clock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        name = _fault_of(record)
        if name is None:
            return True
        now_s = self._clock()
        with self._lock:
            if fault := self._faults.get(name):
                fault.last_s = now_s
                fault.num += 1
                fault.num_since += 1
                return False
            self._faults[name] = _Fault(now_s, now_s, now_s)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._run, name="faults", daemon=True).start()
        return True

    def look(self) -> bool:
        """Say what goes on and what is over; returns whether there are faults left."""
        lines: list[tuple[str, dict[str, object]]] = []
        with self._lock:
            for name, fault in tuple(self._faults.items()):
                if line := self._line_about(name, fault):
                    lines.append(line)
            is_left = self._is_looking = bool(self._faults)
        for event, fields in lines:
            structlog.stdlib.get_logger(__name__).warning(event, **fields)
        return is_left

    def _line_about(self, name: str, fault: _Fault) -> tuple[str, dict[str, object]] | None:
        now_s = self._clock()
        told = {"fault": name, "seconds": round(now_s - fault.first_s, 1)}
        if self._answered_s > fault.last_s and now_s - fault.last_s >= self._quiet_s:
            del self._faults[name]
            is_worth_it = fault.num > 1 or name in REPEATED_EVENTS
            return ("fault_over", {**told, "num": fault.num}) if is_worth_it else None
        if now_s - fault.said_s < self._every_s:
            return None
        num_since, fault.num_since, fault.said_s = fault.num_since, 0, now_s
        return ("fault_goes_on", {**told, "num": num_since}) if num_since else None

    def _run(self) -> None:
        while self.look():
            time.sleep(LOOK_EVERY_S)


FAULTS = RepeatedFaults()
"""This process's; ``logs.configure_logs`` installs it, and the stores tell it of each answer."""


def _fault_of(record: logging.LogRecord) -> str | None:
    """The name of the fault of Redis that a line is about; None if it is about anything else."""
    if record.levelno < logging.WARNING:
        return None
    if isinstance(record.msg, dict):
        event = str(record.msg.get("event"))
        is_fault = event in REPEATED_EVENTS and record.msg.get("error") in REDIS_ERRORS
        return event if is_fault else None
    if record.name.partition(".")[0] in FOREIGN_LOGGERS:
        return f"{record.name}: {str(record.msg).strip()[:60]}"
    return None
