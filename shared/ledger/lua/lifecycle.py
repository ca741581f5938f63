"""The Lua steps of a job: accept, claim, renew, release, finish, sweep."""
# Pure.

from shared.ledger import keys
from shared.ledger.lua.blame import BLAME
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE
from shared.ledger.lua.privacy import NOTE
from shared.ledger.lua.quotas import COUNTERS

ACCEPT = (
    PRELUDE
    + COUNTERS
    + NOTE
    + f"""
-- ARGV: id, job, kind, conversation, outbox, deadline_ms, presence key, retention_ms,
--   refusal or '', '1' if that refusal is said once a minute, job without its text, asker or '',
--   user bucket, messages a minute, channel bucket, messages a minute, told key,
--   open jobs an asker, jobs in the queue, replies: user's rate, channel's rate, open jobs, queue,
--   person, '1' if the conversation may be remembered, model or '', counters of the day or '':
--   user's, messages, tokens, channel's, messages, tokens; replies: user's messages, user's tokens,
--   channel's messages, channel's tokens; workspace's counter, messages, tokens; its two replies;
--   job without the bytes of its files or '', its size if it has files or learns a text, else 0,
--   most bytes of such jobs together (0: any), reply
-- Returns {{'duplicate'}}, {{'accepted', id and words of what may run now}} or
-- {{'refused', reason, 1 if the asker is told}}.
local id, refusal, asker = ARGV[1], ARGV[9], ARGV[12]
if redis.call('EXISTS', job_key(id)) == 1 then return {{'duplicate'}} end
local now = now_ms()

-- Tokens left in a bucket that fills evenly and holds a minute's worth; and the bucket's size.
local function tokens_of(bucket, per_minute)
  local kept = redis.call('HMGET', bucket, 'tokens', 'at')
  if not kept[1] then return tonumber(per_minute) end
  -- Never less than was kept, should the clock be put back.
  local filled = math.max(0, now - tonumber(kept[2])) * per_minute / 60000
  return math.min(tonumber(per_minute), tonumber(kept[1]) + filled)
end

local function put_back(bucket, tokens)
  redis.call('HSET', bucket, 'tokens', tostring(tokens), 'at', now)
  redis.call('PEXPIRE', bucket, 60000)
end

local function record(document)
  -- First what may be refused for want of memory: a script that fails is not undone.
  if document == ARGV[2] and ARGV[43] ~= '0' then
    redis.call('HSET', FILES, id, ARGV[43])
    if ARGV[42] ~= '' then redis.call('HSET', job_key(id), 'light', ARGV[42]) end
  end
  redis.call('HSET', job_key(id), 'state', 'waiting', 'job', document, 'kind', ARGV[3],
    'conversation', ARGV[4], 'outbox', ARGV[5], 'attempts', 0, 'accepted_at', now,
    'deadline', now + ARGV[6], 'number', redis.call('INCR', SEQUENCE))
end

-- The bytes of all files that wait or are read, and how many jobs have them. Of a job that a Redis
-- has lost none are left.
local function waiting_files()
  local num_bytes, num_files, all = 0, 0, redis.call('HGETALL', FILES)
  for i = 1, #all, 2 do
    if redis.call('EXISTS', job_key(all[i])) == 1 then
      num_bytes, num_files = num_bytes + all[i + 1], num_files + 1
    else
      redis.call('HDEL', FILES, all[i])
    end
  end
  return num_bytes, num_files
end

-- No job; one sentence a minute says so, the rest is remembered just long enough to know the
-- message again when it comes a second time.
local function refuse(reason, wait_ms, reply)
  if redis.call('SET', ARGV[17], 1, 'PX', {keys.TOLD_LIFETIME_MS}, 'NX') then
    record(ARGV[11])
    if wait_ms < 0 then wait_ms = {keys.UNKNOWN_WAIT_MS} end
    local seconds = tostring(math.max(1, math.ceil(wait_ms / 1000)))
    close(id, string.gsub(reply, '{keys.WAIT_MARK}', seconds), now)
    return {{'refused', reason, 1}}
  end
  redis.call('HSET', job_key(id), 'state', 'refused')
  redis.call('PEXPIRE', job_key(id), {keys.REFUSED_JOB_LIFETIME_MS})
  return {{'refused', reason, 0}}
end

if asker ~= '' then
  local users, channels = tokens_of(ARGV[13], ARGV[14]), tokens_of(ARGV[15], ARGV[16])
  if users < 1 then
    return refuse('user_rate', (1 - users) * 60000 / ARGV[14], ARGV[20])
  end
  if channels < 1 then
    return refuse('channel_rate', (1 - channels) * 60000 / ARGV[16], ARGV[21])
  end
  put_back(ARGV[13], users - 1)
  put_back(ARGV[15], channels - 1)
  if refusal == '' then
    local slots = capacity(now)
    local num_open = redis.call('SCARD', asker_key(asker))
    if num_open >= tonumber(ARGV[18]) then
      return refuse('open_jobs', expected_wait(num_open, slots), ARGV[22])
    end
    local num_queued = redis.call('ZCARD', QUEUE)
    if num_queued >= tonumber(ARGV[19]) then
      return refuse('queue_full', expected_wait(num_queued, slots), ARGV[23])
    end
  end
end
if refusal ~= '' and ARGV[10] == '1' then return refuse('too_long', 0, refusal) end
if refusal == '' and ARGV[27] ~= '' then
  local reply = {{messages = 33, tokens = 34}}
  local what = exhausted(ARGV[27], ARGV[28], ARGV[29], now)
  if what then return refuse('user_quota', 0, ARGV[reply[what]]) end
  what = exhausted(ARGV[30], ARGV[31], ARGV[32], now)
  if what then return refuse('channel_quota', 0, ARGV[reply[what] + 2]) end
  what = exhausted(ARGV[37], ARGV[38], ARGV[39], now)
  if what then return refuse('workspace_quota', 0, ARGV[reply[what] + 7]) end
end
if refusal == '' and ARGV[43] ~= '0' and ARGV[44] ~= '0' then
  local num_bytes, num_files = waiting_files()
  if num_bytes > 0 and num_bytes + ARGV[43] > tonumber(ARGV[44]) then
    return refuse('files_waiting', expected_wait(num_files, capacity(now)), ARGV[45])
  end
end
record(ARGV[2])
note_person(ARGV[24], id, ARGV[25] == '1' and ARGV[4], ARGV[8] + ARGV[6], now)
redis.call('DEL', '{keys.talk("")}' .. ARGV[4])
redis.call('SET', ARGV[7], 1, 'PX', ARGV[8])
if refusal ~= '' then
  close(id, refusal, now)
  return {{'accepted'}}
end
if ARGV[27] ~= '' then
  redis.call('HSET', job_key(id), 'user_counter', ARGV[27], 'channel_counter', ARGV[30],
    'workspace_counter', ARGV[37])
  use(ARGV[27], 'messages', 1, now)
  use(ARGV[30], 'messages', 1, now)
  use(ARGV[37], 'messages', 1, now)
end
if ARGV[26] ~= '' and queue_of(ARGV[3]) == CHAT then
  redis.call('HSET', job_key(id), 'model', ARGV[26])
end
if asker ~= '' then
  redis.call('HSET', job_key(id), 'asker', asker)
  note_asker(asker, id, ARGV[6])
end
if line_up(ARGV[4], id) > 1 then
  redis.call('ZADD', OPEN, now + ARGV[6], id)
  enqueue(id)
  return {{'accepted'}}
end
local ready = queue(id, now)
return {{'accepted', ready[1], ready[2]}}
"""
)

