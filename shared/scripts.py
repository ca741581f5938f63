"""The ledger's Lua: each script is one atomic step between the states of a job.

    accept ─▶ waiting ─▶ queued ─▶ running ─▶ done ─▶ delivered
                 │          ▲         │         ▲
                 └──────────┘         └─(lease ran out)─▶ queued
                (its turn came)

A job is ``waiting`` while an older one of its conversation is open, ``queued`` while any worker may
claim it, ``running`` under a lease, ``done`` once its reply lies in the outbox and ``delivered``
once a bots process has shown it. Times are Redis's own clock in ms, so no machine's clock matters.
Keys are built inside the scripts from ids, which a single Redis allows and a cluster does not.
``shared.ledger`` gives each script its arguments and reads its answer.
"""

from shared import keys

_KEYS = f"""
local OPEN = '{keys.OPEN}'
local REPUBLISH_AFTER = {keys.REPUBLISH_AFTER_MS}
local REPUBLISH_AT_LATEST = {keys.REPUBLISH_AT_LATEST_MS}
local function job_key(id) return '{keys.job("")}' .. id end
local function snapshot_key(id) return '{keys.snapshot("")}' .. id end
local function mailbox_key(conversation) return '{keys.mailbox("")}' .. conversation end
local function transcript_key(conversation) return '{keys.transcript("")}' .. conversation end
local function outbox_key(name) return '{keys.outbox("")}' .. name end
local function nudge_channel(name) return '{keys.nudge("")}' .. name end
"""

_PRELUDE = (
    _KEYS
    + """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function queue(id, now)
  redis.call('HSET', job_key(id), 'state', 'queued', 'queued_at', now)
  redis.call('ZADD', OPEN, now + REPUBLISH_AFTER, id)
  return {id, redis.call('HGET', job_key(id), 'kind')}
end

-- End a job: its reply goes to the outbox, the next job of its conversation may run.
-- Returns the next job as {id, kind}, or nothing.
local function close(id, reply, now)
  local job = redis.call('HMGET', job_key(id), 'conversation', 'outbox')
  redis.call('HSET', job_key(id), 'state', 'done')
  redis.call('HDEL', job_key(id), 'token')
  redis.call('ZREM', OPEN, id)
  redis.call('DEL', snapshot_key(id))
  redis.call('XADD', outbox_key(job[2]), '*', 'job', id, 'reply', reply)
  redis.call('LREM', mailbox_key(job[1]), 0, id)
  local next_id = redis.call('LINDEX', mailbox_key(job[1]), 0)
  -- The head may be running already: the job that ended was refused or timed out behind it.
  if not next_id or redis.call('HGET', job_key(next_id), 'state') ~= 'waiting' then return {} end
  return queue(next_id, now)
end

local function holds(id, token)
  local job = redis.call('HMGET', job_key(id), 'state', 'token')
  return job[1] == 'running' and job[2] == token
end
"""
)

ACCEPT = (
    _PRELUDE
    + """
-- ARGV: id, job, kind, conversation, outbox, deadline_ms, presence key, retention_ms, refusal or ''
-- Returns {'duplicate'} or {'accepted', id and kind of what may run now}.
local id, refusal = ARGV[1], ARGV[9]
if redis.call('EXISTS', job_key(id)) == 1 then return {'duplicate'} end
local now = now_ms()
-- First what may be refused: a script that fails is not undone.
redis.call('SET', ARGV[7], 1, 'PX', ARGV[8])
redis.call('HSET', job_key(id), 'state', 'waiting', 'job', ARGV[2], 'kind', ARGV[3],
  'conversation', ARGV[4], 'outbox', ARGV[5], 'attempts', 0, 'accepted_at', now,
  'deadline', now + ARGV[6])
if refusal ~= '' then
  close(id, refusal, now)
  return {'accepted'}
end
if redis.call('RPUSH', mailbox_key(ARGV[4]), id) > 1 then
  redis.call('ZADD', OPEN, now + ARGV[6], id)
  return {'accepted'}
end
local ready = queue(id, now)
return {'accepted', ready[1], ready[2]}
"""
)

