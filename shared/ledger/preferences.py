"""The stored preferences and access lists: read, changed without losing a change, and audited.

Calls that either side runs. A hash holds the preferences, each with its version, another one the
operator's access lists, a stream the audit of changes, which holds the setting, never a message.
"""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.access import NO_LISTS, AccessLists, AccessNameError, parse_name
from shared.errors import CodecError
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
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


ALLOWED, DENIED = "allowed", "denied"
OPERATOR = "operator"
"""Who changes these lists, for the audit."""

READ_ACCESS = f"""
-- No ARGV. Returns {{name, list, ...}}.
return redis.call('HGETALL', '{keys.ACCESS}')
"""

PUT_ACCESS = f"""
-- ARGV: name, list or '' to remove it, scope and user for the audit.
-- Returns the list that it was on, or ''.
local before = redis.call('HGET', '{keys.ACCESS}', ARGV[1]) or ''
if before == ARGV[2] then return {{before}} end
if ARGV[2] == '' then
  redis.call('HDEL', '{keys.ACCESS}', ARGV[1])
else
  redis.call('HSET', '{keys.ACCESS}', ARGV[1], ARGV[2])
end
redis.call('INCR', '{keys.PREFERENCES_CHANGES}')
redis.call('XADD', '{keys.AUDIT}', 'MAXLEN', '~', {keys.MAX_AUDIT}, '*', 'scope', ARGV[3],
  'user', ARGV[4], 'field', 'access ' .. ARGV[1], 'old', before, 'new', ARGV[2])
redis.call('PUBLISH', '{keys.PREFERENCES_NEWS}', ARGV[3])
return {{before}}
"""

NOTE_TOLD = """
-- ARGV: key, lifetime in ms. Returns 1 if it was not noted before.
return redis.call('SET', ARGV[1], 1, 'NX', 'PX', ARGV[2]) and 1 or 0
"""

NOTHING_KNOWN = -1
"""As the known number of changes: read everything."""
MS = 1000


@dataclass(frozen=True, slots=True)
class Everything:
    """All preferences of all workspaces, if they changed since the known state."""

    num_changes: int
    by_scope: dict[str, Stored] | None
    """``Scope.name`` -> preferences; None if nothing has changed."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One changed setting."""

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
    """Replace preferences, unless they were changed since they were read.

    Args:
        scope: whose preferences.
        before: as they were read.
        after: the new preferences.
        user: who changes them, for the audit.

    Returns:
        as they are stored now; None if another person's change came first.
    """
    stored = dataclasses.replace(before, preferences=after, version=before.version + 1)
    words = [word for change in changes(before.preferences, after) for word in change]
    args: list[str | int] = [scope.name, before.version, codec.encode(stored), user, *words]

    def is_put(raw: Raw) -> Stored | None:
        return stored if text_of(raw[0]) == "put" else None

    return Call(PUT, args, is_put)


def read_all(num_known: int = NOTHING_KNOWN) -> Call[Everything]:
    """All preferences, unless the number of changes is the known one."""

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


def read_access() -> Call[AccessLists]:
    """The operator's lists. A name that this version cannot read makes them unknown."""

    def lists(raw: Raw) -> AccessLists:
        words = [text_of(word) for word in raw]
        try:
            named = {
                parse_name(name): which for name, which in zip(words[::2], words[1::2], strict=True)
            }
        except AccessNameError:
            return AccessLists(is_known=False)
        if not named:
            return NO_LISTS
        return AccessLists(
            frozenset(name for name, which in named.items() if which == ALLOWED),
            frozenset(name for name, which in named.items() if which == DENIED),
            all(which in {ALLOWED, DENIED} for which in named.values()),
        )

    return Call(READ_ACCESS, (), lists)


def put_access(name: str, which: str, scope: str) -> Call[str]:
    """Put a name on a list, in place of the other, or take it off.

    Args:
        name: as ``AccessName`` writes it.
        which: ``allowed``, ``denied``, or empty to take it off.
        scope: the workspace that it is about, for the audit.

    Returns:
        the list that it was on; empty for none.
    """
    return Call(PUT_ACCESS, (name, which, scope, OPERATOR), lambda raw: text_of(raw[0]))


def note_told(name: str, lifetime_ms: int) -> Call[bool]:
    """Note that a person was told that they may not ask; False if they were told before."""
    return Call(NOTE_TOLD, (keys.access_told(name), lifetime_ms), is_one)


def as_json(entry: AuditEntry) -> dict[str, str]:
    """An entry as JSON, for programs."""
    return {**dataclasses.asdict(entry), "at": entry.at.isoformat(timespec="milliseconds")}


def _decoded(document: object) -> Stored:
    try:
        return codec.decode(text_of(document), Stored)
    except CodecError:
        # Written by a newer Parley: its meaning is unknown, so no preference applies. A change made
        # here fails as if another person's change came first.
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
