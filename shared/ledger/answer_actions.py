"""The answer actions: stop an answer, have it written again, withdraw the question.

Lua steps and the calls that run them, for ``bots.incoming.answer_actions``. A worker that may run
the job is told to check its lease at once (``LOOK``), so that a stopped answer ends within one step
of the engine.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.jobs import Job
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, text_of
from shared.ledger.lifecycle import STOPPED, Ready
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE

LOOK = f"""
local function look(id) redis.call('PUBLISH', '{keys.LOOK}', id) end

-- Takes what a job has left in its conversation's memory out of it.
local function unremember(id)
  local name = transcript_key(redis.call('HGET', job_key(id), 'conversation'))
  for _, turn in ipairs(redis.call('LRANGE', name, 0, -1)) do
    if cjson.decode(turn).body.job == id then redis.call('LREM', name, 0, turn) end
  end
end
"""

STOP = (
    ENDING_PRELUDE
    + LOOK
    + """
-- ARGV: id, reply. Returns {'unknown'}, {'over'}, {'told'} (a worker ends it at once) or
-- {'stopped', next id or '', its words or ''}.
local id = ARGV[1]
local state = redis.call('HGET', job_key(id), 'state')
if not state then return {'unknown'} end
if state == 'running' then
  redis.call('HSET', job_key(id), 'stopped', 1)
  look(id)
  return {'told'}
end
if state ~= 'waiting' and state ~= 'queued' then return {'over'} end
local next_job = close(id, with_shown(id, ARGV[2]), now_ms())
return {'stopped', next_job[1] or '', next_job[2] or ''}
"""
)

AGAIN = (
    PRELUDE
    + LOOK
    + """
-- ARGV: id, job, kind, deadline_ms, job without the bytes of its files or ''. The job is run again
-- as it reads now, in the messages it has.
-- Returns {'unknown'}, {'over'} (nothing may be shown of it any more), {'busy'} (its answer is just
-- being shown: ask again soon) or {'again', id and words of what may run now}.
local id, now = ARGV[1], now_ms()
local job = redis.call('HMGET', job_key(id), 'state', 'conversation', 'asker')
local state = job[1]
if not state then return {'unknown'} end
if state == 'withdrawn' or state == 'refused' then return {'over'} end
if state == 'done' then return {'busy'} end
-- First what a full Redis may refuse.
redis.call('HSET', job_key(id), 'job', ARGV[2], 'kind', ARGV[3], 'attempts', 0,
  'deadline', now + ARGV[4])
if ARGV[5] ~= '' then
  redis.call('HSET', job_key(id), 'light', ARGV[5])
else
  redis.call('HDEL', job_key(id), 'light')
end
redis.call('HDEL', job_key(id), 'stopped', 'dead', 'counted', 'token', 'finished_by', 'blamed',
  'alone', 'lone_deaths', 'taken_for_dead')
redis.call('DEL', snapshot_key(id), ending_key(id), thought_key(id))
redis.call('ZREM', DEAD, id)
if state == 'waiting' or state == 'queued' then return {'again'} end
if state == 'running' then
  look(id)
else
  unremember(id)
  redis.call('PERSIST', job_key(id))
  redis.call('HSET', job_key(id), 'state', 'waiting', 'accepted_at', now,
    'number', redis.call('INCR', SEQUENCE))
  if job[3] then note_asker(job[3], id, ARGV[4]) end
  if line_up(job[2], id) > 1 then
    redis.call('ZADD', OPEN, now + ARGV[4], id)
    enqueue(id)
    return {'again'}
  end
end
local ready = queue(id, now)
return {'again', ready[1], ready[2]}
"""
)

WITHDRAW = (
    ENDING_PRELUDE
    + LOOK
    + f"""
-- ARGV: id. The message was deleted: nothing more is shown, and what stands is taken away.
-- Returns {{'unknown'}}, {{'over'}}, or
-- {{'withdrawn', next id or '', its words or '', posted message, ...}}.
local id = ARGV[1]
local state = redis.call('HGET', job_key(id), 'state')
if not state then return {{'unknown'}} end
if state == 'refused' or state == 'withdrawn' then return {{'over'}} end
redis.call('ZREM', DEAD, id)
unremember(id)
local next_job = leave(id, 'withdrawn', now_ms())
if state == 'running' then look(id) end
redis.call('DEL', ending_key(id), thought_key(id))
redis.call('PEXPIRE', job_key(id), {keys.DELIVERED_JOB_LIFETIME_MS})
local answer = {{'withdrawn', next_job[1] or '', next_job[2] or ''}}
local part = 0
while true do
  local posted = redis.call('HGET', job_key(id), 'part:' .. part)
  if not posted then return answer end
  table.insert(answer, posted)
  part = part + 1
end
"""
)


class Did(StrEnum):
    """The outcome of an action."""

    UNKNOWN = "unknown"
    """The ledger does not know the job, or has forgotten it."""
    OVER = "over"
    """The job is finished: too late."""
    BUSY = "busy"
    """The answer is being shown right now: try again soon."""
    TOLD = "told"
    """A worker is running the job, and ends it at once."""
    STOPPED = "stopped"
    AGAIN = "again"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a step."""

    did: Did
    ready: Ready | None = None
    """The job that may run next, and has to be handed to Celery."""
    posted: tuple[str, ...] = ()
    """The posted messages that have to be deleted."""


Step = Call[Effect]


def stop(job_id: str) -> Step:
    """End an answer with the text written so far."""
    return Call(STOP, (job_id, codec.encode(STOPPED)), _read)


def again(job: Job, deadline_ms: int) -> Step:
    """Run a job again, with its text as it is now, in its existing messages."""
    light = codec.encode(job.without_files()) if job.has_files else ""
    return Call(AGAIN, (job.id, codec.encode(job), job.kind, deadline_ms, light), _read)


def withdraw(job_id: str) -> Step:
    """End a job whose message was deleted; the posted parts of its answer have to go."""
    return Call(WITHDRAW, (job_id,), _read)


def _read(raw: Raw) -> Effect:
    did, *words = (text_of(word) for word in raw)
    next_id, next_words, *posted = [*words, "", ""]
    ready = Ready.read(next_id, next_words) if next_id else None
    return Effect(Did(did), ready, tuple(part for part in posted if part))
