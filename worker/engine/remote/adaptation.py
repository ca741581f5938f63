"""What a server was found not to take, so that it is not sent again."""
# Pure.

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from worker.engine.remote.refusal import BUSY, Refusal

OF_REQUEST: Final = frozenset({400, 405, 415, 422, 501})
"""Statuses for a fault of the request."""
NEEDED: Final = frozenset({"model", "messages", "prompt", "stream"})
MAX_TOKENS, MAX_COMPLETION_TOKENS = "max_tokens", "max_completion_tokens"
EFFORT, LEAST_EFFORT = "reasoning_effort", "low"
BARE: Final = frozenset({MAX_TOKENS, MAX_COMPLETION_TOKENS})
"""Sent also to a server that refuses something without a word of what."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The habits of one server."""

    left_out: frozenset[str] = frozenset()
    """Parameters that it refused."""
    counts_completion_tokens: bool = False
    """Whether it wants ``max_completion_tokens`` in place of ``max_tokens``."""
    thinks_at_least: bool = False
    """Whether it knows no ``none`` for the effort, so that the least one is sent."""
    merges_turns: bool = False
    """Whether its template refuses system turns, or two turns of one role in a row."""
    asks_to_go_on: bool = False
    """Whether it refuses to continue an answer: it is asked to, in words."""
    is_bare: bool = False
    """Whether it refuses something that it does not name."""

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a request as this server takes it."""
        sent = dict(body)
        if self.counts_completion_tokens and MAX_TOKENS in sent:
            sent[MAX_COMPLETION_TOKENS] = sent.pop(MAX_TOKENS)
        if self.thinks_at_least and sent.get(EFFORT) == "none":
            sent[EFFORT] = LEAST_EFFORT
        kept = NEEDED | BARE if self.is_bare else sent.keys()
        return {
            name: value
            for name, value in sent.items()
            if name in kept and name not in self.left_out
        }

    def after(self, sent: Mapping[str, Any], refusal: Refusal, *, is_begun: bool) -> Self | None:
        """What to try next; None if nothing is left. Each step is taken once.

        Args:
            sent: the body that was refused.
            refusal: the server's.
            is_begun: whether it had the beginning of an answer to continue.
        """
        return next(self._steps(sent, refusal, is_begun=is_begun), None)

    def _steps(
        self, sent: Mapping[str, Any], refusal: Refusal, *, is_begun: bool
    ) -> Iterator[Self]:
        is_of_request = refusal.status in OF_REQUEST
        if refusal.may_pass or (not is_of_request and refusal.status not in BUSY):
            return
        optional = [name for name in sent if name not in NEEDED] if is_of_request else []
        yield from (self._without(name, sent[name]) for name in optional if name in refusal.named)
        if is_begun and refusal.is_of_prefill and not self.asks_to_go_on:
            yield dataclasses.replace(self, asks_to_go_on=True)
        yield from (self._without(name, sent[name]) for name in optional if refusal.names(name))
        if refusal.is_of_turns and not self.merges_turns:
            yield dataclasses.replace(self, merges_turns=True)
        if not self.is_bare and set(optional) - BARE:
            yield dataclasses.replace(self, is_bare=True)

    def added_to(self, other: Self) -> tuple[str, ...]:
        """The names of what is new here, beside another one; for a log."""
        names = sorted(self.left_out - other.left_out)
        for each in dataclasses.fields(self):
            if each.name != "left_out" and getattr(self, each.name) > getattr(other, each.name):
                names.append(each.name)
        return tuple(names)

    def joined(self, other: Self) -> Self:
        """Both together."""
        values = {
            each.name: getattr(self, each.name) | getattr(other, each.name)
            for each in dataclasses.fields(self)
        }
        return type(self)(**values)

    def _without(self, name: str, value: object) -> Self:
        if name == MAX_TOKENS and not self.counts_completion_tokens:
            return dataclasses.replace(self, counts_completion_tokens=True)
        if name == EFFORT and value == "none":
            return dataclasses.replace(self, thinks_at_least=True)
        return dataclasses.replace(self, left_out=self.left_out | {name})


UNADAPTED: Final = Adaptation()
"""Of a server about which nothing is known."""
