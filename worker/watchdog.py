"""The watchdog: ends a worker that looks alive but cannot work any more.

It is deaf if jobs lie in Celery's queue, it has a free slot, and none arrives: Celery delivers at
once. It is stuck if a run that must end does not, and so keeps its slot for ever.
"""

from collections.abc import Callable

from shared.logs import get_logger
from worker.leases import LeaseKeeper

log = get_logger(__name__)

CHECK_EVERY_S = 1.0
DEAF_AFTER_CHECKS = 30
"""Counted in checks, not time: a process that was frozen for an hour has missed no job. Celery's
consumer may be disconnected for some seconds itself, after Redis was."""


class EngineWatchdog:
    """Checks the worker when called, and calls ``on_stall`` once."""

    def __init__(
        self,
        keeper: LeaseKeeper,
        num_taken: Callable[[], int],
        num_waiting: Callable[[], int],
        on_stall: Callable[[], None],
        *,
        num_slots: int,
        deaf_after_checks: int = DEAF_AFTER_CHECKS,
    ) -> None:
        """Store the dependencies.

        ``num_taken`` counts the jobs that have come from Celery, ``num_waiting`` those that it
        could
        deliver.
        """
        self._keeper = keeper
        self._num_taken = num_taken
        self._on_stall = on_stall
        self._num_slots = num_slots
        self._num_waiting = num_waiting
        self._deaf_after_checks = deaf_after_checks
        self._taken_before = 0
        self._num_in_vain = 0
        self._is_over = False

    def check(self) -> None:
        """Run one check."""
        if self._is_over:
            return
        if self._keeper.is_stuck:
            self._end("a run does not end")
        elif self._is_deaf():
            self._end("Celery hands out nothing")

    def _is_deaf(self) -> bool:
        """Whether a job waited in the queue beside a free slot for too many checks in a row."""
        num_taken = self._num_taken()
        is_idle = num_taken == self._taken_before and self._keeper.num_kept < self._num_slots
        self._taken_before = num_taken
        is_idle = is_idle and not self._keeper.is_closed  # a shutdown accepts none
        is_in_vain = is_idle and self._num_waiting() > 0
        self._num_in_vain = self._num_in_vain + 1 if is_in_vain else 0
        return self._num_in_vain >= self._deaf_after_checks

    def _end(self, why: str) -> None:
        self._is_over = True
        log.error("worker_wedged", why=why)
        self._on_stall()
