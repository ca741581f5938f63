"""How long an answer waits for a server that is away, and how often it begins again there."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import EngineLostError

MAX_BREAKS: Final = 5
"""After so many broken streams an answer is given up, however much each of them brought."""
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class ServerPatience:
    """How long a server is waited for, in seconds. A job's deadline may come before."""

    away_s: float = 30.0
    """In each outage; then another worker may answer, or a later attempt."""
    loading_s: float = 1800.0
    """While it says that it loads its model."""
    silent_s: float = 120.0
    """Within an answer. Before its first token there is no limit: some servers load the model then,
    and would begin once more."""


SERVER_PATIENCE: Final = ServerPatience()


class ServerAwayError(Exception):
    """The server cannot be reached, or is too busy; ``why`` is a part of a sentence."""

    def __init__(
        self, why: str, retry_after_s: float | None = None, *, is_loading: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after_s = retry_after_s
        self.is_loading = is_loading


class BrokenStreamError(Exception):
    """A stream has ended before its answer."""


class Retries:
    """Counts what goes wrong for one answer; progress does not reset the number of breaks."""

    def __init__(
        self,
        patience: ServerPatience = SERVER_PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``patience``: for each outage; the number of outages is limited by that of breaks."""
        self._patience = patience
        self._clock = clock
        self._away_since_s: float | None = None
        self._pause_s = FIRST_PAUSE_S
        self._num_breaks = 0

    def reach(self) -> None:
        """Note that the server has accepted the request."""
        self._away_since_s = None
        self._pause_s = FIRST_PAUSE_S

    def break_off(self) -> float:
        """Count a broken stream; return the pause before the next one, in seconds.

        Raises:
            EngineLostError: it was one too many.
        """
        self._num_breaks += 1
        if self._num_breaks > MAX_BREAKS:
            raise EngineLostError("The model server breaks off again and again.")
        return FIRST_PAUSE_S

    def miss(self, away: ServerAwayError) -> float:
        """Count a request that was not accepted; return the pause before the next one, in seconds.

        Raises:
            EngineLostError: the server has been away for too long.
        """
        now_s = self._clock()
        if self._away_since_s is None:
            self._away_since_s = now_s
        patience_s = self._patience.loading_s if away.is_loading else self._patience.away_s
        left_s = self._away_since_s + patience_s - now_s
        if left_s <= 0:
            raise EngineLostError(f"The model server {away.why}.")
        pause_s = self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        return min(max(pause_s, away.retry_after_s or 0), max(left_s, FIRST_PAUSE_S))
