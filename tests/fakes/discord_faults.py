"""Faults asked for by name: which requests they hit, and how often.

The HTTP layer takes at most one fault of each moment for a request: before it is handled or
after. Nothing here touches a socket.
"""

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase


class FaultKind(Enum):
    """What goes wrong, in the order in which the HTTP layer asks."""

    DELAY = "delay"
    DROP_BEFORE = "drop before"
    ANSWER = "answer"
    DROP_AFTER = "drop after"
    BAD_GATEWAY_AFTER = "502 after"
    DELAY_AFTER = "delay after"


@dataclass(slots=True)
class Fault:
    """One fault for the next `times` requests that match.

    `route_pattern` is a route with placeholders (`/channels/{channel_id}/messages`), a path
    with ids, or either with wildcards, where `*` also matches slashes. Method `*` is any.
    """

    kind: FaultKind
    method: str
    route_pattern: str
    times: int = 1
    delay_s: float = 0.0
    status: int = 0
    code: int = 0
    retry_after_s: float | None = None
    is_global: bool = False
    is_from_cloudflare: bool = False

    def hits(self, method: str, route: str, path: str) -> bool:
        """Whether a request is meant."""
        if self.method not in {"*", method}:
            return False
        return any(_matches(value, self.route_pattern) for value in (route, path))


def _matches(value: str, pattern: str) -> bool:
    return value == pattern or fnmatchcase(value, pattern)


class Faults:
    """The faults still to come, first asked for, first taken."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults that have not happened."""
        self._waiting.clear()

    def take(self, kind: FaultKind, method: str, route: str, path: str) -> Fault | None:
        """Return the next fault of this kind for a request and count it as happened."""
        for fault in self._waiting:
            if fault.kind is kind and fault.hits(method, route, path):
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
