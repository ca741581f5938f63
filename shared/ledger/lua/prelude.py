"""The Lua prelude of all scripts: the names of the keys, the clock, and shared functions."""
# Pure.

from shared.jobs import CHAT_QUEUE, QUEUES, chat_queue
from shared.ledger import keys

_QUEUES = ", ".join(f"{kind} = '{queue}'" for kind, queue in QUEUES.items())

KEYS = f"""
local OPEN = '{keys.OPEN}'
local QUEUE = '{keys.QUEUE}'
local DEAD = '{keys.DEAD}'
local FILES = '{keys.FILES}'
local WORKERS = '{keys.WORKERS}'
local STARTS = '{keys.STARTS}'
local SEQUENCE = '{keys.SEQUENCE}'
local SERVICE = '{keys.SERVICE}'
local REPUBLISH_AFTER = {keys.REPUBLISH_AFTER_MS}
local REPUBLISH_AT_LATEST = {keys.REPUBLISH_AT_LATEST_MS}
local DEAD_LIFETIME = {keys.DEAD_LIFETIME_MS}
local CHAT = '{CHAT_QUEUE}'
local QUEUES = {{{_QUEUES}}}
local OVERTAKEN_BY = {keys.OVERTAKEN_BY_MS}
local function job_key(id) return '{keys.job("")}' .. id end
local function snapshot_key(id) return '{keys.snapshot("")}' .. id end
local function thought_key(id) return '{keys.thought("")}' .. id end
local function ending_key(id) return '{keys.ending("")}' .. id end
local function mailbox_key(conversation) return '{keys.mailbox("")}' .. conversation end
local function transcript_key(conversation) return '{keys.transcript("")}' .. conversation end
local function outbox_key(name) return '{keys.outbox("")}' .. name end
local function nudge_channel(name) return '{keys.nudge("")}' .. name end
local function asker_key(asker) return '{keys.asker("")}' .. asker end
local function worker_key(name) return '{keys.worker("")}' .. name end
local function start_key(id) return '{keys.start("")}' .. id end
local function claimed_key(queue) return '{keys.claimed("")}' .. queue end
"""

