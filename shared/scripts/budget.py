"""How often all processes together may call one method of a platform: a token bucket each."""

from shared import keys
from shared.scripts.prelude import ENDING_PRELUDE

_BUCKET = (
    ENDING_PRELUDE
    + f"""
local function bucket_key(name) return '{keys.budget("")}' .. name end

-- How many calls are left of a bucket, and until when there are none at all.
local function look(name, per_ms, burst, now)
  local kept = redis.call('HMGET', bucket_key(name), 'left', 'at', 'closed_until')
  local left, closed_until = burst, tonumber(kept[3] or 0)
  if kept[1] then
    left = math.min(burst, kept[1] + math.max(0, now - kept[2]) * per_ms)
  end
  return left, closed_until
end

-- It is forgotten once it is full again, which is how it begins.
local function keep(name, left, at, closed_until, per_ms, burst, now)
  redis.call('HSET', bucket_key(name), 'left', string.format('%.6f', left),
    'at', string.format('%.0f', at), 'closed_until', string.format('%.0f', closed_until))
  redis.call('PEXPIRE', bucket_key(name), math.ceil((burst - left) / per_ms + at - now) + 1000)
end
"""
)

TAKE = (
    _BUCKET
    + """
-- ARGV: bucket, calls per ms, most at once, how many others are to be left, '1' to take it in any
-- case, now in ms or ''. Takes one call. Returns 0, or how many ms to wait and ask again.
local name, per_ms, burst, rest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[6]) or now_ms()
local left, closed_until = look(name, per_ms, burst, now)
if ARGV[5] ~= '1' then
  if now < closed_until then return closed_until - now end
  if left < rest + 1 then return math.ceil((rest + 1 - left) / per_ms) end
end
left = math.max(left - 1, -burst)
-- Until a platform's word has run out the bucket does not fill.
keep(name, left, math.max(now, closed_until), closed_until, per_ms, burst, now)
return 0
"""
)

CLOSE = (
    _BUCKET
    + """
-- ARGV: bucket, calls per ms, most at once, ms, now in ms or ''. The platform wants to be left
-- alone for so long. Then one call finds out whether it has had enough.
local name, per_ms, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[5]) or now_ms()
local left, closed_until = look(name, per_ms, burst, now)
closed_until = math.max(closed_until, now + ARGV[4])
keep(name, math.min(left, 1), closed_until, closed_until, per_ms, burst, now)
return 1
"""
)
