"""How often all processes together may call one method of a platform: a token bucket each."""

from shared.ledger import keys
from shared.ledger.lua.prelude import ENDING_PRELUDE

POLITE, ENDING, FORCED = "polite", "ending", "forced"
"""How badly somebody wants a call: leaves others a reserve, may try beyond it, makes it anyway."""

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
