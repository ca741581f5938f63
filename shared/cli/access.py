"""``parley allow``, ``deny`` and ``access``: the operator's access lists."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.access import AccessLists, AccessName, AccessNameError, parse_locals, parse_name
from shared.cli.operator import OperatorConnection
from shared.errors import SettingsError
from shared.jobs import Platform
from shared.ledger import preferences
from shared.preferences import Scope

SETTINGS, COMMAND, WORKSPACE = "settings", "command", "workspace"
"""Who has put a name on a list."""
EVERYBODY = "Everybody may ask: nothing is allowed or denied by name."


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """A name on a list."""

    name: str
    list: str
    """``allowed`` or ``denied``."""
    by: str
    """``settings`` (PARLEY_ALLOWED, PARLEY_DENIED), ``command`` or ``workspace``."""


def names_of(texts: Sequence[str]) -> list[AccessName]:
    """Parse the names of a command, all before any takes effect.

    Raises:
        SettingsError: one names nothing.
    """
    try:
        return [parse_name(text) for text in texts]
    except AccessNameError as error:
        raise SettingsError(f"{error}.") from error


def put_on_list(operator: OperatorConnection, name: AccessName, which: str) -> str:
    """Put a name on a list, or take it off for an empty one; a line that says what was done.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    scope = Scope(f"{name.platform}:{name.team}")
    before = operator.run(preferences.put_access(str(name), which, scope.name))
    if which == before:
        return f"{name}  was {which} already." if which else f"{name}  was on no list."
    if not which:
        return f"{name}  is {before} no more."
    return f"{name}  is {which}, and {before} no more." if before else f"{name}  is {which}."


def access_entries(operator: OperatorConnection, of_settings: AccessLists) -> Iterator[AccessEntry]:
    """All names on lists: of the settings, of commands, and of workspaces.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    yield from _entries(of_settings, SETTINGS)
    yield from _entries(operator.run(preferences.read_access()), COMMAND)
    for scope, stored in sorted((operator.run(preferences.read_all()).by_scope or {}).items()):
        tenant, _, channel = scope.rpartition("|")
        platform, _, team = tenant.partition(":")
        known = stored.preferences
        if channel or not (known.allowed or known.denied) or platform not in set(Platform):
            continue
        try:
            lists = AccessLists(
                parse_locals(known.allowed or (), Platform(platform), team),
                parse_locals(known.denied or (), Platform(platform), team),
            )
        except AccessNameError:
            continue
        yield from _entries(lists, WORKSPACE)


def access_lines(entries: Sequence[AccessEntry]) -> list[str]:
    """The names, one line each."""
    return [f"{entry.list}  {entry.name}  ({entry.by})" for entry in entries] or [EVERYBODY]


def access_json(entries: Sequence[AccessEntry]) -> str:
    """The names as JSON, for programs."""
    return json.dumps([dataclasses.asdict(entry) for entry in entries])


def _entries(lists: AccessLists, by: str) -> Iterator[AccessEntry]:
    for which, names in ((preferences.ALLOWED, lists.allowed), (preferences.DENIED, lists.denied)):
        for name in sorted(names):
            yield AccessEntry(str(name), which, by)
