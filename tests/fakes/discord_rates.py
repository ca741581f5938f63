"""Counts requests as Discord's rate limits do, and writes the X-RateLimit headers.

Source: Rate Limits. A bucket is a method and route with its channel; the global limit counts
everything but the interaction endpoints.
"""

import hashlib
import time
from dataclasses import dataclass

from tests.fakes.discord_errors import ApiError
from tests.fakes.discord_settings import RateLimit, Settings

# discord.py takes a 429 without this header for a ban by Cloudflare (http.py, request).
VIA = {"Via": "1.1 google"}


@dataclass(slots=True)
class _Window:
    started_s: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class BucketKey:
    """What requests share a limit: the same method, route and channel."""

    method: str
    route: str
    channel_id: str

    @property
    def bucket(self) -> str:
        """The X-RateLimit-Bucket: without the channel."""
        return hashlib.sha256(f"{self.method} {self.route}".encode()).hexdigest()[:32]


class RateLimiter:
    """Fixed windows, one for each bucket and one for everything."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows: dict[BucketKey | None, _Window] = {}

    def take_global(self) -> None:
        """Count a request against the global limit.

        Raises:
            ApiError: 429, the limit is used up.
        """
        limit = self._settings.global_rate_limit
        if limit is None:
            return
        window = self._window(None, limit)
        if window.used >= limit.limit:
            left_s = window.started_s + limit.per_s - self._settings.clock()
            raise too_many_requests(left_s, is_global=True)
        window.used += 1

    def take(self, key: BucketKey) -> dict[str, str]:
        """Count a request against its bucket and return the headers to send.

        Raises:
            ApiError: 429, the bucket is used up.
        """
        limit = self._settings.rate_limit
        if limit is None:
            return {}
        window = self._window(key, limit)
        left_s = window.started_s + limit.per_s - self._settings.clock()
        is_over = window.used >= limit.limit
        window.used += not is_over
        headers = {
            "X-RateLimit-Limit": str(limit.limit),
            "X-RateLimit-Remaining": str(limit.limit - window.used),
            "X-RateLimit-Reset": f"{time.time() + left_s:.3f}",
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Bucket": key.bucket,
        }
        if is_over:
            raise too_many_requests(left_s, headers=headers)
        return headers

    def _window(self, key: BucketKey | None, limit: RateLimit) -> _Window:
        now_s = self._settings.clock()
        window = self._windows.get(key)
        if window is None or now_s >= window.started_s + limit.per_s:
            window = self._windows[key] = _Window(now_s)
        return window


def too_many_requests(
    retry_after_s: float, *, is_global: bool = False, headers: dict[str, str] | None = None
) -> ApiError:
    """Return Discord's 429, with the Via header that tells it from a Cloudflare ban."""
    scope = {"X-RateLimit-Scope": "global" if is_global else "user"}
    if is_global:
        scope["X-RateLimit-Global"] = "true"
    wait = {"Retry-After": str(max(1, round(retry_after_s)))}
    body = {
        "message": "You are being rate limited.",
        "retry_after": round(retry_after_s, 3),
        "global": is_global,
    }
    return ApiError(429, body, (headers or {}) | scope | wait | VIA)
