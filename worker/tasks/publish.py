"""Tells the other side about the text so far: the latest snapshot, not too often."""

import time
from collections.abc import Callable

import redis

from shared.ledger import lifecycle
from shared.ledger.lifecycle import Lease
from shared.logs import get_logger
from shared.replies import Snapshot
from worker.store import Store

log = get_logger(__name__)

SNAPSHOT_EVERY_S = 0.2
"""Bots edit at most once a second a message; the console shows every snapshot."""
MOST_PER_S = 40
"""Of all answers of a worker together: each is a call to Redis, which costs the engine its time."""


class SnapshotPublisher:
    """Collects the pieces of one answer and publishes the text so far."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        num_written: Callable[[], int],
        shown: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing published.

        Args:
            store: where to.
            lease: of the job.
            num_written: how many answers are being written now.
            shown: what stands there already and is gone on from.
            clock: in seconds.
        """
        self._store = store
        self._num_written = num_written
        self._lease = lease
        self._clock = clock
        self._last_s = float("-inf")
        self.text = shown

    def push(self, piece: str) -> None:
        """Take the next piece; publish if the last snapshot is old enough."""
        self.text += piece
        now_s = self._clock()
        if now_s - self._last_s < max(SNAPSHOT_EVERY_S, self._num_written() / MOST_PER_S):
            return
        self._last_s = now_s
        self.flush()

    def flush(self) -> None:
        """Publish the text so far.

        A snapshot that Redis does not take is no loss: the next one holds its text.
        """
        call = lifecycle.publish_snapshot(
            self._lease.job.id, self._lease.token, Snapshot(self.text)
        )
        try:
            self._store.run(call)
        except (redis.RedisError, OSError) as error:
            log.warning("snapshot_not_published", error=type(error).__name__)
