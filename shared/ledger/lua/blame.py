"""The Lua functions that say what a run's silent end is evidence of."""
# Pure.

BLAME = """
-- Whether this run may go on: it holds the job, or lost it to no other. A run whose lease ran out
-- while Redis was away is still there, and so is what it has written.
local function may_go_on(id, token)
  local job = redis.call('HMGET', job_key(id), 'state', 'token')
  return (job[1] == 'running' or job[1] == 'queued') and job[2] == token
end

-- Whether this Redis has run since then. Where it may not say, it has.
local function has_run_since(at, now)
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return not uptime or uptime * 1000 >= now - at
end

-- A run has ended without a word: its process died, or did not reach Redis. It speaks against the
-- job only if nothing ran beside it and it had not come further than the run before it. One such
-- death may be anything's doing. Returns how many there were in a row.
local function count_lone_death(id, token, now)
  local job = redis.call('HMGET', job_key(id), 'alone', 'claimed_at')
  if job[1] ~= token or not has_run_since(job[2], now) then return 0 end
  redis.call('HSET', job_key(id), 'taken_for_dead', token)
  return redis.call('HINCRBY', job_key(id), 'lone_deaths', 1)
end

-- A lone run has written: what came before is longer now. It has stood its trial; others run beside
-- it from here on, and what ends it then does not show that the job is to blame.
local function note_progress(id, token, before, after)
  if redis.call('HGET', job_key(id), 'alone') ~= token then return end
  local had = before and #cjson.decode(before).body.text or 0
  if #cjson.decode(after).body.text <= had then return end
  redis.call('HSET', job_key(id), 'alone', 'shared')
  redis.call('HDEL', job_key(id), 'lone_deaths', 'taken_for_dead')
end

-- A run that was taken for dead is heard of: it was not the job that ended it.
local function acquit(id, token)
  if redis.call('HGET', job_key(id), 'taken_for_dead') ~= token then return end
  redis.call('HDEL', job_key(id), 'taken_for_dead')
  redis.call('HINCRBY', job_key(id), 'lone_deaths', -1)
end
"""
