"""The checks of ``parley doctor`` about who may ask: what is open, and names that do not exist."""

from collections.abc import AsyncIterator, Awaitable, Iterable

import redis

from bots.discord.sdk import run as discord_serving
from bots.discord.sdk.client import DiscordAccess
from bots.slack.sdk.client import SlackAccess
from bots.slack.sdk.history import History
from bots.store import open_store
from shared.access import ANY, AccessLists, AccessName, NameKind
from shared.checks import Check
from shared.errors import PlatformError, StartupError
from shared.jobs import Platform
from shared.ledger import preferences
from shared.settings import Settings

NAME = "access"
MAX_LOOKED_UP = 20
"""Names of a platform that are looked up, a call each: docs.slack.dev/apis/web-api/rate-limits,
tier 2."""
SHOWN = 3


async def lists_of(settings: Settings) -> AccessLists:
    """The operator's lists: the settings', with those in Redis if it answers."""
    lists = settings.access.lists
    if settings.redis_url is None:
        return lists
    try:
        store = await open_store(settings.redis_url.get_secret_value(), allow_volatile=True)
    except StartupError:
        return lists  # another check says so
    try:
        return lists.merged(await store.run(preferences.read_access()))
    except (redis.RedisError, TimeoutError, OSError):
        return lists
    finally:
        await store.close()


def check_open(settings: Settings, lists: AccessLists) -> list[Check]:
    """Say who may ask, and what is on both lists."""
    checks = []
    if both := sorted(lists.allowed & lists.denied):
        checks.append(
            Check.warn(NAME, f"{_some(both)} is allowed and denied: denied goes before allowed")
        )
    if not lists.is_known:
        return [*checks, Check.fail(NAME, "a newer Parley wrote the lists in Redis: update this")]
    if lists.allowed:
        counts = f"{len(lists.allowed):,} names allowed, {len(lists.denied):,} denied"
        return [*checks, Check.ok(NAME, f"{counts}; see `parley access list`")]
    anyone = [
        *(["any workspace that installs the app"] if settings.is_installed else []),
        *(["any server that adds the bot"] if settings.runs_discord else []),
        *(["the workspace"] if settings.runs_slack and not settings.is_installed else []),
    ]
    except_for = f" but {_some(sorted(lists.denied))}" if lists.denied else ""
    finding = f"open: everybody in {' and in '.join(anyone)} may ask{except_for}"
    return [*checks, Check.warn(NAME, f"{finding}; PARLEY_ALLOWED narrows it")]


async def check_slack(access: SlackAccess, team: str, lists: AccessLists) -> list[Check]:
    """Look the names of the token's workspace up."""
    names = [name for name in sorted(lists.names) if name.platform is Platform.SLACK]
    foreign = [n for n in names if n.team not in {ANY, team} and n.kind in OF_PLACES]
    checks = [
        Check.warn(NAME, f"{_some(foreign)} is of another workspace than the token's, {team}")
    ] * bool(foreign)
    history = History(access)
    looked_up = [(name, _slack_call(history, name)) for name in _here(names, {ANY, team})]
    return checks + [check async for check in _missing(looked_up, "Slack")]


OF_PLACES = frozenset({NameKind.CHANNEL, NameKind.GROUP})
LOOKED_UP = frozenset({NameKind.CHANNEL, NameKind.USER, NameKind.GROUP})


def _here(names: Iterable[AccessName], teams: set[str]) -> list[AccessName]:
    return [n for n in names if n.team in teams and n.kind in LOOKED_UP][:MAX_LOOKED_UP]


def _slack_call(history: History, name: AccessName) -> Awaitable[object]:
    if name.kind is NameKind.CHANNEL:
        return history.creator(name.id)
    if name.kind is NameKind.USER:
        return history.person(name.id)
    return history.listed_group(name.id)


async def _missing(
    looked_up: Iterable[tuple[AccessName, Awaitable[object]]], platform: str
) -> AsyncIterator[Check]:
    for name, call in looked_up:
        try:
            await call
        except PlatformError as error:
            yield Check.warn(NAME, f"{name}: {platform} does not show it ({error})")


async def check_discord(access: DiscordAccess, lists: AccessLists) -> list[Check]:
    """Look the servers, roles and channels up.

    Raises:
        StartupError: Discord refuses the token, or does not answer.
    """
    names = [n for n in sorted(lists.names) if n.platform is Platform.DISCORD and n.team != ANY]
    if not names:
        return []
    by_team: dict[int, list[AccessName]] = {}
    for name in names:
        by_team.setdefault(int(name.team), []).append(name)
    servers = dict(list(by_team.items())[:MAX_LOOKED_UP])
    found = await discord_serving.inhabitants(access, servers)
    checks = []
    for team, named in servers.items():
        known = found[team]
        if known is None:
            checks.append(Check.warn(NAME, f"{_some(named)}: the bot is not in server {team}"))
            continue
        gone = [name for name in named if name.kind in OF_SERVERS and int(name.id) not in known]
        checks += [Check.warn(NAME, f"{name}: there is none in that server") for name in gone]
    return checks


OF_SERVERS = frozenset({NameKind.ROLE, NameKind.CHANNEL, NameKind.CATEGORY})


def _some(names: Iterable[AccessName]) -> str:
    shown = [str(name) for name in names]
    more = f" and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
