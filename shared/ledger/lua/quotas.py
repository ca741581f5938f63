"""The Lua counters of daily usage. A day is one of UTC, by Redis's clock."""
# Pure.

from shared.ledger import keys

COUNTERS = f"""
local DAY = 24 * 3600 * 1000
-- The counter of a person, a channel or a workspace for the day of this moment.
local function used_key(name, now) return name .. ':' .. math.floor(now / DAY) end
local function use(name, what, amount, now)
  local key = used_key(name, now)
  redis.call('HINCRBY', key, what, amount)
  redis.call('PEXPIRE', key, {keys.USED_LIFETIME_MS})
end
-- Why a counter is used up, if it is: 'messages', 'tokens' or nothing. 0 is without limit.
local function exhausted(name, max_messages, max_tokens, now)
  local used = redis.call('HMGET', used_key(name, now), 'messages', 'tokens')
  local most = {{messages = tonumber(max_messages), tokens = tonumber(max_tokens)}}
  if most.messages > 0 and tonumber(used[1] or '0') >= most.messages then return 'messages' end
  if most.tokens > 0 and tonumber(used[2] or '0') >= most.tokens then return 'tokens' end
end
"""

TODAY = (
    COUNTERS
    + """
-- No ARGV. Returns the number of the day.
return math.floor(redis.call('TIME')[1] * 1000 / DAY)
"""
)

USAGE = (
    COUNTERS
    + """
-- ARGV: a person's counter, a channel's, a workspace's.
-- Returns {messages, tokens, messages, tokens, messages, tokens, seconds left}.
local time = redis.call('TIME')
local now = time[1] * 1000
local answer = {}
for _, name in ipairs(ARGV) do
  local used = redis.call('HMGET', used_key(name, now), 'messages', 'tokens')
  table.insert(answer, tonumber(used[1] or '0'))
  table.insert(answer, tonumber(used[2] or '0'))
end
table.insert(answer, (DAY - now % DAY) / 1000)
return answer
"""
)
