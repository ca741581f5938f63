"""Rated messages of a channel: written and read by workers, removed by bots.

A stream holds each channel's ratings, a hash finds an entry by its message. A rating holds the
author, the time and the score, and no text of the message.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from shared.jobs import Origin, job_id
from shared.ledger import keys
from shared.ledger.calls import Call, is_one, text_of
from shared.ledger.lifecycle import Lease
from shared.ledger.lua.prelude import ENDING_PRELUDE, PRELUDE

TRIM_AT_ONCE = 16
"""The entries checked for expiry at each new one: more go than come, and no step takes long."""

NOTE = (
    PRELUDE
    + f"""
-- ARGV: job, token, stream, hash, message, the job that rates the message's first text, when this
-- text was written (0: it is the first), then the entry's fields and values. Keeps the rating of a
-- message's latest text, unless the lease is lost: then the message may be gone. A changed text is
-- rated only if the first one is, or will be: a message that is gone has no rating.
-- Returns {{1 or 0, the reaction for the text before}}.
local stream, rated, message, edited = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[7])
if not holds(ARGV[1], ARGV[2]) then return {{0, ''}} end
local last, was = redis.call('HGET', rated, message), ''
if last then
  local old = {{}}
  for _, found in ipairs(redis.call('XRANGE', stream, last, last)) do
    for i = 1, #found[2], 2 do old[found[2][i]] = found[2][i + 1] end
  end
  local seen = tonumber(old.edited_at_s or '0')
  if seen == edited then return {{1, old.was or ''}} end
  if seen > edited then return {{0, ''}} end
  was = old.reaction or ''
  redis.call('XDEL', stream, last)
elseif edited > 0 then
  local state = redis.call('HGET', job_key(ARGV[6]), 'state')
  if state ~= 'waiting' and state ~= 'queued' and state ~= 'running' then return {{0, ''}} end
end
local entry = redis.call('XADD', stream, '*', 'message', message, 'was', was, unpack(ARGV, 8))
redis.call('HSET', rated, message, entry)
local surplus = redis.call('XLEN', stream) - {keys.MAX_RATINGS}
local too_old = now_ms() - {keys.RATING_LIFETIME_MS}
for _, old in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', {TRIM_AT_ONCE})) do
  if surplus <= 0 and tonumber(string.match(old[1], '%d+')) >= too_old then break end
  redis.call('XDEL', stream, old[1])
  redis.call('HDEL', rated, old[2][2])
  surplus = surplus - 1
end
redis.call('PEXPIRE', stream, {keys.RATING_LIFETIME_MS})
redis.call('PEXPIRE', rated, {keys.RATING_LIFETIME_MS})
return {{1, was}}
"""
)

REMOVE = (
    ENDING_PRELUDE
    + """
-- ARGV: stream, hash, message. Returns 1, or 0 if it was not rated.
local entry = redis.call('HGET', ARGV[2], ARGV[3])
if not entry then return 0 end
redis.call('XDEL', ARGV[1], entry)
redis.call('HDEL', ARGV[2], ARGV[3])
return 1
"""
)

PAGE = (
    PRELUDE
    + """
-- ARGV: stream, set of people who opted out, first entry, number of entries.
-- Returns {next first entry or '', fields and values of an entry, ...} without those of people who
-- opted out.
local entries = redis.call('XRANGE', ARGV[1], ARGV[3], '+', 'COUNT', ARGV[4])
local answer = {''}
for _, entry in ipairs(entries) do
  local user = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'user' then user = entry[2][i + 1] end
  end
  if redis.call('SISMEMBER', ARGV[2], user) == 0 then table.insert(answer, entry[2]) end
end
if #entries == tonumber(ARGV[4]) then answer[1] = '(' .. entries[#entries][1] end
return answer
"""
)

MAY_LOOK = (
    PRELUDE
    + f"""
-- ARGV: key. Whether it is time to look at a channel's mood again. Returns 1 or 0.
return redis.call('SET', ARGV[1], 1, 'PX', {keys.MOOD_LOOK_EVERY_MS}, 'NX') and 1 or 0
"""
)

MAY_ALERT = (
    PRELUDE
    + f"""
-- ARGV: key, job. Whether this job may tell a channel of a drop; it may ask again. Returns 1 or 0.
if redis.call('SET', ARGV[1], ARGV[2], 'PX', {keys.MOOD_ALERT_EVERY_MS}, 'NX') then return 1 end
return redis.call('GET', ARGV[1]) == ARGV[2] and 1 or 0
"""
)


PAGE_SIZE = 2_000
"""The ratings read in one step: a few milliseconds of Redis's time."""
FIRST = "-"
"""The start of the first page."""
MS = 1000


