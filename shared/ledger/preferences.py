"""Where preferences are kept: read, changed with nobody's change lost, and remembered who did it.

Calls that either side runs. What is kept of a change is the setting, never a message.

The steps of preferences: a hash holds them, each with its version, a stream their changes.
"""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.errors import CodecError
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, text_of
from shared.preferences import Preferences, Scope, Stored, changes

PUT = f"""
-- ARGV: scope, the version that the change was made from, document, by whom,
--   then field, old, new of each thing that has changed.
-- Returns {{'put'}} or {{'changed', document}} if somebody else was faster.
local scope, document = ARGV[1], ARGV[3]
local kept = redis.call('HGET', '{keys.PREFERENCES}', scope)
local version = kept and cjson.decode(kept).body.version or 0
if version ~= tonumber(ARGV[2]) then return {{'changed', kept or ''}} end
redis.call('HSET', '{keys.PREFERENCES}', scope, document)
redis.call('INCR', '{keys.PREFERENCES_CHANGES}')
for i = 5, #ARGV, 3 do
  redis.call('XADD', '{keys.AUDIT}', 'MAXLEN', '~', {keys.MAX_AUDIT}, '*', 'scope', scope,
    'user', ARGV[4], 'field', ARGV[i], 'old', ARGV[i + 1], 'new', ARGV[i + 2])
end
redis.call('PUBLISH', '{keys.PREFERENCES_NEWS}', scope)
return {{'put'}}
"""

READ = f"""
-- ARGV: scope. Returns {{document}} or {{}}.
return {{redis.call('HGET', '{keys.PREFERENCES}', ARGV[1])}}
"""

READ_ALL = f"""
-- ARGV: number of changes that are known. Returns {{number, scope, document, ...}}, or {{number}}
-- if there are no others.
local changes = tonumber(redis.call('GET', '{keys.PREFERENCES_CHANGES}') or '0')
if changes == tonumber(ARGV[1]) then return {{changes}} end
local answer = {{changes}}
for _, word in ipairs(redis.call('HGETALL', '{keys.PREFERENCES}')) do table.insert(answer, word) end
return answer
"""

AUDIT = f"""
-- ARGV: most. Returns the latest changes, the latest first.
return redis.call('XREVRANGE', '{keys.AUDIT}', '+', '-', 'COUNT', ARGV[1])
"""


NOTHING_KNOWN = -1
"""As the number of known changes: everything is to be read."""
MS = 1000


@dataclass(frozen=True, slots=True)
class Everything:
    """All preferences of all workspaces, if there are others than were known."""

    num_changes: int
    by_scope: dict[str, Stored] | None
    """``Scope.name`` -> preferences; None if nothing has changed."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One setting that somebody changed."""

    at: datetime
    tenant: str
    channel: str
    """Empty for the workspace."""
    user: str
    field: str
    old: str
    new: str


def read(scope: Scope) -> Call[Stored]:
    """The preferences of a workspace or a channel, to be changed."""

    def stored(raw: Raw) -> Stored:
        return _decoded(raw[0]) if raw and raw[0] else Stored()

    return Call(READ, (scope.name,), stored)


def put(scope: Scope, before: Stored, after: Preferences, user: str) -> Call[Stored | None]:
    """Replace preferences, unless somebody has changed them since they were read.

    Args:
        scope: whose.
        before: as they were read.
        after: as they shall be.
        user: by whom, for the audit.

    Returns:
        as they are kept now; None if somebody else was faster.
    """
    stored = Stored(after, before.version + 1)
    words = [word for change in changes(before.preferences, after) for word in change]
    args: list[str | int] = [scope.name, before.version, codec.encode(stored), user, *words]

    def is_put(raw: Raw) -> Stored | None:
        return stored if text_of(raw[0]) == "put" else None

    return Call(PUT, args, is_put)


def read_all(num_known: int = NOTHING_KNOWN) -> Call[Everything]:
    """All preferences, unless there have been no more changes than are known."""

    def everything(raw: Raw) -> Everything:
        num_changes, *rest = raw
        if int(num_changes) == num_known:
            return Everything(num_known, None)
        names = [text_of(word) for word in rest[::2]]
        return Everything(
            int(num_changes),
            {name: _decoded(word) for name, word in zip(names, rest[1::2], strict=True)},
        )

    return Call(READ_ALL, (num_known,), everything)


def audit(most: int) -> Call[tuple[AuditEntry, ...]]:
    """The latest changes, the latest first."""
    return Call(AUDIT, (most,), lambda raw: tuple(_entry(item) for item in raw))


def as_json(entry: AuditEntry) -> dict[str, str]:
    """An entry for programs."""
    return {**dataclasses.asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")}


def _decoded(document: object) -> Stored:
    try:
        return codec.decode(text_of(document), Stored)
    except CodecError:
        # Written by a newer Parley: what it means is not known, so nothing is preferred. Whoever
        # changes it here is told that somebody was faster.
        return Stored(version=NOTHING_KNOWN)


def _entry(item: Any) -> AuditEntry:  # noqa: ANN401 - a stream's entry: an id, and a list of words
    at, words = item
    texts = [text_of(word) for word in words]
    fields = dict(zip(texts[::2], texts[1::2], strict=True))
    tenant, _, channel = fields["scope"].rpartition("|")
    at_s = int(text_of(at).partition("-")[0]) / MS
    return AuditEntry(
        datetime.fromtimestamp(at_s, UTC),
        tenant,
        channel,
        *(fields[name] for name in ("user", "field", "old", "new")),
    )
