"""The starts of workers that have not become ready: how often in a row, and why.

A worker begins a start before it loads its model, and ends it when it is ready or has failed. One
that dies without a word leaves its start open, which counts as failed once its heartbeat is gone.
Starts are counted by model and host, because a restarted worker has another name.
"""

from dataclasses import dataclass
from typing import Any, Self

from shared.ledger import keys
from shared.ledger.calls import Call, is_one, text_of
from shared.ledger.lua.prelude import ENDING_PRELUDE

KILLED = (
    "The process ended while it loaded the model, without a word: most often the machine had no "
    "memory left."
)

SECOND_MS, MINUTE_MS = 1000, 60_000

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

BEGIN = (
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

FAIL = (
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

SUCCEED = (
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

LEAVE = (
    ENDING_PRELUDE
    + """
-- ARGV: id, worker. It was asked to end before it was ready, which is no failure.
redis.call('HDEL', start_key(ARGV[1]), 'open:' .. ARGV[2])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Start:
    """One worker's start."""

    worker: str
    """Its name, which holds its process's id."""
    host: str
    model: str
    slots: int
    """The answers that it will write at once; 0 for a worker without a chat model."""

    @property
    def id(self) -> str:
        """What the starts of one worker after another have in common."""
        return f"{self.host}|{self.model}"


@dataclass(frozen=True, slots=True)
class FailedStarts:
    """A model that a host's worker has failed to start, several times in a row."""

    host: str
    model: str
    num_failed: int
    sentence: str
    """Why, at the last start."""
    age_ms: int
    """How long ago that was."""

    @classmethod
    def read(cls, raw: Any) -> Self:  # noqa: ANN401 - a list inside a script's answer
        """Read one of a script's lists."""
        host, model, num_failed, sentence, age_ms = raw
        return cls(
            text_of(host), text_of(model), int(num_failed), text_of(sentence), int(float(age_ms))
        )

    def __str__(self) -> str:
        """A sentence for operators."""
        return (
            f"model {self.model} failed {self.num_failed} starts on {self.host}, the last "
            f"{_ago(self.age_ms)} ago: {self.sentence}"
        )


def begin(start: Start) -> Call[int]:
    """Record that a worker begins to load its model; how many starts failed in a row before it."""
    args = (start.id, start.worker, start.host, start.model, start.slots)
    return Call(BEGIN, args, _number)


def fail(start: Start, sentence: str) -> Call[int]:
    """Record why a start has failed; how many have failed in a row now."""
    return Call(FAIL, (start.id, start.worker, sentence), _number)


def succeed(start: Start) -> Call[bool]:
    """Record that a worker is ready, and forget the failures before."""
    return Call(SUCCEED, (start.id, start.worker), is_one)


def leave(start: Start) -> Call[bool]:
    """Record that a worker was asked to end before it was ready."""
    return Call(LEAVE, (start.id, start.worker), is_one)


def _number(raw: Any) -> int:  # noqa: ANN401 - a script's answer
    return int(raw)


def _ago(age_ms: int) -> str:
    if age_ms < 2 * MINUTE_MS:
        return f"{age_ms // SECOND_MS} s"
    return f"{age_ms // MINUTE_MS} min"
