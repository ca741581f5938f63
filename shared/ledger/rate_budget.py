"""What all bots processes together may ask of a platform, by method: the steps as calls.

Slack counts an app's calls a method and workspace, Discord a channel; neither cares which of our
processes makes them. ``bots.delivery.rate_budget`` runs these calls.
"""

from dataclasses import dataclass

from shared.ledger.calls import Call, is_one
from shared.ledger.lua import budget as scripts

MS = 1000
MS_PER_MINUTE = 60 * MS


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many calls at once, then evenly so many a minute: what a platform documents."""

    name: str
    per_minute: float
    burst: int
    reserve: int
    """How many calls are kept back for what is more urgent, for each step of urgency.

    Twice as many are less than ``burst``.
    """
    is_documented: bool = True
    """Whether these are the platform's own figures, to be kept strictly once it has said no."""

    @property
    def per_ms(self) -> float:
        """How many calls it gains in a millisecond."""
        return self.per_minute / MS_PER_MINUTE


def take(bucket: Bucket, urgency: int, now_ms: int | None = None) -> Call[float]:
    """Take one call; 0, or how long to wait in seconds.

    Args:
        bucket: of which.
        urgency: 0 for endings; 1 and more leave so many reserves to what is more urgent.
        now_ms: the time, if it is not to be Redis's own.
    """
    how = scripts.POLITE if urgency else scripts.ENDING
    return _take(bucket, now_ms, how, urgency * bucket.reserve)


def spend(bucket: Bucket, now_ms: int | None = None) -> Call[float]:
    """Count a call that is made in any case; later ones wait for it."""
    return _take(bucket, now_ms, scripts.FORCED, 0)


def close(bucket: Bucket, for_s: float, now_ms: int | None = None) -> Call[bool]:
    """Nobody calls for so long: the platform has said so."""
    args = (*_size(bucket, now_ms), round(for_s * MS), int(bucket.is_documented))
    return Call(scripts.CLOSE, args, is_one)


def _take(bucket: Bucket, now_ms: int | None, how: str, rest: int) -> Call[float]:
    args = (*_size(bucket, now_ms), how, rest)
    return Call(scripts.TAKE, args, lambda raw: int(str(raw)) / MS)


def _size(bucket: Bucket, now_ms: int | None) -> tuple[str | int, ...]:
    now = "" if now_ms is None else now_ms
    return bucket.name, f"{bucket.per_ms:.9f}", bucket.burst, now
