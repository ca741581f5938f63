"""What workers say of themselves, what people who wait are told, and what operators ask and do."""
# Pure.

from shared.ledger import keys
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE

SIGN_OF_LIFE = (
    ENDING_PRELUDE
    + f"""
-- ARGV: worker, field, value, field, value, ... Alive for the next WORKER_LIFETIME_MS.
local now = now_ms()
redis.call('HSET', worker_key(ARGV[1]), unpack(ARGV, 2))
redis.call('PEXPIRE', worker_key(ARGV[1]), {keys.WORKER_LIFETIME_MS})
redis.call('ZADD', WORKERS, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', now - {keys.WORKER_LIFETIME_MS})
return 1
"""
)

FAREWELL = (
    ENDING_PRELUDE
    + """
-- ARGV: worker. It ends: nobody need wait for it.
redis.call('DEL', worker_key(ARGV[1]))
redis.call('ZREM', WORKERS, ARGV[1])
return 1
"""
)

PLACE = (
    PRELUDE
    + """
-- ARGV: id. Where a job stands that has not been begun.
-- Returns {state, jobs ahead, expected wait in ms or -1, workers ready, workers alive} or {}.
local id, now = ARGV[1], now_ms()
local state = redis.call('HGET', job_key(id), 'state')
if not state then return {} end
local slots, ready, alive = capacity(now)
local ahead = redis.call('ZRANK', QUEUE, id) or 0
return {state, ahead, expected_wait(ahead, slots), ready, alive}
"""
)

STATUS = (
    PRELUDE
    + """
-- Returns {queued, running, oldest wait in ms, dead, ids in Celery's list, service time in ms,
--   then for each live worker its name and its fields and values as one list}.
local now = now_ms()
local num_queued = redis.call('ZCARD', QUEUE)
local oldest = redis.call('ZRANGE', QUEUE, 0, 0)[1]
local since = oldest and redis.call('HGET', job_key(oldest), 'accepted_at')
local answer = {num_queued, redis.call('ZCARD', OPEN) - num_queued, since and now - since or 0,
  redis.call('ZCARD', DEAD), redis.call('LLEN', CHAT),
  math.floor(tonumber(redis.call('GET', SERVICE) or '0'))}
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

DEAD_LETTERS = (
    PRELUDE
    + """
-- ARGV: most. Returns {id, when in ms, job, attempts} of each dead letter, the oldest first.
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', DEAD, 0, -1)) do
  local job = redis.call('HMGET', job_key(id), 'job', 'attempts')
  if not job[1] then
    redis.call('ZREM', DEAD, id)
  elseif #answer < tonumber(ARGV[1]) then
    table.insert(answer, {id, redis.call('ZSCORE', DEAD, id), job[1], job[2]})
  end
end
return answer
"""
)

REQUEUE = (
    PRELUDE
    + """
-- ARGV: id, deadline_ms. A dead letter is tried again, in the message that it has.
-- Returns {'unknown'}, {'undelivered'} or {'requeued', id and words of what may run now}.
local id = ARGV[1]
if not redis.call('ZSCORE', DEAD, id) then return {'unknown'} end
local job = redis.call('HMGET', job_key(id), 'state', 'conversation', 'asker')
if not job[1] then
  redis.call('ZREM', DEAD, id)
  return {'unknown'}
end
if job[1] ~= 'delivered' then return {'undelivered'} end
local now = now_ms()
redis.call('ZREM', DEAD, id)
redis.call('HDEL', job_key(id), 'dead', 'counted')
redis.call('DEL', ending_key(id))
redis.call('PERSIST', job_key(id))
redis.call('HSET', job_key(id), 'state', 'waiting', 'attempts', 0, 'accepted_at', now,
  'deadline', now + ARGV[2], 'number', redis.call('INCR', SEQUENCE))
if job[3] then note_asker(job[3], id, ARGV[2]) end
if line_up(job[2], id) > 1 then
  redis.call('ZADD', OPEN, now + ARGV[2], id)
  enqueue(id)
  return {'requeued'}
end
local ready = queue(id, now)
return {'requeued', ready[1], ready[2]}
"""
)

DROP = (
    PRELUDE
    + f"""
-- ARGV: id. A dead letter is forgotten, as any other job that was answered. Returns 1 or 0.
local id = ARGV[1]
if redis.call('ZREM', DEAD, id) == 0 then return 0 end
redis.call('HDEL', job_key(id), 'dead')
if redis.call('HGET', job_key(id), 'state') == 'delivered' then
  redis.call('PEXPIRE', job_key(id), {keys.DELIVERED_JOB_LIFETIME_MS})
end
return 1
"""
)
