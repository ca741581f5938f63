"""The presentation of an answer: which bots process may show it, and which parts are posted.

Lua steps and the calls that run them, for ``bots.delivery.manager``.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import CodecError
from shared.jobs import Job
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lifecycle import JobLimits
from shared.ledger.lua.prelude import ENDING_PRELUDE
from shared.replies import Done, Failed, Final, Tagged

SHOW = (
    ENDING_PRELUDE
    + f"""
-- ARGV: id, presenter, '1' for the final text, number of parts.
-- Returns {{'go', part 0, part 1, ...}} where a part is its posted message's id, 'new', or 'doubt'
-- (somebody began to post it and died); or {{'busy'}}, {{'theirs'}}, {{'over'}}, {{'unknown'}}.
local id, me, final = ARGV[1], ARGV[2], ARGV[3] == '1'
local key = job_key(id)
local job = redis.call('HMGET', key, 'state', 'lock', 'lock_until', 'presenter', 'presenter_until')
local now = now_ms()
if not job[1] then return {{'unknown'}} end
if job[1] == 'delivered' or job[1] == 'withdrawn' then return {{'over'}} end
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
    ENDING_PRELUDE
    + f"""
-- ARGV: id, presenter. Keep the right to call the platform for this job. Returns 1 or 0.
local key = job_key(ARGV[1])
if redis.call('HGET', key, 'lock') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'lock_until', now_ms() + {keys.PRESENTER_LOCK_MS})
return 1
"""
)

FREE = (
    ENDING_PRELUDE
    + """
-- ARGV: id, presenter. Let others show this job.
local key = job_key(ARGV[1])
if redis.call('HGET', key, 'lock') == ARGV[2] then redis.call('HDEL', key, 'lock', 'lock_until') end
return 1
"""
)

NOTE_POSTED = (
    ENDING_PRELUDE
    + """
-- ARGV: id, part, message id, answer key, thread, retention_ms.
-- Returns 1, or 0 if the post has to go: the question was withdrawn meanwhile, or this process was
-- frozen before it posted, and another message stands there.
local key = job_key(ARGV[1])
if redis.call('HGET', key, 'state') == 'withdrawn' then return 0 end
local noted = redis.call('HGET', key, 'part:' .. ARGV[2])
if noted and noted ~= ARGV[3] then return 0 end
redis.call('HSET', key, 'part:' .. ARGV[2], ARGV[3])
redis.call('HDEL', key, 'posting:' .. ARGV[2])
redis.call('SET', ARGV[4], ARGV[5], 'PX', ARGV[6])
return 1
"""
)

NOTE_NOT_POSTED = (
    ENDING_PRELUDE
    + """
-- ARGV: id, part. The platform refused the post, so there is no doubt about it.
redis.call('HDEL', job_key(ARGV[1]), 'posting:' .. ARGV[2])
return 1
"""
)

NOTE_GONE = (
    ENDING_PRELUDE
    + """
-- ARGV: id, part. The part's message is gone: it is to be posted again.
redis.call('HDEL', job_key(ARGV[1]), 'part:' .. ARGV[2])
redis.call('HSET', job_key(ARGV[1]), 'posting:' .. ARGV[2], 'again')
return 1
"""
)

NOTE_DELIVERED = (
    ENDING_PRELUDE
    + f"""
-- ARGV: id, outbox, entry id. The reply has been shown (or can never be): nothing is left to do.
redis.call('XACK', outbox_key(ARGV[2]), '{keys.OUTBOX_GROUP}', ARGV[3])
redis.call('XDEL', outbox_key(ARGV[2]), ARGV[3])
local key = job_key(ARGV[1])
local job = redis.call('HMGET', key, 'state', 'dead')
if job[1] == 'done' then
  redis.call('HSET', key, 'state', 'delivered')
  redis.call('PEXPIRE', key, job[2] and {keys.DEAD_LIFETIME_MS}
    or {keys.DELIVERED_JOB_LIFETIME_MS})
end
return 1
"""
)

LEAVE = (
    ENDING_PRELUDE
    + f"""
-- ARGV: outbox, presenter, entry, id. The entry is for a bots process that can read it: any other
-- may claim it at once. Returns 1.
redis.call('XCLAIM', outbox_key(ARGV[1]), '{keys.OUTBOX_GROUP}', ARGV[2], 0, ARGV[3],
  'IDLE', {keys.CLAIM_AFTER_MS}, 'JUSTID')
redis.call('ZADD', '{keys.UNREADABLE}', now_ms(), ARGV[4])
redis.call('PEXPIRE', '{keys.UNREADABLE}', {keys.UNREADABLE_FOR_MS})
return 1
"""
)

