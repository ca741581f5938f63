"""Fault isolation after the batch has died: suspects run alone, one after the other, then all.

A request that no forward pass survives would otherwise kill its batch again and again. Pure: ids
in,
ids out; knows no model, no thread and no clock.
"""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

TRIAL_TOKENS = 4
"""How many tokens a suspect writes alone before it may rejoin the others.

It starts from the tokens it had when the batch died, so the first pass of its trial is the one in
question; with asynchronous batching it may be the one or two after that. Running each suspect to
its end would make the last of thirty wait for the answers of all."""
MAX_SHARED_DEATHS = 2
"""A request that was in the batch at so many deaths runs alone to its end, so that no request can
kill
a shared batch more often."""


@dataclass(frozen=True, slots=True)
class RunSlot:
    """A request that may run now."""

    id: str
    max_tokens: int | None = None
    """How many tokens it may write in this turn; None: to its end."""


class FaultIsolation:
    """The requests of an engine, and which of them may run now.

    Either one is on trial and runs alone, or there are no suspects and no request waits.
    """

    def __init__(self) -> None:
        # dicts without values: sets that keep the order of arrival
        self._together: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._suspects: deque[str] = deque()
        self._alone: str | None = None
        self._deaths: Counter[str] = Counter()

    def current(self) -> tuple[RunSlot, ...]:
        """The requests that may run now."""
        if self._alone is None:
            return tuple(RunSlot(request_id) for request_id in self._together)
        is_last_chance = self._deaths[self._alone] >= MAX_SHARED_DEATHS
        return (RunSlot(self._alone, None if is_last_chance else TRIAL_TOKENS),)

    def arrive(self, request_id: str) -> None:
        """Add a new request; it waits while others are on trial."""
        self._waiting[request_id] = None
        self._advance()

    def leave(self, request_id: str) -> None:
        """Remove a request that has ended."""
        self._together.pop(request_id, None)
        self._waiting.pop(request_id, None)
        self._deaths.pop(request_id, None)
        if request_id in self._suspects:
            self._suspects.remove(request_id)
        if request_id == self._alone:
            self._alone = None
        self._advance()

    def acquit(self, request_id: str) -> None:
        """End the trial of a suspect that survived it; it continues when all trials are over."""
        if request_id != self._alone:
            return
        self._alone = None
        self._waiting[request_id] = None
        self._advance()

    def die(self, in_batch: Collection[str]) -> str | None:
        """Record the death of the batch: its requests are suspects, or a single one is the culprit.

        Returns:
            The request that was alone on trial and is removed; None if the culprit is not known
            yet.
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