CLAIM = (
    _PRELUDE
    + """
-- ARGV: id, token, lease_ms, max_attempts, reply if the time is over, reply if attempts are used up
-- Returns {'run', job, attempt, snapshot or '', turn, turn, ...} or {'closed', next id, next kind}
-- or {reason}.
local id = ARGV[1]
local job = redis.call('HMGET', job_key(id), 'state', 'job', 'attempts', 'deadline', 'lease_until',
  'conversation')
local now = now_ms()
if not job[1] then return {'unknown'} end
if job[1] == 'running' and now < tonumber(job[5]) then return {'taken'} end
if job[1] ~= 'queued' and job[1] ~= 'running' then return {job[1]} end
local verdict = nil
if now >= tonumber(job[4]) then verdict = ARGV[5] end
if tonumber(job[3]) >= tonumber(ARGV[4]) then verdict = ARGV[6] end
if verdict then
  local next_job = close(id, verdict, now)
  return {'closed', next_job[1], next_job[2]}
end
local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
redis.call('HSET', job_key(id), 'state', 'running', 'token', ARGV[2],
  'lease_until', now + ARGV[3])
redis.call('ZADD', OPEN, now + ARGV[3], id)
local answer = {'run', job[2], attempt, redis.call('GET', snapshot_key(id)) or ''}
for _, turn in ipairs(redis.call('LRANGE', transcript_key(job[6]), 0, -1)) do
  table.insert(answer, turn)
end
return answer
"""
)

RENEW = (
    _PRELUDE
    + """
-- ARGV: id, token, lease_ms. Returns 'held', 'lost' or 'expired' (the job's deadline is over).
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 'lost' end
local now = now_ms()
redis.call('HSET', job_key(id), 'lease_until', now + ARGV[3])
redis.call('ZADD', OPEN, now + ARGV[3], id)
if now >= tonumber(redis.call('HGET', job_key(id), 'deadline')) then return 'expired' end
return 'held'
"""
)

RELEASE = (
    _PRELUDE
    + """
-- ARGV: id, token, attempts to give back (1 if the job is not to blame, else 0).
-- Returns {id, kind} to publish, or nothing.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return {} end
redis.call('HINCRBY', job_key(id), 'attempts', -ARGV[3])
redis.call('HDEL', job_key(id), 'token')
return queue(id, now_ms())
"""
)

PUBLISH_SNAPSHOT = (
    _PRELUDE
    + """
-- ARGV: id, token, snapshot. Returns 1, or 0 if the lease is another's.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
redis.call('SET', snapshot_key(id), ARGV[3])
redis.call('PUBLISH', nudge_channel(redis.call('HGET', job_key(id), 'outbox')), id)
return 1
"""
)

FINISH = (
    _PRELUDE
    + """
-- ARGV: id, token, reply, forget ('1' clears the conversation), max_turns, retention_ms, turn, ...
-- Returns {'finished', next id, next kind} or {'lost'}.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return {'lost'} end
local transcript = transcript_key(redis.call('HGET', job_key(id), 'conversation'))
if ARGV[4] == '1' then redis.call('DEL', transcript) end
if #ARGV > 6 then
  for i = 7, #ARGV do redis.call('RPUSH', transcript, ARGV[i]) end
  redis.call('LTRIM', transcript, -ARGV[5], -1)
  redis.call('PEXPIRE', transcript, ARGV[6])
end
local next_job = close(id, ARGV[3], now_ms())
return {'finished', next_job[1], next_job[2]}
"""
)

SWEEP = (
    _PRELUDE
    + """
-- ARGV: max jobs to look at, reply if the time is over. Returns id, kind, id, kind, ... to publish.
local now = now_ms()
local publish = {}
local function add(job)
  if job[1] then table.insert(publish, job[1]); table.insert(publish, job[2]) end
end
for _, id in ipairs(redis.call('ZRANGE', OPEN, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local job = redis.call('HMGET', job_key(id), 'state', 'kind', 'queued_at', 'deadline')
  local state, queued_at, deadline = job[1], tonumber(job[3]), tonumber(job[4])
  if not state or state == 'done' or state == 'delivered' then
    redis.call('ZREM', OPEN, id)
  elseif now >= deadline then
    add(close(id, ARGV[2], now))
  elseif state == 'running' then
    add(queue(id, now))
  elseif state == 'waiting' then
    redis.call('ZADD', OPEN, deadline, id)
  elseif redis.call('LLEN', 'chat') > 0 and now - queued_at < REPUBLISH_AT_LATEST then
    redis.call('ZADD', OPEN, now + REPUBLISH_AFTER, id)
  else
    add(queue(id, now))
  end
end
return publish
"""
)