@dataclass(frozen=True, slots=True)
class Rated:
    """One rated message."""

    message: str
    user: str
    """The platform's id of its author."""
    author: str
    """The author's display name."""
    link: str
    written_at_s: float
    """In seconds since 1970."""
    score: float
    """The mean that people would give it, from -4 to 4."""
    label: str
    """``positive``, ``neutral`` or ``negative``."""
    reaction: str = ""
    """The emoji that marks the message; empty for none."""
    edited_at_s: float = 0.0
    """When the rated text was edited, in seconds since 1970; 0 for the original text."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The outcome of noting a rating."""

    is_kept: bool
    """False if the message is gone, was never rated, or has the rating of a later text."""
    was: str = ""
    """The emoji that marked the message for the text before; empty for none."""


@dataclass(frozen=True, slots=True)
class RatingsPage:
    """One page of a channel's ratings, in the order in which they were made."""

    ratings: tuple[Rated, ...]
    next_start: str
    """Where the next page begins; empty after the last."""


def note(lease: Lease, rated: Rated) -> Call[Noted]:
    """Store the rating of the lease's message, in place of that of an earlier text.

    An edited text is rated only if the original was, or is about to be. Idempotent. Nothing is
    stored
    if the lease is lost.
    """
    origin = lease.job.origin
    first = dataclasses.replace(origin, act=lease.job.kind)
    fields = (
        *("user", rated.user, "author", rated.author, "link", rated.link),
        *("written_at_s", repr(rated.written_at_s), "score", f"{rated.score:.3f}"),
        *("label", rated.label, "reaction", rated.reaction),
        *("edited_at_s", repr(rated.edited_at_s)),
    )
    lead = (lease.job.id, lease.token, *_places(origin), rated.message, job_id(first))
    return Call(NOTE, (*lead, repr(rated.edited_at_s), *fields), _noted)


def _noted(raw: Any) -> Noted:  # noqa: ANN401 - a script's answer: a list
    is_kept, was = raw
    return Noted(bool(is_kept), text_of(was))


def remove(origin: Origin) -> Call[bool]:
    """Delete the rating of the origin's deleted message; False if it has none."""
    return Call(REMOVE, (*_places(origin), origin.message), is_one)


def start_at(since_s: float) -> str:
    """The start of a page for ratings from then on, in seconds since 1970."""
    return str(max(0, int(since_s * MS)))


def page(origin: Origin, start: str, size: int = PAGE_SIZE) -> Call[RatingsPage]:
    """Ratings of the origin's channel, without those of people who opted out.

    Args:
        origin: anything in that channel.
        start: ``FIRST``, ``start_at(...)`` or the page before's ``next_start``.
        size: at most so many.
    """
    stream, _ = _places(origin)
    return Call(PAGE, (stream, keys.opted_out(origin.tenant), start, size), read_page)


def read_page(raw: Any) -> RatingsPage:  # noqa: ANN401 - a script's answer: lists in a list
    """Parse a page as the scripts answer it."""
    next_start, *entries = raw
    return RatingsPage(tuple(_read(entry) for entry in entries), text_of(next_start))


def may_look(origin: Origin) -> Call[bool]:
    """Whether it is time to check the channel's sentiment for a drop again."""
    return Call(MAY_LOOK, (keys.mood_looked_at(origin.tenant, origin.channel),), is_one)


def may_alert(origin: Origin, job_id: str) -> Call[bool]:
    """Whether this job may alert the channel of a drop: one job a day may."""
    key = keys.mood_alert(origin.tenant, origin.channel)
    return Call(MAY_ALERT, (key, job_id), is_one)


def _places(origin: Origin) -> tuple[str, str]:
    return (
        keys.ratings(origin.tenant, origin.channel),
        keys.rated(origin.tenant, origin.channel),
    )


def _read(entry: list[bytes]) -> Rated:
    words = [text_of(word) for word in entry]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return Rated(
        message=fields["message"],
        user=fields["user"],
        author=fields["author"],
        link=fields["link"],
        written_at_s=float(fields["written_at_s"]),
        score=float(fields["score"]),
        label=fields["label"],
        reaction=fields.get("reaction", ""),
        edited_at_s=float(fields.get("edited_at_s", 0)),
    )