UNSHOWN = (
    ENDING_PRELUDE
    + f"""
-- ARGV: outbox, most to look at. Ids of jobs of this outbox that wait for a worker and of which no
-- bots process says so: the one that accepted them died, or has too much to do.
local silent = now_ms() - {keys.PRESENTER_LIFETIME_MS}
local answer = {{}}
for _, id in ipairs(redis.call('ZRANGE', QUEUE, 0, ARGV[2] - 1)) do
  local job = redis.call('HMGET', job_key(id), 'outbox', 'accepted_at', 'presenter_until')
  local shown_at = tonumber(job[3] or 0) - {keys.PRESENTER_LIFETIME_MS}
  if job[1] == ARGV[1] and math.max(tonumber(job[2]), shown_at) < silent then
    table.insert(answer, id)
  end
end
return answer
"""
)

SURPLUS = (
    ENDING_PRELUDE
    + """
-- ARGV: id, number of parts. Returns the messages of posted parts beyond so many.
local answer, part = {}, ARGV[2]
while true do
  local posted = redis.call('HGET', job_key(ARGV[1]), 'part:' .. part)
  if not posted then return answer end
  table.insert(answer, posted)
  part = part + 1
end
"""
)


class PresentationLock(StrEnum):
    """Whether a bots process may show a job now."""

    GO = "go"
    BUSY = "busy"
    """Another process is calling the platform for this job: try again soon."""
    THEIRS = "theirs"
    """Another process shows the partial answers."""
    OVER = "over"
    UNKNOWN = "unknown"


class PartState(StrEnum):
    """The state of a part of an answer that has no message id yet."""

    NEW = "new"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Show:
    """Permission to show a job, with the message ids of the parts that are posted."""

    lock: PresentationLock
    parts: tuple[str, ...]


def show(job_id: str, presenter: str, *, is_final: bool, num_parts: int) -> Call[Show]:
    """Acquire the right to show a job's text in so many parts. Must be freed afterwards."""

    def read(raw: Raw) -> Show:
        return Show(PresentationLock(text_of(raw[0])), tuple(text_of(part) for part in raw[1:]))

    return Call(SHOW, (job_id, presenter, int(is_final), num_parts), read)


def hold(job_id: str, presenter: str) -> Call[bool]:
    """Extend the right to show a job during a slow call to the platform."""
    return Call(HOLD, (job_id, presenter), is_one)


def free(job_id: str, presenter: str) -> Call[bool]:
    """Release the right to show a job."""
    return Call(FREE, (job_id, presenter), is_one)


def note_posted(job: Job, part: int, message_id: str, limits: JobLimits) -> Call[bool]:
    """Record the message that a part was posted as.

    False if the message has to go: the question was withdrawn meanwhile, or the part is posted
    already.
    """
    origin = job.origin
    answer = keys.answer(origin.platform, origin.team, origin.channel, message_id)
    args = (job.id, part, message_id, answer, origin.thread, limits.retention_ms)
    return Call(NOTE_POSTED, args, is_one)


def note_not_posted(job_id: str, part: int) -> Call[bool]:
    """Record that the platform refused a post, so that there is no doubt about it."""
    return Call(NOTE_NOT_POSTED, (job_id, part), is_one)


def note_gone(job_id: str, part: int) -> Call[bool]:
    """Record that a posted part is gone and is being posted again."""
    return Call(NOTE_GONE, (job_id, part), is_one)


def note_delivered(job_id: str, origin_outbox: str, entry: str) -> Call[bool]:
    """Close a job: its reply has been shown, or can never be."""
    return Call(NOTE_DELIVERED, (job_id, origin_outbox, entry), is_one)


def leave(outbox: str, presenter: str, entry: str, job_id: str) -> Call[bool]:
    """Leave an entry of the outbox to another bots process, which can read it."""
    return Call(LEAVE, (outbox, presenter, entry, job_id), is_one)


def unshown(outbox: str, most: int) -> Call[tuple[str, ...]]:
    """Waiting jobs without a queue notice; checks at most so many."""
    return Call(UNSHOWN, (outbox, most), _texts)


def surplus(job_id: str, num_parts: int) -> Call[tuple[str, ...]]:
    """Messages of posted parts beyond so many: the final text is shorter than an earlier one."""
    return Call(SURPLUS, (job_id, num_parts), _texts)


def _texts(raw: Raw) -> tuple[str, ...]:
    return tuple(text_of(word) for word in raw)


def read_final(document: str | bytes) -> Final:
    """Decode the reply of an outbox entry.

    Raises:
        CodecError: it is no final reply of this version.
    """
    reply = codec.decode_any(document)
    if not isinstance(reply, Done | Failed | Tagged):
        raise CodecError("An outbox entry holds no final reply.")
    return reply
