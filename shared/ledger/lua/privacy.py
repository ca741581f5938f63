"""The Lua steps of a person's data: recorded, exported and deleted."""
# Pure.

from shared.ledger import keys
from shared.ledger.lua.prelude import KEYS, PRELUDE

NOTE = f"""
-- Remembers where a person asked and what, so that it is found when they want it forgotten.
local function note_person(person, id, conversation, keep_ms, now)
  local asked, questions = '{keys.asked("")}' .. person, '{keys.questions("")}' .. person
  if conversation then
    -- Channels may remember for different times: each conversation is known as long as its own.
    redis.call('ZADD', asked, now + keep_ms, conversation)
    redis.call('ZREMRANGEBYSCORE', asked, '-inf', now)
    redis.call('ZREMRANGEBYRANK', asked, 0, -{keys.MAX_ASKED + 1})
    local longest = redis.call('ZRANGE', asked, -1, -1, 'WITHSCORES')[2]
    redis.call('PEXPIREAT', asked, string.format('%.0f', longest))
  end
  redis.call('ZADD', questions, now, id)
  redis.call('ZREMRANGEBYSCORE', questions, '-inf', now - {keys.DEAD_LIFETIME_MS})
  redis.call('ZREMRANGEBYRANK', questions, 0, -{keys.MAX_QUESTIONS + 1})
  redis.call('PEXPIRE', questions, {keys.DEAD_LIFETIME_MS})
end
"""

KEPT = (
    KEYS
    + f"""
-- ARGV: person, feedback key, opted out key, user, counter of a day, ...
-- Returns {{1 if opted out, verdicts, {{{{conversation, turn, ...}}, ...}}, jobs,
-- {{{{counter, messages, tokens}}, ...}}, {{{{job, thought}}, ...}}}}.
local conversations, jobs, used, thoughts = {{}}, {{}}, {{}}, {{}}
for _, name in ipairs(redis.call('ZRANGE', '{keys.asked("")}' .. ARGV[1], 0, -1)) do
  local turns = redis.call('LRANGE', transcript_key(name), 0, -1)
  if #turns > 0 then
    local entry = {{name}}
    for _, turn in ipairs(turns) do table.insert(entry, turn) end
    table.insert(conversations, entry)
  end
end
for _, id in ipairs(redis.call('ZRANGE', '{keys.questions("")}' .. ARGV[1], 0, -1)) do
  local job = redis.call('HGET', job_key(id), 'job')
  if job then table.insert(jobs, job) end
  local thought = redis.call('GET', thought_key(id))
  if thought then table.insert(thoughts, {{id, thought}}) end
end
for i = 5, #ARGV do
  local counts = redis.call('HMGET', ARGV[i], 'messages', 'tokens')
  if counts[1] or counts[2] then
    table.insert(used, {{ARGV[i], counts[1] or '0', counts[2] or '0'}})
  end
end
return {{redis.call('SISMEMBER', ARGV[3], ARGV[4]), redis.call('HGETALL', ARGV[2]), conversations,
  jobs, used, thoughts}}
"""
)

FIND_KEYS = """
-- ARGV: cursor, pattern. Returns {next cursor, key, ...}.
local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000, 'TYPE', 'stream')
local answer = {found[1]}
for _, key in ipairs(found[2]) do table.insert(answer, key) end
return answer
"""

RATINGS_OF = (
    PRELUDE
    + """
-- ARGV: stream, hash, user, first entry, number of entries, '1' if they are to go.
-- Returns {next first entry or '', fields and values of an entry of that user, ...}.
local entries = redis.call('XRANGE', ARGV[1], ARGV[4], '+', 'COUNT', ARGV[5])
local answer = {''}
for _, entry in ipairs(entries) do
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  if fields.user == ARGV[3] then
    table.insert(answer, entry[2])
    if ARGV[6] == '1' then
      redis.call('XDEL', ARGV[1], entry[1])
      redis.call('HDEL', ARGV[2], fields.message)
    end
  end
end
if #entries == tonumber(ARGV[5]) then answer[1] = '(' .. entries[#entries][1] end
return answer
"""
)