SHOW = (
    _PRELUDE
    + f"""
-- ARGV: id, presenter, '1' for the final text, number of parts.
-- Returns {{'go', part 0, part 1, ...}} where a part is its posted message's id, 'new', or 'doubt'
-- (somebody began to post it and died); or {{'busy'}}, {{'theirs'}}, {{'over'}}, {{'unknown'}}.
local id, me, final = ARGV[1], ARGV[2], ARGV[3] == '1'
local key = job_key(id)
local job = redis.call('HMGET', key, 'state', 'lock', 'lock_until', 'presenter', 'presenter_until')
local now = now_ms()
if not job[1] then return {{'unknown'}} end
if job[1] == 'delivered' then return {{'over'}} end
if job[1] == 'done' and not final then return {{'over'}} end
if job[2] and job[2] ~= me and now < tonumber(job[3]) then return {{'busy'}} end
if not final and job[4] and job[4] ~= me and now < tonumber(job[5]) then return {{'theirs'}} end
redis.call('HSET', key, 'lock', me, 'lock_until', now + {keys.PRESENTER_LOCK_MS},
  'presenter', me, 'presenter_until', now + {keys.PRESENTER_LIFETIME_MS})
local answer = {{'go'}}
for part = 0, ARGV[4] - 1 do
  local posted = redis.call('HGET', key, 'part:' .. part)
  if posted then
    table.insert(answer, posted)
  elseif redis.call('HSETNX', key, 'posting:' .. part, me) == 1 then
    table.insert(answer, 'new')
  else
    table.insert(answer, 'doubt')
  end
end
return answer
"""
)

HOLD = (
    _PRELUDE
    + f"""
-- ARGV: id, presenter. Keep the right to call the platform for this job. Returns 1 or 0.
local key = job_key(ARGV[1])
if redis.call('HGET', key, 'lock') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'lock_until', now_ms() + {keys.PRESENTER_LOCK_MS})
return 1
"""
)

FREE = (
    _PRELUDE
    + """
-- ARGV: id, presenter. Let others show this job.
local key = job_key(ARGV[1])
if redis.call('HGET', key, 'lock') == ARGV[2] then redis.call('HDEL', key, 'lock', 'lock_until') end
return 1
"""
)

NOTE_POSTED = (
    _PRELUDE
    + """
-- ARGV: id, part, message id, answer key, thread, retention_ms.
local key = job_key(ARGV[1])
redis.call('HSET', key, 'part:' .. ARGV[2], ARGV[3])
redis.call('HDEL', key, 'posting:' .. ARGV[2])
redis.call('SET', ARGV[4], ARGV[5], 'PX', ARGV[6])
return 1
"""
)

NOTE_NOT_POSTED = (
    _PRELUDE
    + """
-- ARGV: id, part. The platform refused the post, so there is no doubt about it.
redis.call('HDEL', job_key(ARGV[1]), 'posting:' .. ARGV[2])
return 1
"""
)

NOTE_GONE = (
    _PRELUDE
    + """
-- ARGV: id, part. The part's message is gone: it is to be posted again.
redis.call('HDEL', job_key(ARGV[1]), 'part:' .. ARGV[2])
redis.call('HSET', job_key(ARGV[1]), 'posting:' .. ARGV[2], 'again')
return 1
"""
)

NOTE_DELIVERED = (
    _PRELUDE
    + f"""
-- ARGV: id, outbox, entry id. The reply has been shown (or can never be): nothing is left to do.
redis.call('XACK', outbox_key(ARGV[2]), '{keys.OUTBOX_GROUP}', ARGV[3])
redis.call('XDEL', outbox_key(ARGV[2]), ARGV[3])
local key = job_key(ARGV[1])
if redis.call('EXISTS', key) == 1 then
  redis.call('HSET', key, 'state', 'delivered')
  redis.call('PEXPIRE', key, {keys.DELIVERED_JOB_LIFETIME_MS})
end
return 1
"""
)
