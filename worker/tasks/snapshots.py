"""The text so far of one answer, and the thought before it, published while they grow."""

import time
from collections.abc import Callable

import redis

from shared.ledger import lifecycle, thoughts
from shared.ledger.calls import Call
from shared.ledger.lifecycle import Lease
from shared.logs import get_logger
from shared.replies import Snapshot, ThoughtSoFar
from shared.streaming_cadence import MOST_SNAPSHOTS_PER_S, SNAPSHOT_EVERY_S
from worker.store import BlockingStore

log = get_logger(__name__)

THOUGHT_EVERY_S = 1.0
"""People see seconds while a model thinks."""


class SnapshotPublisher:
    """Collects the pieces of one answer and publishes the text so far, rate-limited."""

    def __init__(
        self,
        store: BlockingStore,
        lease: Lease,
        num_written: Callable[[], int],
        shown: str = "",
        clock: Callable[[], float] = time.monotonic,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with nothing published.

        Args:
            store: where snapshots are published.
            lease: the job's.
            num_written: how many answers are being written now.
            shown: the text that is already shown and is continued.
            clock: in seconds.
            on_progress: called after each snapshot that has more text than was shown.
        """
        self._store = store
        self._num_written = num_written
        self._lease = lease
        self._clock = clock
        self._last_s = float("-inf")
        self._on_progress = on_progress
        self._num_shown = len(shown)
        self._thinking_since_s: float | None = None
        """None while the model writes."""
        self.text = shown
        self.thought = ""

    def push(self, piece: str) -> None:
        """Add a piece; publish if the last snapshot is old enough."""
        self.text += piece
        if self._is_due(max(SNAPSHOT_EVERY_S, self._num_written() / MOST_SNAPSHOTS_PER_S)):
            self.flush()

    def think(self, piece: str) -> None:
        """Add a piece of the thought; publish for how long the model has thought."""
        if self._thinking_since_s is None:
            self._thinking_since_s, self._last_s = self._clock(), float("-inf")
        self.thought += piece
        if self._is_due(max(THOUGHT_EVERY_S, self._num_written() / MOST_SNAPSHOTS_PER_S)):
            self.flush()

    def end_thought(self) -> None:
        """Keep the whole thought: the answer begins."""
        if self._thinking_since_s is None:
            return
        self._thinking_since_s, self._last_s = None, float("-inf")
        if self.thought.strip():
            self._keep_thought(is_over=True)

    def take_back(self, num_chars: int) -> None:
        """Take text back that was a thought."""
        self.text = self.text[: len(self.text) - num_chars]
        self.flush()

    def flush(self) -> None:
        """Publish the text so far, and keep the thought so far.

        A snapshot that Redis does not accept is no loss: the next one holds its text.
        """
        since_s = self._thinking_since_s
        thinking_s = None if since_s is None else self._clock() - since_s
        if since_s is not None and self.thought.strip():
            self._keep_thought(is_over=False)
        job = self._lease.job
        snapshot = Snapshot(self.text, thinking_s)
        is_published = self._run(lifecycle.publish_snapshot(job.id, self._lease.token, snapshot))
        if is_published and len(self.text) > self._num_shown:
            self._on_progress()

    def _is_due(self, every_s: float) -> bool:
        now_s = self._clock()
        if now_s - self._last_s < every_s:
            return False
        self._last_s = now_s
        return True

    def _keep_thought(self, *, is_over: bool) -> None:
        thought = ThoughtSoFar(self.thought.strip(), is_over)
        self._run(thoughts.keep(self._lease.job.id, self._lease.token, thought))

    def _run(self, call: Call[bool]) -> bool:
        try:
            return self._store.run(call)
        except (redis.RedisError, OSError) as error:
            log.warning("snapshot_not_published", error=type(error).__name__)
            return False
