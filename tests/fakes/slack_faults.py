"""The faults a test asks the fake Slack for, by Web API method.

It decides only; the server carries out what is decided here. A fault is used up after `times`
requests, a rate limit stays until it is lifted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tests.fakes.slack_settings import Json

# docs.slack.dev/apis/web-api/rate-limits and the methods' own pages
TIERS = {
    "agents.sessions.setStatus": 50,
    "chat.appendStream": 100,
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.update": 50,
}
POSTS_PER_MINUTE = 60

OK = 200
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500


class FaultKind(Enum):
    """What may go wrong with a request."""

    DELAY = "delay"
    DROP_BEFORE = "drop_before"
    REFUSE = "refuse"
    DROP_AFTER = "drop_after"
    ERROR_AFTER = "error_after"
    DELAY_AFTER = "delay_after"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the Web API."""

    body: Json
    status: int = OK
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Fault:
    """One thing that will go wrong with the next `times` requests of a method."""

    method: str
    kind: FaultKind
    times: int = 1
    delay_s: float = 0.0
    answer: Answer | None = None


@dataclass(kw_only=True)
class RateLimit:
    """A token bucket for each channel, or one for the method."""

    per_minute: float
    burst: float
    is_per_channel: bool
    # bucket -> (tokens left, when that was true)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, channel: str, now_s: float) -> float:
        """Take a token and return 0, or return the seconds until there will be one."""
        bucket = channel if self.is_per_channel else ""
        tokens, since_s = self.buckets.get(bucket, (self.burst, now_s))
        per_second = self.per_minute / 60
        tokens = min(self.burst, tokens + (now_s - since_s) * per_second)
        is_granted = tokens >= 1
        self.buckets[bucket] = (tokens - is_granted, now_s)
        return 0.0 if is_granted else (1 - tokens) / per_second


class FaultPlan:
    """The faults still to come, and how they are asked for. It is a part of `FakeSlack`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._faults: list[Fault] = []
        self._limits: dict[str, RateLimit] = {}

    def fail_next(
        self,
        method: str,
        *,
        error: str | None = None,
        status: int = 200,
        retry_after_s: float | None = None,
        times: int = 1,
    ) -> None:
        """Refuse the next requests, without doing what they ask.

        `error` is Slack's code; `status=429` or `error="ratelimited"` sends Retry-After.
        """
        answer = refused(error, status, retry_after_s)
        self._plan(method, FaultKind.REFUSE, times, answer=answer)

    def drop_connection_before(self, method: str, *, times: int = 1) -> None:
        """Close the TCP connection of the next requests, having done nothing."""
        self._plan(method, FaultKind.DROP_BEFORE, times)

    def drop_connection_after(self, method: str, *, times: int = 1) -> None:
        """Do what the next requests ask, then close the TCP connection without an answer."""
        self._plan(method, FaultKind.DROP_AFTER, times)

    def answer_500_after(self, method: str, *, times: int = 1) -> None:
        """Do what the next requests ask, then answer 500."""
        self._plan(method, FaultKind.ERROR_AFTER, times)

    def delay(self, method: str, seconds: float, *, times: int = 1) -> None:
        """Let the next requests wait before they are looked at, even if the client gives up."""
        self._plan(method, FaultKind.DELAY, times, delay_s=seconds)

    def delay_after(self, method: str, seconds: float, *, times: int = 1) -> None:
        """Do what the next requests ask at once, and answer late."""
        self._plan(method, FaultKind.DELAY_AFTER, times, delay_s=seconds)

    def rate_limit(
        self,
        method: str,
        per_minute: float | None,
        *,
        burst: int | None = None,
        is_per_channel: bool = False,
    ) -> None:
        """Answer 429 to more than `per_minute` requests, or with None stop doing so.

        `burst` requests (by default a minute's worth) pass at once, then they pass evenly.
        """
        if per_minute is None:
            self._limits.pop(method, None)
            return
        size = per_minute if burst is None else burst
        self._limits[method] = RateLimit(
            per_minute=per_minute, burst=size, is_per_channel=is_per_channel
        )

    def keep_tiers(self) -> None:
        """Answer 429 to more than Slack documents, in every method that it has a figure for."""
        for method, per_minute in TIERS.items():
            self.rate_limit(method, per_minute)
        self.rate_limit("chat.postMessage", POSTS_PER_MINUTE, burst=10, is_per_channel=True)

    def clear_faults(self) -> None:
        """Forget all faults and rate limits."""
        self._faults.clear()
        self._limits.clear()

    def _take_fault(self, method: str, kind: FaultKind) -> Fault | None:
        """Use up one planned fault of this method and kind, oldest first."""
        for fault in self._faults:
            if fault.method == method and fault.kind is kind:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    def _refusal(self, method: str, channel: str) -> Answer | None:
        """Return the answer that takes the place of the method's own, if there is one."""
        fault = self._take_fault(method, FaultKind.REFUSE)
        if fault is not None:
            return fault.answer
        limit = self._limits.get(method)
        wait_s = limit.take(channel, self._clock()) if limit else 0.0
        return rate_limited(wait_s) if wait_s > 0 else None

    def _plan(
        self,
        method: str,
        kind: FaultKind,
        times: int,
        *,
        delay_s: float = 0.0,
        answer: Answer | None = None,
    ) -> None:
        self._faults.append(
            Fault(method=method, kind=kind, times=times, delay_s=delay_s, answer=answer)
        )


def rate_limited(retry_after_s: float) -> Answer:
    """Return Slack's 429 (docs.slack.dev/apis/web-api/rate-limits: whole seconds)."""
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return Answer({"ok": False, "error": "ratelimited"}, TOO_MANY_REQUESTS, headers)


def refused(error: str | None, status: int, retry_after_s: float | None) -> Answer:
    """Return the answer that `fail_next` was asked for."""
    if status == TOO_MANY_REQUESTS or error == "ratelimited":
        return rate_limited(1.0 if retry_after_s is None else retry_after_s)
    default = "internal_error" if status >= SERVER_ERROR else "fatal_error"
    headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    return Answer({"ok": False, "error": error or default}, status, headers)
