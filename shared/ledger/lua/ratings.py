"""The steps of rated messages: a stream a channel, and a hash that finds an entry by its message.

A rating holds no text of the message.
"""

from shared.ledger import keys
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE

TRIM_AT_ONCE = 16
"""Entries that are looked at for every new one: more go than come, and no step takes long."""

NOTE = (
    PRELUDE
    + f"""
-- ARGV: job, token, stream, hash, message, the job that rates the message's first text, when this
-- text was written (0: it is the first), then the entry's fields and values. Keeps the rating of a
-- message's latest text, unless the lease is lost: then the message may be gone. A changed text is
-- rated only if the first one is, or will be: a message that is gone has no rating.
-- Returns {{1 or 0, the reaction for the text before}}.
local stream, rated, message, edited = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7])
if not holds(ARGV[1], ARGV[2]) then return {{0, ''}} end
local last, was = redis.call('HGET', rated, message), ''
if last then
  local old = {{}}
  for _, found in ipairs(redis.call('XRANGE', stream, last, last)) do
    for i = 1, #found[2], 2 do old[found[2][i]] = found[2][i + 1] end
  end
  local seen = tonumber(old.edited_at_s or '0')
  if seen == edited then return {{1, old.was or ''}} end
  if seen > edited then return {{0, ''}} end
  was = old.reaction or ''
  redis.call('XDEL', stream, last)
elseif edited > 0 then
  local state = redis.call('HGET', job_key(ARGV[6]), 'state')
  if state ~= 'waiting' and state ~= 'queued' and state ~= 'running' then return {{0, ''}} end
end
local entry = redis.call('XADD', stream, '*', 'message', message, 'was', was, unpack(ARGV, 8))
redis.call('HSET', rated, message, entry)
local surplus = redis.call('XLEN', stream) - {keys.MAX_RATINGS}
local too_old = now_ms() - {keys.RATING_LIFETIME_MS}
for _, old in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', {TRIM_AT_ONCE})) do
  if surplus <= 0 and tonumber(string.match(old[1], '%d+')) >= too_old then break end
  redis.call('XDEL', stream, old[1])
  redis.call('HDEL', rated, old[2][2])
  surplus = surplus - 1
end
redis.call('PEXPIRE', stream, {keys.RATING_LIFETIME_MS})
redis.call('PEXPIRE', rated, {keys.RATING_LIFETIME_MS})
return {{1, was}}
"""
)

REMOVE = (
    ENDING_PRELUDE
    + """
-- ARGV: stream, hash, message. Returns 1, or 0 if it was not rated.
local entry = redis.call('HGET', ARGV[2], ARGV[3])
if not entry then return 0 end
redis.call('XDEL', ARGV[1], entry)
redis.call('HDEL', ARGV[2], ARGV[3])
return 1
"""
)

PAGE = (
    PRELUDE
    + """
-- ARGV: stream, set of people who opted out, first entry, number of entries.
-- Returns {next first entry or '', fields and values of an entry, ...} without those of people who
-- opted out.
local entries = redis.call('XRANGE', ARGV[1], ARGV[3], '+', 'COUNT', ARGV[4])
local answer = {''}
for _, entry in ipairs(entries) do
  local user = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'user' then user = entry[2][i + 1] end
  end
  if redis.call('SISMEMBER', ARGV[2], user) == 0 then table.insert(answer, entry[2]) end
end
if #entries == tonumber(ARGV[4]) then answer[1] = '(' .. entries[#entries][1] end
return answer
"""
)

MAY_LOOK = (
    PRELUDE
    + f"""
-- ARGV: key. Whether it is time to look at a channel's mood again. Returns 1 or 0.
return redis.call('SET', ARGV[1], 1, 'PX', {keys.MOOD_LOOK_EVERY_MS}, 'NX') and 1 or 0
"""
)

MAY_ALERT = (
    PRELUDE
    + f"""
-- ARGV: key, job. Whether this job may tell a channel of a drop; it may ask again. Returns 1 or 0.
if redis.call('SET', ARGV[1], ARGV[2], 'PX', {keys.MOOD_ALERT_EVERY_MS}, 'NX') then return 1 end
return redis.call('GET', ARGV[1]) == ARGV[2] and 1 or 0
"""
)
