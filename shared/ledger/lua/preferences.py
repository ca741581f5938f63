"""The steps of preferences: a hash holds them, each with its version, a stream their changes."""

from shared.ledger import keys

PUT = f"""
-- ARGV: scope, the version that the change was made from, document, by whom,
--   then field, old, new of each thing that has changed.
-- Returns {{'put'}} or {{'changed', document}} if somebody else was faster.
local scope, document = ARGV[1], ARGV[3]
local kept = redis.call('HGET', '{keys.PREFERENCES}', scope)
local version = kept and cjson.decode(kept).body.version or 0
if version ~= tonumber(ARGV[2]) then return {{'changed', kept or ''}} end
redis.call('HSET', '{keys.PREFERENCES}', scope, document)
redis.call('INCR', '{keys.PREFERENCES_CHANGES}')
for i = 5, #ARGV, 3 do
  redis.call('XADD', '{keys.AUDIT}', 'MAXLEN', '~', {keys.MAX_AUDIT}, '*', 'scope', scope,
    'user', ARGV[4], 'field', ARGV[i], 'old', ARGV[i + 1], 'new', ARGV[i + 2])
end
redis.call('PUBLISH', '{keys.PREFERENCES_NEWS}', scope)
return {{'put'}}
"""

READ = f"""
-- ARGV: scope. Returns {{document}} or {{}}.
return {{redis.call('HGET', '{keys.PREFERENCES}', ARGV[1])}}
"""

READ_ALL = f"""
-- ARGV: number of changes that are known. Returns {{number, scope, document, ...}}, or {{number}}
-- if there are no others.
local changes = tonumber(redis.call('GET', '{keys.PREFERENCES_CHANGES}') or '0')
if changes == tonumber(ARGV[1]) then return {{changes}} end
local answer = {{changes}}
for _, word in ipairs(redis.call('HGETALL', '{keys.PREFERENCES}')) do table.insert(answer, word) end
return answer
"""

AUDIT = f"""
-- ARGV: most. Returns the latest changes, the latest first.
return redis.call('XREVRANGE', '{keys.AUDIT}', '+', '-', 'COUNT', ARGV[1])
"""