CLAIM = (
    ENDING_PRELUDE
    + BLAME
    + f"""
-- ARGV: id, token, lease_ms, max_attempts, worker, reply if the time is over, reply if attempts are
--   used up, reply if it was stopped
-- Returns {{'run', job, attempt, 1 if it is to run alone, ms until its deadline, snapshot or '',
-- turn, turn, ...}} or {{'closed', next id, its words}} or {{reason}}.
local id, max_attempts = ARGV[1], tonumber(ARGV[4])
local job = redis.call('HMGET', job_key(id), 'state', 'job', 'attempts', 'deadline', 'lease_until',
  'conversation', 'handed_at', 'kind', 'route', 'token', 'blamed')
local now = now_ms()
if not job[1] then return {{'unknown'}} end
if job[1] == 'running' and now < tonumber(job[5]) then return {{'taken'}} end
if job[1] ~= 'queued' and job[1] ~= 'running' then return {{job[1]}} end
local attempts, is_alone = tonumber(job[3]), false
if now >= tonumber(job[4]) then
  local next_job = close(id, with_shown(id, ARGV[6]), now)
  return {{'closed', next_job[1], next_job[2]}}
end
if redis.call('HGET', job_key(id), 'stopped') then
  local next_job = close(id, with_shown(id, ARGV[8]), now)
  return {{'closed', next_job[1], next_job[2]}}
end
-- A run that gave the job back has left no token: the others ended without a word.
local num_deaths = job[10] and count_lone_death(id, job[10], now) or 0
if attempts >= max_attempts then
  if job[11] or num_deaths >= {keys.LONE_DEATHS} then
    redis.call('HSET', job_key(id), 'dead', 1)
    redis.call('ZADD', DEAD, now, id)
    redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - DEAD_LIFETIME)
    local next_job = close(id, with_shown(id, ARGV[7]), now)
    return {{'closed', next_job[1], next_job[2]}}
  end
  -- None of its runs is known to have failed by its fault: once more, alone.
  attempts, is_alone = max_attempts - 1, true
end
-- The last of several attempts runs alone and counts from its BEGIN: a job that dies with others
-- while it waits to be alone is not to blame.
is_alone = is_alone or max_attempts > 1 and attempts == max_attempts - 1
redis.call('HSET', job_key(id), 'state', 'running', 'token', ARGV[2], 'worker', ARGV[5],
  'claimed_at', now, 'lease_until', now + ARGV[3], 'counted', is_alone and 0 or 1,
  'attempts', is_alone and attempts or attempts + 1)
redis.call('ZADD', OPEN, now + ARGV[3], id)
redis.call('ZREM', QUEUE, id)
local claimed_name = claimed_key(waits_in(job[8], job[9]))
local claimed = math.min(now, tonumber(redis.call('GET', claimed_name) or '0'))
redis.call('SET', claimed_name, string.format('%.0f', math.max(claimed, tonumber(job[7] or '0'))))
redis.call('HDEL', job_key(id), 'handed_at', 'blamed', 'alone')
local answer = {{'run', job[2], attempts + 1, is_alone and 1 or 0, job[4] - now,
  redis.call('GET', snapshot_key(id)) or ''}}
for _, turn in ipairs(redis.call('LRANGE', transcript_key(job[6]), 0, -1)) do
  table.insert(answer, turn)
end
return answer
"""
)

