"""The documents of the knowledge store: each is stored and removed whole, in one step.

Calls for either side's Redis client. ``worker.knowledge`` reads documents and searches them. What
the documents of a channel and of a workspace hold together is counted where they are stored.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared import bounds
from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, text_of

MAX_AT_ONCE = 50
"""Vectors that a step adds or removes. Each takes Redis about a millisecond among 20,000 others,
and meanwhile it answers nothing else."""

_NAMES = f"""
local DOCUMENTS, VECTORS, KNOWLEDGE = '{keys.DOCUMENTS}', '{keys.VECTORS}', '{keys.KNOWLEDGE}'
local LESSONS, SIZES, LOOSE = '{keys.LESSONS}', '{keys.DOCUMENT_SIZES}', '{keys.LOOSE_VECTORS}'
local TEACHERS = '{keys.TEACHERS}'
local function passage_key(passage) return '{keys.passage("")}' .. passage end
-- Whether the job that learns a document was withdrawn or taken over; one without trace was not.
local function is_withdrawn(job, token)
  if job == '' then return false end
  local found = redis.call('HMGET', '{keys.job("")}' .. job, 'state', 'token')
  local is_held = (found[1] == 'running' or found[1] == 'queued') and found[2] == token
  return found[1] and not is_held
end
"""

_DROP = (
    _NAMES
    + f"""
-- No search finds a passage without its hash: its vector may go later, with others.
local num_vectors = 0
local function drop_passage(passage)
  redis.call('DEL', passage_key(passage))
  num_vectors = num_vectors + 1
  if num_vectors <= {MAX_AT_ONCE} then
    redis.call('VREM', VECTORS, passage)
  else
    redis.call('SADD', LOOSE, passage)
  end
end
local function drop(id, document)
  for _, passage in ipairs(document.passages) do drop_passage(passage) end
  redis.call('HDEL', DOCUMENTS, id)
  redis.call('HDEL', TEACHERS, id)
  redis.call('HDEL', SIZES, id)
end
local function note(num_dropped)
  if num_dropped > 0 then redis.call('HINCRBY', KNOWLEDGE, 'version', 1) end
  if redis.call('EXISTS', DOCUMENTS) == 0 then
    redis.call('HDEL', KNOWLEDGE, 'model')
    redis.call('UNLINK', VECTORS, LOOSE)
  end
  return num_dropped
end
"""
)

_SIZES = """
local function size_of(document, num_passages, num_bytes, token)
  local parts = {document.platform, document.team, document.channel, num_passages, num_bytes}
  return table.concat(parts, '|') .. '|' .. token
