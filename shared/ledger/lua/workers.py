"""The Lua steps of workers' starts, a job's position in the queue, and an operator's overview.

A worker begins a start before it loads its model, and ends it when it is ready or has failed. One
that dies without a word leaves its start open, which counts as failed once its heartbeat is gone.
Starts are counted by model and host, because a restarted worker has another name.
"""
# Pure.

from shared.jobs import chat_queue
from shared.ledger import keys
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE

KILLED = (
    "The process ended while it loaded the model, without a word: most often the machine had no "
    "memory left."
)

_STARTS_OF = f"""
-- The starts of a model on a host: failed ones in a row, also of workers that died without a word,
-- and the names of the workers that load it now.
local function starts_of(id, now, me)
  local found = {{failed = 0, failed_at = 0, sentence = '', loading = {{}}, dead = {{}}}}
  local open = {{}}
  local words = redis.call('HGETALL', start_key(id))
  for at = 1, #words, 2 do
    local name = string.match(words[at], '^open:(.+)$')
    if name then open[name] = tonumber(words[at + 1]) else found[words[at]] = words[at + 1] end
  end
  found.failed, found.failed_at = tonumber(found.failed), tonumber(found.failed_at)
  found.has_slots = found.slots ~= '0'
  for name, since in pairs(open) do
    local is_silent = redis.call('EXISTS', worker_key(name)) == 0
    if name == me or is_silent and now - since > {keys.WORKER_LIFETIME_MS} then
      table.insert(found.dead, name)
      found.failed, found.sentence = found.failed + 1, '{KILLED}'
      found.failed_at = math.max(found.failed_at, since)
    else
      table.insert(found.loading, name)
    end
  end
  return found
end
"""

FAILING = (
    _STARTS_OF
    + f"""
-- Those that have failed {keys.FAILING_STARTS} times in a row or more.
local function failing_starts(now)
  local answer = {{}}
  local recent = now - {keys.START_LIFETIME_MS}
  for _, id in ipairs(redis.call('ZRANGE', STARTS, recent, '+inf', 'BYSCORE')) do
    local start = starts_of(id, now)
    if start.failed >= {keys.FAILING_STARTS} then table.insert(answer, start) end
  end
  return answer
end
"""
)

_KEEP = f"""
local function keep(id, now)
  redis.call('PEXPIRE', start_key(id), {keys.START_LIFETIME_MS})
  redis.call('ZADD', STARTS, now, id)
  redis.call('ZREMRANGEBYSCORE', STARTS, '-inf', now - {keys.START_LIFETIME_MS})
end
"""

BEGIN_START = (
    ENDING_PRELUDE
    + _STARTS_OF
    + _KEEP
    + """
-- ARGV: id, worker, host, model, slots. A worker begins to load its model.
-- Returns how many starts have failed in a row before this one.
local id, me, now = ARGV[1], ARGV[2], now_ms()
local start = starts_of(id, now, me)
for _, name in ipairs(start.dead) do redis.call('HDEL', start_key(id), 'open:' .. name) end
redis.call('HSET', start_key(id), 'open:' .. me, now, 'host', ARGV[3], 'model', ARGV[4],
  'slots', ARGV[5], 'failed', start.failed, 'failed_at', start.failed_at,
  'sentence', start.sentence)
keep(id, now)
return start.failed
"""
)

FAIL_START = (
    ENDING_PRELUDE
    + _KEEP
    + """
-- ARGV: id, worker, sentence. Returns how many starts have failed in a row.
local id, now = ARGV[1], now_ms()
if redis.call('HDEL', start_key(id), 'open:' .. ARGV[2]) == 0 then
  return tonumber(redis.call('HGET', start_key(id), 'failed') or '0')
end
redis.call('HSET', start_key(id), 'sentence', ARGV[3], 'failed_at', now)
keep(id, now)
return redis.call('HINCRBY', start_key(id), 'failed', 1)
"""
)

END_START = (
    ENDING_PRELUDE
    + """
-- ARGV: id, worker. It is ready: what failed before is over. Others may still be loading.
local id = ARGV[1]
redis.call('HDEL', start_key(id), 'open:' .. ARGV[2])
redis.call('HSET', start_key(id), 'failed', 0, 'failed_at', 0, 'sentence', '')
for _, field in ipairs(redis.call('HKEYS', start_key(id))) do
  if string.sub(field, 1, 5) == 'open:' then return 1 end
end
redis.call('DEL', start_key(id))
redis.call('ZREM', STARTS, id)
return 1
"""
)