BEGIN = (
    ENDING_PRELUDE
    + """
-- ARGV: id, token. A job that was to run alone is alone now: this attempt counts. Returns 1 or 0.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
if redis.call('HGET', job_key(id), 'counted') == '0' then
  redis.call('HINCRBY', job_key(id), 'attempts', 1)
  redis.call('HSET', job_key(id), 'counted', 1, 'alone', ARGV[2])
end
return 1
"""
)

RENEW = (
    ENDING_PRELUDE
    + BLAME
    + """
-- ARGV: id, token, lease_ms. Returns 'held', 'lost', 'stopped' (by whoever asked) or 'expired' (the
-- job's deadline is over).
local id = ARGV[1]
if not may_go_on(id, ARGV[2]) then
  acquit(id, ARGV[2])
  return 'lost'
end
local now = now_ms()
redis.call('HSET', job_key(id), 'state', 'running', 'lease_until', now + ARGV[3])
redis.call('HDEL', job_key(id), 'handed_at')
redis.call('ZREM', QUEUE, id)
redis.call('ZADD', OPEN, now + ARGV[3], id)
if redis.call('HGET', job_key(id), 'stopped') then return 'stopped' end
if now >= tonumber(redis.call('HGET', job_key(id), 'deadline')) then return 'expired' end
return 'held'
"""
)

GIVE_BACK = """
-- Ends a lease; the job is queued again. Returns its id and words.
local function give_back(id, is_blameless)
  local is_counted = redis.call('HGET', job_key(id), 'counted') == '1'
  if is_blameless and is_counted then redis.call('HINCRBY', job_key(id), 'attempts', -1) end
  if not is_blameless and not is_counted then redis.call('HINCRBY', job_key(id), 'attempts', 1) end
  local is_lone = redis.call('HGET', job_key(id), 'alone') ~= 'shared'
  if not is_blameless and is_lone then redis.call('HSET', job_key(id), 'blamed', 1) end
  redis.call('HDEL', job_key(id), 'token', 'alone')
  return queue(id, now_ms())
end
"""

RELEASE = (
    ENDING_PRELUDE
    + GIVE_BACK
    + """
-- ARGV: id, token, '1' if the job is not to blame and its attempt is given back.
-- Returns {id, its words} to publish, or nothing.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return {} end
return give_back(id, ARGV[3] == '1')
"""
)

SET_ASIDE = (
    ENDING_PRELUDE
    + GIVE_BACK
    + f"""
-- ARGV: id, token. The job waits for a worker that can read it: it is not published now, because
-- the same worker could take it at once, but by a sweep. Returns 1 or 0.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
give_back(id, true)
redis.call('ZADD', '{keys.UNREADABLE}', now_ms(), id)
redis.call('PEXPIRE', '{keys.UNREADABLE}', {keys.UNREADABLE_FOR_MS})
return 1
"""
)

