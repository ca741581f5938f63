"""The steps of threads that we take part in: who speaks there, and whether we are to be silent."""

from shared.ledger import keys

MAX_TALK = 4
"""Speakers that are remembered: as many as tell a talk between people from an aside."""

LOOK = """
-- ARGV: presence key, key of the silence, key of the talk.
-- Returns {1 if we take part, 1 if we are to be silent, user, ...} with the latest speaker first.
local answer = {redis.call('EXISTS', ARGV[1]), redis.call('EXISTS', ARGV[2])}
for _, entry in ipairs(redis.call('LRANGE', ARGV[3], 0, -1)) do
  table.insert(answer, string.match(entry, '|(.*)'))
end
return answer
"""

NOTE = f"""
-- ARGV: key of the talk, message, user, lifetime in ms. A message that comes twice is noted once.
local entry = ARGV[2] .. '|' .. ARGV[3]
for _, known in ipairs(redis.call('LRANGE', ARGV[1], 0, -1)) do
  if known == entry then return 0 end
end
redis.call('LPUSH', ARGV[1], entry)
redis.call('LTRIM', ARGV[1], 0, {MAX_TALK - 1})
redis.call('PEXPIRE', ARGV[1], ARGV[4])
return 1
"""

SILENCE = """
-- ARGV: key of the silence, lifetime in ms or 0 to end it. Returns 1.
if ARGV[2] == '0' then
  redis.call('DEL', ARGV[1])
else
  redis.call('SET', ARGV[1], 1, 'PX', ARGV[2])
end
return 1
"""

NUM_BOTS = """
-- ARGV: key of the bots' messages, message. Returns how many others there are.
return redis.call('SCARD', ARGV[1]) - redis.call('SISMEMBER', ARGV[1], ARGV[2])
"""

NOTE_BOT = f"""
-- ARGV: key of the bots' messages, a bot's message that is answered, or '' if a person spoke to us.
if ARGV[2] == '' then return redis.call('DEL', ARGV[1]) end
redis.call('SADD', ARGV[1], ARGV[2])
redis.call('PEXPIRE', ARGV[1], {keys.BOTS_HEARD_LIFETIME_MS})
return 1
"""
