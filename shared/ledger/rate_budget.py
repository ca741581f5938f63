"""The rate budget: how often all bots processes together may call one method of a platform.

Slack counts an app's calls per method and workspace, Discord per channel; neither distinguishes
Parley's processes. A token bucket each; ``bots.delivery.rate_budget`` runs these calls.
"""

from dataclasses import dataclass

from shared.ledger import keys
from shared.ledger.calls import Call, is_one
from shared.ledger.lua.prelude import ENDING_PRELUDE

POLITE, ENDING, FORCED = "polite", "ending", "forced"
"""The urgency of a call: leaves a reserve, may exceed the documented rate, counts it regardless."""

_BUCKET = (
    ENDING_PRELUDE
    + f"""
local name, per_ms, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local key = '{keys.budget("")}' .. name
local now = tonumber(ARGV[4]) or now_ms()
local kept = redis.call('HMGET', key, 'left', 'at', 'closed_until', 'strict_until', 'tried_at')
local left, closed_until, strict_until = burst, tonumber(kept[3] or 0), tonumber(kept[4] or 0)
local tried_at = tonumber(kept[5] or 0)
if kept[1] then left = math.min(burst, kept[1] + math.max(0, now - kept[2]) * per_ms) end

-- It is forgotten once it is full again and the platform's word is old, which is how it begins.
local function keep()
  -- Until the platform's word has run out the bucket does not fill.
  local at = math.max(now, closed_until)
  redis.call('HSET', key, 'left', string.format('%.6f', left), 'at', string.format('%.0f', at),
    'closed_until', string.format('%.0f', closed_until),
    'strict_until', string.format('%.0f', strict_until),
    'tried_at', string.format('%.0f', tried_at))
  local full_at = at + (burst - left) / per_ms
  redis.call('PEXPIRE', key, math.ceil(math.max(full_at, strict_until) - now) + 1000)
end
"""
)

TAKE = (
    _BUCKET
    + f"""
-- ARGV: bucket, calls per ms, most at once, now in ms or '', how, how many others are to be left.
-- Takes one call. Returns 0, or how many ms to wait and ask again.
local how, rest = ARGV[5], tonumber(ARGV[6])
if how ~= '{FORCED}' then
  if now < closed_until then return closed_until - now end
  if left < rest + 1 then
    local wait = (rest + 1 - left) / per_ms
    -- What a platform documents is what it gives at least: endings try for more, in single file,
    -- until it says no.
    if how == '{ENDING}' and now >= strict_until then
      wait = math.min(wait, tried_at + 1 / (per_ms * {keys.BUDGET_OVERDRAFT}) - now)
    end
    if wait > 0 then return math.ceil(wait) end
    tried_at = now
  end
end
left = math.max(left - 1, -burst)
keep()
return 0
"""
)

CLOSE = (
    _BUCKET
    + f"""
-- ARGV: bucket, calls per ms, most at once, now in ms or '', ms, '1' if the figures are the
-- platform's own. It wants to be left alone for so long. Then one call finds out whether it has had
-- enough, and nothing goes beyond its figures for a while.
closed_until = math.max(closed_until, now + ARGV[5])
if ARGV[6] == '1' then
  strict_until = closed_until + {keys.BUDGET_STRICT_MS}
  left = math.min(left, 1)
end
keep()
return 1
"""
)


MS = 1000
MS_PER_MINUTE = 60 * MS


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: a burst of calls, then evenly so many a minute, as a platform documents."""

    name: str
    per_minute: float
    burst: int
    reserve: int
    """The calls kept back for more urgent ones, for each step of urgency.

    Twice as many are less than ``burst``."""
    is_documented: bool = True
    """Whether these are the platform's own figures, to be kept strictly once it has refused a call.
    """

    @property
    def per_ms(self) -> float:
        """The calls that it gains in a millisecond."""
        return self.per_minute / MS_PER_MINUTE


def take(bucket: Bucket, urgency: int, now_ms: int | None = None) -> Call[float]:
    """Take one call; 0, or how long to wait in seconds.

    Args:
        bucket: the bucket of the call.
        urgency: 0 for final replies; a higher number leaves so many reserves to more urgent calls.
        now_ms: the time, if it is not to be Redis's own.
    """
    how = POLITE if urgency else ENDING
    return _take(bucket, now_ms, how, urgency * bucket.reserve)


def spend(bucket: Bucket, now_ms: int | None = None) -> Call[float]:
    """Count a call that is made in any case; later ones wait for it."""
    return _take(bucket, now_ms, FORCED, 0)


def close(bucket: Bucket, for_s: float, now_ms: int | None = None) -> Call[bool]:
    """Block all calls for so long: the platform has said so."""
    args = (*_size(bucket, now_ms), round(for_s * MS), int(bucket.is_documented))
    return Call(CLOSE, args, is_one)


def _take(bucket: Bucket, now_ms: int | None, how: str, rest: int) -> Call[float]:
    args = (*_size(bucket, now_ms), how, rest)
    return Call(TAKE, args, lambda raw: int(str(raw)) / MS)


def _size(bucket: Bucket, now_ms: int | None) -> tuple[str | int, ...]:
    now = "" if now_ms is None else now_ms
    return bucket.name, f"{bucket.per_ms:.9f}", bucket.burst, now
