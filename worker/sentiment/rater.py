"""The one sentiment model of a worker, for all its threads; loaded when it is first needed."""

import threading
from collections.abc import Callable

from worker.sentiment.batching import CLOSED, Batcher
from worker.sentiment.ratings import Classifier, Rating


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
            ModelUnavailableError: it cannot be.
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
        """Finish what was asked for, and take nothing more."""
        with self._lock:
            self._is_closed = True
            batcher = self._batcher
        if batcher:
            batcher.close()

    def rate(self, text: str) -> Rating:
        """How a text sounds.

        Raises:
            ModelUnavailableError: there is no model.
            InterruptedError: the rater is closed.
        """
        return (self._batcher or self.open()).ask(text)
