"""Who may run after the batch has died: suspects alone, one after the other, then everybody.

One request that no forward pass survives would otherwise take its neighbours with it again and
again. Pure: names in, names out; knows no model, no thread and no clock.
"""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

TRIAL_TOKENS = 4
"""How many tokens a suspect writes alone before it may rejoin the others.

It starts from the tokens it had when the batch died, so the first pass of its trial is the one in
question; with asynchronous batching it may be the one or two after that. Trying everybody to the
end would make the last of thirty wait for the answers of all.
"""
MAX_SHARED_DEATHS = 2
"""A request that was in the batch at so many deaths runs alone to its end, so that no request can
bring down a shared batch more often."""


@dataclass(frozen=True, slots=True)
class RunSlot:
    """Leave to run now."""

    id: str
    max_tokens: int | None = None
    """How many tokens it may write in this turn; None: to its end."""


class FaultIsolation:
    """The requests of an engine, and which of them may run at this moment.

    Either there is one on trial and it runs alone, or there are no suspects and nobody waits.
    """

    def __init__(self) -> None:
        # dicts without values: sets that keep the order of arrival
        self._together: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._suspects: deque[str] = deque()
        self._alone: str | None = None
        self._deaths: Counter[str] = Counter()

    def current(self) -> tuple[RunSlot, ...]:
        """Who may run now."""
        if self._alone is None:
            return tuple(RunSlot(request_id) for request_id in self._together)
        is_last_chance = self._deaths[self._alone] >= MAX_SHARED_DEATHS
        return (RunSlot(self._alone, None if is_last_chance else TRIAL_TOKENS),)

    def arrive(self, request_id: str) -> None:
        """Take a new request; it waits while others are on trial."""
        self._waiting[request_id] = None
        self._advance()

    def leave(self, request_id: str) -> None:
        """Forget a request that has ended, wherever it was."""
        self._together.pop(request_id, None)
        self._waiting.pop(request_id, None)
        self._deaths.pop(request_id, None)
        if request_id in self._suspects:
            self._suspects.remove(request_id)
        if request_id == self._alone:
            self._alone = None
        self._advance()

    def acquit(self, request_id: str) -> None:
        """End the trial of a suspect that survived it; it goes on when all trials are over."""
        if request_id != self._alone:
            return
        self._alone = None
        self._waiting[request_id] = None
        self._advance()

    def die(self, in_batch: Collection[str]) -> str | None:
        """The batch has died with these in it: they are suspects, or the only one is the culprit.

        Returns:
            The request that was alone on trial and has left; None if nobody is to blame yet.
        """
        if self._alone is not None:
            if self._alone not in in_batch:
                return None
            culprit = self._alone
            self.leave(culprit)
            return culprit
        for request_id in self._together:
            if request_id in in_batch:
                self._suspects.append(request_id)
                self._deaths[request_id] += 1
            else:
                self._waiting[request_id] = None
        self._together.clear()
        self._advance()
        return None

    def _advance(self) -> None:
        if self._alone is None and self._suspects:
            self._alone = self._suspects.popleft()
        if self._alone is None:
            self._together.update(self._waiting)
            self._waiting.clear()