PUBLISH_SNAPSHOT = (
    PRELUDE
    + BLAME
    + """
-- ARGV: id, token, snapshot. Returns 1, or 0 if the lease is another's.
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
note_progress(id, ARGV[2], redis.call('SET', snapshot_key(id), ARGV[3], 'GET'), ARGV[3])
redis.call('PUBLISH', nudge_channel(redis.call('HGET', job_key(id), 'outbox')), id)
return 1
"""
)

FINISH = (
    ENDING_PRELUDE
    + BLAME
    + COUNTERS
    + f"""
-- ARGV: id, token, reply, forget ('1' clears the conversation), max_turns, retention_ms, job as it
--   is kept or '', tokens that it took, turn, ...
-- Returns {{'finished', next id, its words}} or {{'lost'}}.
local id = ARGV[1]
local job = redis.call('HMGET', job_key(id), 'conversation', 'claimed_at', 'finished_by', 'state',
  'kind')
if job[3] == ARGV[2] and job[4] == 'done' then
  -- It was finished so, and the answer to that got lost.
  local next_id = head(job[1])
  if next_id and redis.call('HGET', job_key(next_id), 'state') == 'queued' then
    return {{'finished', next_id, words_of(next_id)}}
  end
  return {{'finished'}}
end
if not may_go_on(id, ARGV[2]) then
  acquit(id, ARGV[2])
  return {{'lost'}}
end
redis.call('HSET', job_key(id), 'finished_by', ARGV[2])
local transcript, now = transcript_key(job[1]), now_ms()
if ARGV[4] == '1' then redis.call('DEL', transcript) end
if ARGV[7] ~= '' then
  redis.call('HSET', job_key(id), 'job', ARGV[7])
  redis.call('HDEL', job_key(id), 'light')
end
if #ARGV > 8 then
  for i = 9, #ARGV do redis.call('RPUSH', transcript, ARGV[i]) end
  redis.call('LTRIM', transcript, -ARGV[5], -1)
  redis.call('PEXPIRE', transcript, ARGV[6])
end
local counters = redis.call(
  'HMGET', job_key(id), 'user_counter', 'channel_counter', 'workspace_counter')
for i = 1, 3 do
  -- A job of the version before has no workspace's counter.
  if counters[i] and ARGV[8] ~= '0' then use(counters[i], 'tokens', ARGV[8], now) end
end
if queue_of(job[5]) == CHAT then
  local took, before = now - tonumber(job[2]), tonumber(redis.call('GET', SERVICE) or '0')
  local share = before > 0 and {keys.SERVICE_SHARE} or 1
  redis.call('SET', SERVICE, tostring(math.max(1, before + (took - before) * share)))
end
local next_job = close(id, ARGV[3], now)
return {{'finished', next_job[1], next_job[2]}}
"""
)

SWEEP = (
    ENDING_PRELUDE
    + """
-- ARGV: max jobs to look at, reply if the time is over.
-- Returns id, words, id, words, ... to publish.
local now = now_ms()
local publish = {}
local function is_overtaken(queue_name, queued_at)
  local claimed = tonumber(redis.call('GET', claimed_key(queue_name)) or '0')
  return queued_at <= claimed - OVERTAKEN_BY
end
local function add(job)
  if job[1] then table.insert(publish, job[1]); table.insert(publish, job[2]) end
end
for _, id in ipairs(redis.call('ZRANGE', OPEN, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local job = redis.call('HMGET', job_key(id), 'state', 'kind', 'queued_at', 'deadline', 'route',
    'model')
  local state, queued_at, deadline = job[1], tonumber(job[3]), tonumber(job[4])
  local name, is_lost = waits_in(job[2], job[5]), job[5] and not is_run(job[6], now)
  local is_open = state == 'waiting' or state == 'queued' or state == 'running'
  if not is_open or not deadline then
    redis.call('ZREM', OPEN, id)
    redis.call('ZREM', QUEUE, id)
  elseif now >= deadline then
    add(close(id, with_shown(id, ARGV[2]), now))
  elseif state == 'running' then
    add(queue(id, now))
  elseif state == 'waiting' then
    redis.call('ZADD', OPEN, deadline, id)
  elseif redis.call('LLEN', name) > 0 and not is_overtaken(name, queued_at)
      and not is_lost and now - queued_at < REPUBLISH_AT_LATEST then
    redis.call('ZADD', OPEN, now + REPUBLISH_AFTER, id)
  else
    add(queue(id, now))
  end
end
return publish
"""
)
