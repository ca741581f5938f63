"""What all bots processes together may ask of a platform, by method: the steps as calls.

Slack counts an app's calls a method and workspace, Discord a channel; neither cares which of our
processes makes them. ``bots.budget`` runs these calls.
"""

from dataclasses import dataclass

from shared.calls import Call, is_one
from shared.scripts import budget as scripts

MS = 1000
MS_PER_MINUTE = 60 * MS


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many calls at once, then evenly so many a minute."""

    name: str
    per_minute: float
    burst: int
    reserve: int
    """How many calls are kept back for what is more urgent, for each step of urgency."""

    @property
    def per_ms(self) -> float:
        """How many calls it gains in a millisecond."""
        return self.per_minute / MS_PER_MINUTE


def take(bucket: Bucket, rest: int, now_ms: int | None = None) -> Call[float]:
    """Take one call if ``rest`` more are left then; 0, or how long to wait in seconds.

    Args:
        bucket: of which.
        rest: how many others are to be left, less than its burst.
        now_ms: the time, if it is not to be Redis's own.
    """
    return _take(bucket, rest, now_ms, is_forced=False)


def spend(bucket: Bucket, now_ms: int | None = None) -> Call[float]:
    """Count a call that is made in any case; later ones wait for it."""
    return _take(bucket, 0, now_ms, is_forced=True)


def close(bucket: Bucket, for_s: float, now_ms: int | None = None) -> Call[bool]:
    """Nobody calls for so long: the platform has said so."""
    args = (*_size(bucket), round(for_s * MS), _time(now_ms))
    return Call(scripts.CLOSE, args, is_one)


def _take(bucket: Bucket, rest: int, now_ms: int | None, *, is_forced: bool) -> Call[float]:
    args = (*_size(bucket), rest, int(is_forced), _time(now_ms))
    return Call(scripts.TAKE, args, lambda raw: int(str(raw)) / MS)


def _size(bucket: Bucket) -> tuple[str, str, int]:
    return bucket.name, f"{bucket.per_ms:.9f}", bucket.burst


def _time(now_ms: int | None) -> str | int:
    return "" if now_ms is None else now_ms