PRELUDE = (
    KEYS
    + f"""
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The Celery queue of a kind of job.
local function queue_of(kind) return QUEUES[kind] or CHAT end

-- Only jobs that wait for the chat model have a place in the queue that people are told of.
local function enqueue(id)
  local job = redis.call('HMGET', job_key(id), 'number', 'kind')
  if queue_of(job[2]) == CHAT then redis.call('ZADD', QUEUE, job[1], id) end
end

-- The names of the workers that live.
local function live_workers(now)
  return redis.call('ZRANGE', WORKERS, now - {keys.WORKER_LIFETIME_MS}, '+inf', 'BYSCORE')
end

-- Whether one of them writes with a model. One that still loads it may never do so.
local function is_run(model, now)
  for _, name in ipairs(live_workers(now)) do
    local worker = redis.call('HMGET', worker_key(name), 'model', 'state')
    if worker[1] == model and worker[2] == 'ready' then return true end
  end
  return false
end

-- The Celery queue that a job waits in: the one that was found for it, or that of its kind.
local function waits_in(kind, route) return route or queue_of(kind) end

-- What is told of a job that may run: its kind and its queue.
local function words_of(id)
  local job = redis.call('HMGET', job_key(id), 'kind', 'route')
  return job[1] .. ' ' .. waits_in(job[1], job[2])
end

-- Lets a job wait for the model that it wants, if somebody runs it, or else for any.
local function find_route(id, now)
  local model = redis.call('HGET', job_key(id), 'model')
  if not model then return end
  if is_run(model, now) then
    redis.call('HSET', job_key(id), 'route', '{chat_queue("")}' .. model)
  else
    redis.call('HDEL', job_key(id), 'route')
  end
end

local function queue(id, now)
  redis.call('HSET', job_key(id), 'state', 'queued', 'queued_at', now)
  -- When it was handed to Celery first: its oldest copy there is the one that is claimed.
  redis.call('HSETNX', job_key(id), 'handed_at', now)
  redis.call('ZADD', OPEN, now + REPUBLISH_AFTER, id)
  enqueue(id)
  find_route(id, now)
  return {{id, words_of(id)}}
end

-- The first open job of a conversation. One whose hash is gone, with a Redis that forgets, is
-- passed over: nobody could ever end it.
local function head(conversation)
  local name = mailbox_key(conversation)
  while true do
    local id = redis.call('LINDEX', name, 0)
    if not id or redis.call('EXISTS', job_key(id)) == 1 then return id end
    redis.call('LPOP', name)
  end
end

-- Puts a job behind the open ones of its conversation; how many there are now.
local function line_up(conversation, id)
  head(conversation)
  return redis.call('RPUSH', mailbox_key(conversation), id)
end

-- The set lasts a little longer than its jobs can, should one be lost.
local function note_asker(asker, id, deadline_ms)
  redis.call('SADD', asker_key(asker), id)
  redis.call('PEXPIRE', asker_key(asker), deadline_ms + 60000)
end

-- The bytes of its files go with the answer: what may be asked again of it is the text.
local function lighten(id)
  local light = redis.call('HGET', job_key(id), 'light')
  if light then
    redis.call('HSET', job_key(id), 'job', light)
    redis.call('HDEL', job_key(id), 'light')
  end
  redis.call('HDEL', FILES, id)
end

-- Nobody has to look at this job any more; the next one of its conversation may run.
-- Returns the next job as {{id, kind and queue}}, or nothing.
local function leave(id, state, now)
  local job = redis.call('HMGET', job_key(id), 'conversation', 'asker')
  redis.call('HSET', job_key(id), 'state', state)
  redis.call('HDEL', job_key(id), 'token')
  lighten(id)
  redis.call('ZREM', OPEN, id)
  redis.call('ZREM', QUEUE, id)
  redis.call('DEL', snapshot_key(id))
  if job[2] then redis.call('SREM', asker_key(job[2]), id) end
  redis.call('LREM', mailbox_key(job[1]), 0, id)
  local next_id = head(job[1])
  -- The head may be running already: the job that ended was refused or timed out behind it.
  if not next_id or redis.call('HGET', job_key(next_id), 'state') ~= 'waiting' then return {{}} end
  return queue(next_id, now)
end

-- End a job: its reply goes to the outbox. Returns as leave does.
local function close(id, reply, now)
  local outbox = redis.call('HGET', job_key(id), 'outbox')
  local next_job = leave(id, 'done', now)
  redis.call('XADD', outbox_key(outbox), '*', 'job', id, 'reply', reply)
  redis.call('SET', ending_key(id), reply, 'PX', {keys.ENDING_LIFETIME_MS})
  return next_job
end

-- A reply that says why there is no whole answer, with the text that is shown already.
local function with_shown(id, reply)
  local shown = redis.call('GET', snapshot_key(id))
  if not shown then return reply end
  local document = cjson.decode(reply)
  document.body.text = cjson.decode(shown).body.text
  return cjson.encode(document)
end

local function holds(id, token)
  local job = redis.call('HMGET', job_key(id), 'state', 'token')
  return job[1] == 'running' and job[2] == token
end

-- How many answers all live workers that are ready can write at once, and how many workers live.
local function capacity(now)
  local slots, ready, alive = 0, 0, 0
  for _, name in ipairs(live_workers(now)) do
    local worker = redis.call('HMGET', worker_key(name), 'state', 'slots')
    -- One without slots takes nothing that the chat model writes.
    local has_slots = worker[1] and worker[2] ~= '0'
    if has_slots then alive = alive + 1 end
    if has_slots and worker[1] == 'ready' then
      ready = ready + 1
      slots = slots + tonumber(worker[2])
    end
  end
  return slots, ready, alive
end

-- In how many ms a job with so many ahead of it will be begun; -1 if nothing has been measured.
local function expected_wait(ahead, slots)
  local service = tonumber(redis.call('GET', SERVICE) or '0')
  if service <= 0 or slots <= 0 then return -1 end
  return math.ceil(service * (ahead + 1) / slots)
end
"""
)

ENDING_PRELUDE = f"#!lua flags=allow-oom\n{PRELUDE}"
"""For the steps that finish a job and so free memory: a full Redis accepts them."""
