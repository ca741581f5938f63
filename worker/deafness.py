"""Notices a worker that looks alive and takes nothing.

Jobs lie in Celery's queue, there is a free slot, and none comes: as Celery hands out at once what
it has, that can last no longer than a moment while all is well.
"""

from collections.abc import Callable

from shared.jobs import CHAT_QUEUE
from shared.logs import get_logger
from worker.store import Store

log = get_logger(__name__)

CHECK_EVERY_S = 1.0
DEAF_AFTER_CHECKS = 30
"""Counts, and no clock: a process that was frozen for an hour has missed no job. Celery's consumer
may be away for some seconds itself, after Redis was."""


class DeafnessWatch:
    """Counts the looks at the queue at which a job lay there for nothing."""

    def __init__(
        self,
        store: Store,
        num_taken: Callable[[], int],
        has_free_slot: Callable[[], bool],
        on_deaf: Callable[[], None],
        deaf_after_checks: int = DEAF_AFTER_CHECKS,
    ) -> None:
        self._store = store
        self._num_taken = num_taken
        self._has_free_slot = has_free_slot
        self._on_deaf = on_deaf
        self._deaf_after_checks = deaf_after_checks
        self._taken_before = 0
        self._num_in_vain = 0

    def check(self) -> None:
        """Look once; ``on_deaf`` is called when it was once too often."""
        num_waiting = self._store.client.llen(CHAT_QUEUE)
        num_taken = self._num_taken()
        is_idle = num_taken == self._taken_before and self._has_free_slot()
        self._taken_before = num_taken
        self._num_in_vain = self._num_in_vain + 1 if num_waiting and is_idle else 0
        if self._num_in_vain == self._deaf_after_checks:
            log.error("celery_deaf", num_waiting=num_waiting)
            self._on_deaf()
