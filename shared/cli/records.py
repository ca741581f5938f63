"""What an operator is shown of what is kept: who changed settings, and all there is of a person."""

import json
from collections.abc import Iterator

from shared.cli.operator import Desk
from shared.errors import SettingsError
from shared.jobs import Origin, Platform
from shared.ledger import preferences as rulebook
from shared.ledger import privacy, quotas
from shared.ledger.preferences import Entry
from shared.ledger.ratings import Rated
from shared.preferences import Preferences, changes


def audit_line(entry: Entry) -> str:
    """A change in a line: when, where, who, what, from what to what."""
    where = f"{entry.tenant} {entry.channel or '(workspace)'}"
    line = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {where}  user {entry.user}  {entry.field}: "
    return f"{line}{_quoted(entry.old)} -> {_quoted(entry.new)}"


def audit_json(entry: Entry) -> str:
    """The same for programs, in a line."""
    return json.dumps(rulebook.as_json(entry), ensure_ascii=False)


def person_of(name: str) -> Origin:
    """The person of a name such as ``slack:T012AB3CD:U012AB3CD``.

    Raises:
        SettingsError: it is none.
    """
    platform, _, rest = name.partition(":")
    team, _, user = rest.rpartition(":")
    if platform not in set(Platform) or not team or not user:
        raise SettingsError(
            f"{name} is no person: write PLATFORM:TEAM:USER, such as slack:T012AB3CD:U012AB3CD."
        )
    return Origin(Platform(platform), team, "", "", "", user)


def export(desk: Desk, origin: Origin) -> str:
    """All that is kept of a person, as JSON.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    today = desk.run(quotas.today())
    kept = desk.run(privacy.kept(origin, (today - 1, today)))
    return privacy.as_json(kept, list(_ratings(desk, origin)))


def preference_lines(desk: Desk) -> Iterator[str]:
    """What workspaces and channels prefer, a line each.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    by_scope = desk.run(rulebook.read_all()).by_scope or {}
    for name, stored in sorted(by_scope.items()):
        tenant, _, channel = name.rpartition("|")
        said = changes(Preferences(), stored.preferences)
        told = "; ".join(f"{field}: {_quoted(new)}" for field, _, new in said) or "nothing"
        yield f"{tenant} {channel or '(workspace)'}  version {stored.version}  {told}"


def _ratings(desk: Desk, origin: Origin) -> Iterator[Rated]:
    cursor = privacy.START
    while True:
        found = desk.run(privacy.rated_channels(origin, cursor))
        for channel in found.channels:
            start = privacy.FIRST
            while start:
                page = desk.run(privacy.ratings_of(origin, channel, start))
                yield from page.ratings
                start = page.next_start
        cursor = found.next_cursor
        if cursor == privacy.START:
            return


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if value else "nothing"
