"""The sentiment model of a worker, shared by all its threads; loaded at its first use.

Concurrent requests are rated in one batch; a single request waits a few milliseconds at most for
others. Does not know what is rated.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

from shared.logs import get_logger
from worker.sentiment.ratings import Classifier, Rating

log = get_logger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WAIT_S = 0.004
"""How long the first request of a batch waits for others; one forward step takes longer."""
MAX_BATCH = 256
CLOSED = "The batcher was closed."


class Batcher(Generic[Item, Result]):
    """Calls a function with many items at once, on a thread of its own."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        max_wait_s: float = MAX_WAIT_S,
        max_batch: int = MAX_BATCH,
    ) -> None:
        """Store the dependencies.

        Args:
            work: a result for each item, in their order; never called twice at once.
            max_wait_s: how long the first item of a batch waits for more.
            max_batch: items at once.
        """
        self._work = work
        self._max_wait_s = max_wait_s
        self._max_batch = max_batch
        self._waiting: list[tuple[Item, Future[Result]]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    @property
    def num_waiting(self) -> int:
        """The number of items that wait for a batch."""
        with self._changed:
            return len(self._waiting)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the requested items, accept no more, and end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, item: Item) -> Result:
        """The result for one item; any thread may ask, and waits.

        Raises:
            InterruptedError: the batcher is closed; the item is not to blame.
            Exception: what the work raises for this item, also when it is alone.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._is_closed:
                raise InterruptedError(CLOSED)
            self._waiting.append((item, future))
            self._changed.notify_all()
        return future.result()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[tuple[Item, Future[Result]]]:
        """The next batch; empty once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            until_s = time.monotonic() + self._max_wait_s
            while len(self._waiting) < self._max_batch and not self._is_closed:
                if not self._changed.wait(until_s - time.monotonic()):
                    break
            batch = self._waiting[: self._max_batch]
            del self._waiting[: self._max_batch]
            return batch

    def _answer(self, batch: Sequence[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            log.exception("batch_failed", num_items=len(batch), error=type(error).__name__)
            for alone in batch:  # one bad item never fails its neighbours
                self._answer([alone])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)


class Rater:
    """Rates texts in batches. Thread-safe."""

    def __init__(self, load: Callable[[], Classifier]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._batcher: Batcher[str, Rating] | None = None
        self._is_closed = False

    def open(self) -> Batcher[str, Rating]:
        """Load the model, unless it is loaded.

        Raises:
            ModelUnavailableError: it cannot be loaded.
            InterruptedError: the rater is closed.
        """
        with self._lock:
            if self._is_closed:
                raise InterruptedError(CLOSED)
            if self._batcher is None:
                batcher = Batcher(self._load().rate)
                batcher.open()
                self._batcher = batcher
            return self._batcher

    def close(self) -> None:
        """Finish the requested texts, and accept no more."""
        with self._lock:
            self._is_closed = True
            batcher = self._batcher
        if batcher:
            batcher.close()

    def rate(self, text: str) -> Rating:
        """The rating of a text.

        Raises:
            ModelUnavailableError: there is no model.
            InterruptedError: the rater is closed.
        """
        return (self._batcher or self.open()).ask(text)
