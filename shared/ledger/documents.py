"""The removal of documents from the knowledge store: each with all its passages, in one step.

Calls for either side's Redis client. ``worker.knowledge`` adds documents and searches them.
"""

from collections.abc import Sequence

from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.calls import Call, Raw

_DROP = f"""
local DOCUMENTS, VECTORS, KNOWLEDGE = '{keys.DOCUMENTS}', '{keys.VECTORS}', '{keys.KNOWLEDGE}'
local LESSONS = '{keys.LESSONS}'
local function drop(id, document)
  for _, passage in ipairs(document.passages) do
    redis.call('VREM', VECTORS, passage)
    redis.call('DEL', '{keys.passage("")}' .. passage)
  end
  redis.call('HDEL', DOCUMENTS, id)
  redis.call('HDEL', '{keys.TEACHERS}', id)
end
local function note(num_dropped)
  if num_dropped > 0 then redis.call('HINCRBY', KNOWLEDGE, 'version', 1) end
  if redis.call('EXISTS', DOCUMENTS) == 0 then redis.call('HDEL', KNOWLEDGE, 'model') end
  return num_dropped
end
"""

DROP = (
    _DROP
    + """
-- ARGV: ids of documents. Returns how many there were.
local num_dropped = 0
for _, id in ipairs(ARGV) do
  local found = redis.call('HGET', DOCUMENTS, id)
  if found then
    drop(id, cjson.decode(found))
    num_dropped = num_dropped + 1
  end
end
return note(num_dropped)
"""
)

FORGET = (
    _DROP
    + """
-- ARGV: platform, team, channel, message. Drops what was learned from that message.
-- Returns how many documents that were. Most messages that are deleted taught nothing.
if redis.call('SREM', LESSONS, table.concat(ARGV, '|')) == 0 then return 0 end
local num_dropped = 0
local all = redis.call('HGETALL', DOCUMENTS)
for i = 1, #all, 2 do
  local document = cjson.decode(all[i + 1])
  if document.platform == ARGV[1] and document.team == ARGV[2] and document.channel == ARGV[3]
    and document.message == ARGV[4] then
    drop(all[i], document)
    num_dropped = num_dropped + 1
  end
end
return note(num_dropped)
"""
)


NO_VECTOR_SETS = (
    "This Redis has no vector sets, which documents need: use Redis 8 or later, or leave "
    "PARLEY_REDIS_URL out for the embedded one."
)


def drop(document_ids: Sequence[str]) -> Call[int]:
    """Remove documents with all their passages; return their number."""
    return Call(DROP, tuple(document_ids), _number)


def forget(origin: Origin) -> Call[int]:
    """Remove the documents learned from a message, because it was deleted or unpinned.

    Returns their number.
    """
    place = (origin.platform.value, origin.team, origin.channel, origin.message)
    return Call(FORGET, place, _number)


def _number(raw: Raw) -> int:
    return int(raw)  # type: ignore[call-overload,no-any-return]  # these scripts answer a number