end
-- The version before stored documents without their sizes, and removes them without these.
local function recount()
  if redis.call('HLEN', SIZES) == redis.call('HLEN', DOCUMENTS) then return end
  redis.call('DEL', SIZES)
  local all = redis.call('HGETALL', DOCUMENTS)
  for i = 1, #all, 2 do
    local document, num_bytes = cjson.decode(all[i + 1]), 0
    for _, passage in ipairs(document.passages) do
      for _, field in ipairs({'path', 'blocks'}) do
        num_bytes = num_bytes + redis.call('HSTRLEN', passage_key(passage), field)
      end
    end
    redis.call('HSET', SIZES, all[i], size_of(document, #document.passages, num_bytes, ''))
  end
end
"""

BEGIN = (
    "#!lua\n"
    + _DROP
    + _SIZES
    + """
-- ARGV: id, record with the passages that stay, token of this storing or '' to ask whether there is
--   room, passages and bytes that it will have, most passages of the channel, bytes, of the
--   workspace, bytes (0: any), embedding model, lesson or '', who taught it or '', the job that
--   learns it or '', that job's token.
-- Returns {'stored'}; or, with nothing changed: {'withdrawn'}; {'changed'} if a passage that was to
-- stay has gone; {'full', 'channel' or 'workspace', passages of the other documents there, their
-- bytes}.
local id, record, token = ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
local num_passages, num_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
recount()
local before = {passages = 0, bytes = 0}
local sums = {channel = {passages = 0, bytes = 0}, workspace = {passages = 0, bytes = 0}}
local function add(sum, passages, bytes)
  sum.passages, sum.bytes = sum.passages + passages, sum.bytes + bytes
end
local sizes = redis.call('HGETALL', SIZES)
for i = 1, #sizes, 2 do
  local platform, team, channel, passages, bytes =
    string.match(sizes[i + 1], '^([^|]*)|([^|]*)|([^|]*)|(%d+)|(%d+)|')
  if sizes[i] == id then
    add(before, passages, bytes)
  elseif platform == record.platform and team == record.team then
    add(sums.workspace, passages, bytes)
    if channel == record.channel then add(sums.channel, passages, bytes) end
  end
end
local function is_full(sum, max_passages, max_bytes)
  local most = tonumber(max_passages)
  if most > 0 and num_passages > before.passages and sum.passages + num_passages > most then
    return true
  end
  most = tonumber(max_bytes)
  return most > 0 and num_bytes > before.bytes and sum.bytes + num_bytes > most
end
if record.channel ~= '*' and is_full(sums.channel, ARGV[6], ARGV[7]) then
  return {'full', 'channel', sums.channel.passages, sums.channel.bytes}
end
if is_full(sums.workspace, ARGV[8], ARGV[9]) then
  return {'full', 'workspace', sums.workspace.passages, sums.workspace.bytes}
end
if token == '' then return {'stored'} end
if is_withdrawn(ARGV[13], ARGV[14]) then return {'withdrawn'} end

local kept = {}
for _, passage in ipairs(record.passages) do
  if redis.call('HEXISTS', passage_key(passage), 'vector') == 0 then return {'changed'} end
  kept[passage] = true
end
for passage in pairs(kept) do redis.call('HSET', passage_key(passage), 'link', record.link) end
local old = redis.call('HGET', DOCUMENTS, id)
for _, passage in ipairs(old and cjson.decode(old).passages or {}) do
  if not kept[passage] then drop_passage(passage) end
end
redis.call('HSET', DOCUMENTS, id, ARGV[2])
redis.call('HSET', SIZES, id, size_of(record, num_passages, num_bytes, token))
if ARGV[11] ~= '' then redis.call('SADD', LESSONS, ARGV[11]) end
if ARGV[12] ~= '' then redis.call('HSET', TEACHERS, id, ARGV[12]) end
redis.call('HSET', KNOWLEDGE, 'model', ARGV[10])
redis.call('HINCRBY', KNOWLEDGE, 'version', 1)
return {'stored'}
"""
)

ADD = (
    "#!lua\n"
    + _NAMES
    + """
-- ARGV: id, record with the passages so far and these, token, '1' if these are the last, the job
--   that learns it or '', that job's token, then of each passage: its id, headings, blocks, vector.
-- Returns {'stored'}, {'withdrawn'}, or {'changed'} if it was removed meanwhile, or stored by
-- another process.
if is_withdrawn(ARGV[5], ARGV[6]) then return {'withdrawn'} end
local id, record = ARGV[1], cjson.decode(ARGV[2])
local size = redis.call('HGET', SIZES, id)
if not size or string.match(size, '[^|]*$') ~= ARGV[3] then return {'changed'} end
local place = {platform = record.platform, team = record.team, channel = record.channel}
local attributes = cjson.encode(place)
for i = 7, #ARGV, 4 do
  local name, vector = ARGV[i], ARGV[i + 3]
  redis.call('HSET', passage_key(name), 'platform', record.platform, 'team', record.team,
    'channel', record.channel, 'document', id, 'title', record.title, 'link', record.link,
    'path', ARGV[i + 1], 'blocks', ARGV[i + 2], 'vector', vector)
  redis.call('VADD', VECTORS, 'FP32', vector, name, 'SETATTR', attributes)
  redis.call('SREM', LOOSE, name)
end
redis.call('HSET', DOCUMENTS, id, ARGV[2])
if ARGV[4] == '1' then redis.call('HINCRBY', KNOWLEDGE, 'version', 1) end
return {'stored'}
"""
)

USED = (
    _NAMES
    + _SIZES
    + """
-- No ARGV. Returns 'platform|team|channel|passages|bytes|token' of each document.
recount()
return redis.call('HVALS', SIZES)
"""
)

TIDY = (
    _NAMES
    + f"""
-- No ARGV. Removes some vectors of passages that are gone. Returns how many are left.
for _, passage in ipairs(redis.call('SPOP', LOOSE, {MAX_AT_ONCE})) do
  if redis.call('EXISTS', passage_key(passage)) == 0 then redis.call('VREM', VECTORS, passage) end
end
return redis.call('SCARD', LOOSE)
"""
)

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


@dataclass(frozen=True, slots=True)
class KnowledgeQuota:
    """The most passages that the documents of a place may have together; 0: any.

    Their bytes are bounded, too: by ``bounds.PASSAGE_SHARE_BYTES`` for each of these passages.
    """

    channel: int = bounds.MAX_CHANNEL_PASSAGES
    workspace: int = bounds.MAX_WORKSPACE_PASSAGES

    @property
    def words(self) -> Iterator[int]:
        """As the script reads them."""
        for passages in (self.channel, self.workspace):
            yield from (passages, passages * bounds.PASSAGE_SHARE_BYTES)


@dataclass(frozen=True, slots=True)
class PassageFields:
    """A passage as it is stored."""

    id: str
    path: str
    """The headings above it, as JSON."""
    blocks: str
    """As JSON, each one's text, and whether it is code."""

    @property
    def num_bytes(self) -> int:
        """Without its vector."""
        return len(self.path.encode()) + len(self.blocks.encode())


@dataclass(frozen=True, slots=True)
class Storing:
    """A document that is being stored, in steps of ``MAX_AT_ONCE`` passages.

    After each of them its record names exactly the passages that there are.
    """

    id: str
    record: Mapping[str, object]
    """With ``platform``, ``team``, ``channel``, ``title``, ``link``, ``digest``."""
    token: str
    """Another process that stores the same document ends this storing."""
    model: str
    """The embedding model's name."""
    lesson: str = ""
    """The message that it was learned from, as an element of ``keys.LESSONS``."""
    taught: str = ""
    """Who taught it, as a value of ``keys.TEACHERS``."""
    lease: tuple[str, str] = ("", "")
    """The job that learns it, and its token: without the lease nothing is stored."""

    def record_with(self, passages: Sequence[str], *, is_whole: bool) -> str:
        """Its record with these passages; until it is whole it counts as changed."""
        digest = self.record["digest"] if is_whole else ""
        return json.dumps({**self.record, "digest": digest, "passages": passages})


class StoreResult(StrEnum):
    """The outcome of storing a document."""

    STORED = "stored"
    CHANGED = "changed"
    """A passage that was to keep its vector has none: embed them all."""
    FULL = "full"
    WITHDRAWN = "withdrawn"
    """The job that learns it has lost its lease."""


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """The outcome, and what else there is where there is no room."""

    result: StoreResult
    scope: str = ""
    """``channel`` or ``workspace``."""
    used: "Amount | None" = None


@dataclass(frozen=True, slots=True)
class Amount:
    """What documents hold."""

    passages: int = 0
    bytes: int = 0
    """Of text and headings."""

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.passages + other.passages, self.bytes + other.bytes)

    def of(self, most_passages: int) -> str:
        """In words, beside what there may be; 0: any."""
        megabytes = self.bytes / bounds.MB
        if not most_passages:
            return f"{self.passages:,} passages, {megabytes:,.1f} MB"
        most_megabytes = most_passages * bounds.PASSAGE_SHARE_BYTES / bounds.MB
        return (
            f"{self.passages:,} of {most_passages:,} passages, {megabytes:,.1f} of "
            f"{most_megabytes:,.0f} MB"
        )


def has_room(storing: Storing, size: Amount, quota: KnowledgeQuota) -> Call[StoreOutcome]:
    """Ask whether there is room for a document of this size; changes nothing."""
    return Call(BEGIN, _begin_words(storing, "", (), size, quota), _outcome)


def begin(
    storing: Storing, kept: Sequence[str], size: Amount, quota: KnowledgeQuota
) -> Call[StoreOutcome]:
    """Begin to store a document in the place of its older version, if there is room for it.

    Args:
        storing: the document.
        kept: the passages of the older version that stay.
        size: what it will hold when it is whole; counted from now on.
        quota: what its place may hold.
    """
    return Call(BEGIN, _begin_words(storing, storing.token, kept, size, quota), _outcome)


def _begin_words(
    storing: Storing, token: str, kept: Sequence[str], size: Amount, quota: KnowledgeQuota
) -> tuple[str | int, ...]:
    record = storing.record_with(kept, is_whole=len(kept) == size.passages)
    return (
        *(storing.id, record, token, size.passages, size.bytes),
        *quota.words,
        *(storing.model, storing.lesson, storing.taught, *storing.lease),
    )


def add(
    storing: Storing,
    stored: Sequence[str],
    passages: Sequence[tuple[PassageFields, bytes]],
    *,
    is_last: bool,
) -> Call[StoreOutcome]:
    """Add passages with their vectors; ``stored`` are those that there are already."""
    record = storing.record_with(
        [*stored, *(fields.id for fields, _ in passages)], is_whole=is_last
    )
    args: list[str | int | bytes] = [storing.id, record, storing.token, int(is_last)]
    args += storing.lease
    for fields, vector in passages:
        args += [fields.id, fields.path, fields.blocks, vector]
    return Call(ADD, tuple(args), _outcome)


def _outcome(raw: Raw) -> StoreOutcome:
    result = StoreResult(text_of(raw[0]))
    if result is not StoreResult.FULL:
        return StoreOutcome(result)
    return StoreOutcome(result, text_of(raw[1]), Amount(int(raw[2]), int(raw[3])))


def tidy() -> Call[int]:
    """Remove some vectors of passages that are gone; return how many are left."""
    return Call(TIDY, (), _number)


def used() -> Call[dict[tuple[str, str, str], Amount]]:
    """What the documents of each place hold: (platform, team, channel) -> amount."""

    def read(raw: Raw) -> dict[tuple[str, str, str], Amount]:
        found: dict[tuple[str, str, str], Amount] = {}
        for line in map(text_of, raw):
            platform, team, channel, passages, num_bytes, _ = line.split("|")
            place = (platform, team, channel)
            found[place] = found.get(place, Amount()) + Amount(int(passages), int(num_bytes))
        return found

    return Call(USED, (), read)


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