LEAVE_START = (
    ENDING_PRELUDE
    + """
-- ARGV: id, worker. It was asked to end before it was ready, which is no failure.
redis.call('HDEL', start_key(ARGV[1]), 'open:' .. ARGV[2])
return 1
"""
)

PLACE = (
    PRELUDE
    + FAILING
    + """
-- The model that no worker can start, unless one is ready, or loads and has not failed so often.
local function failing_model(id, now)
  local wanted, found, latest = redis.call('HGET', job_key(id), 'model'), '', 0
  local is_failing = {}
  for _, start in ipairs(failing_starts(now)) do
    for _, name in ipairs(start.loading) do is_failing[name] = true end
    local at = start.model == wanted and now + 1 or start.failed_at
    if start.has_slots and at > latest then found, latest = start.model, at end
  end
  if found == '' then return '' end
  for _, name in ipairs(live_workers(now)) do
    local worker = redis.call('HMGET', worker_key(name), 'state', 'slots')
    local may_come = worker[1] == 'loading' and worker[2] ~= '0'
    if may_come and not is_failing[name] then return '' end
  end
  return found
end

-- ARGV: id. Where a job stands that has not been begun.
-- Returns {state, jobs ahead, expected wait in ms or -1, workers ready, workers alive,
-- the model that none of them can start, or ''} or {}.
local id, now = ARGV[1], now_ms()
local state = redis.call('HGET', job_key(id), 'state')
if not state then return {} end
local slots, ready, alive = capacity(now)
local ahead = redis.call('ZRANK', QUEUE, id) or 0
local failing = ready == 0 and failing_model(id, now) or ''
return {state, ahead, expected_wait(ahead, slots), ready, alive, failing}
"""
)

STATUS = (
    PRELUDE
    + FAILING
    + f"""
-- Returns {{queued, running, oldest wait in ms, dead, ids in Celery's list, service time in ms,
--   jobs that no process could read lately,
--   model and number of jobs that wait for it, ..., failing starts as lists}},
--   then for each live worker its name and its fields and values as one list}}.
local now = now_ms()
local num_queued = redis.call('ZCARD', QUEUE)
local oldest = redis.call('ZRANGE', QUEUE, 0, 0)[1]
local since = oldest and redis.call('HGET', job_key(oldest), 'accepted_at')
local waiting, models = {{}}, {{}}
for _, id in ipairs(redis.call('ZRANGE', QUEUE, 0, -1)) do
  local route = redis.call('HGET', job_key(id), 'route')
  local model = route and string.sub(route, {len(chat_queue("")) + 1}) or ''
  if not waiting[model] then table.insert(models, model) end
  waiting[model] = (waiting[model] or 0) + 1
end
local queues, failing = {{}}, {{}}
for _, model in ipairs(models) do
  table.insert(queues, model)
  table.insert(queues, waiting[model])
end
for _, start in ipairs(failing_starts(now)) do
  table.insert(failing,
    {{start.host, start.model, start.failed, start.sentence, now - start.failed_at}})
end
local num_unreadable = 0
for _, id in ipairs(redis.call('ZRANGE', '{keys.UNREADABLE}', now - {keys.UNREADABLE_FOR_MS},
    '+inf', 'BYSCORE')) do
  local state = redis.call('HGET', job_key(id), 'state')
  if state == 'queued' or state == 'done' then num_unreadable = num_unreadable + 1 end
end
local answer = {{num_queued, redis.call('ZCARD', OPEN) - num_queued, since and now - since or 0,
  redis.call('ZCARD', DEAD), redis.call('LLEN', CHAT),
  math.floor(tonumber(redis.call('GET', SERVICE) or '0')), num_unreadable, queues, failing}}
for _, name in ipairs(redis.call('ZRANGE', WORKERS, 0, -1)) do
  local worker = redis.call('HGETALL', worker_key(name))
  if #worker > 0 then
    table.insert(worker, 1, name)
    table.insert(answer, worker)
  end
end
return answer
"""
)
