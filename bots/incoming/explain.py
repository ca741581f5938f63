"""``parley explain-policy``: whether a message would be answered, who may ask, and why.

Uses the settings, and the preferences of workspaces and channels if Redis can be reached.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pydantic
import redis

from bots.access.decision import AccessFacts, decide_access
from bots.access.request import DISCORD_DIRECT
from bots.incoming.intake import Incoming
from bots.incoming.policy import PolicyDecision, Situation, decide
from bots.incoming.preferences import PreferenceCache
from bots.incoming.situation import Thread, followed, situated
from bots.store import open_store
from shared.access import AccessLists
from shared.errors import RedisUnavailableError, SettingsError
from shared.jobs import Origin, Platform
from shared.preference_layers import Resolved, resolve
from shared.preferences import Preferences, Scope
from shared.settings import Settings

SEPARATOR = ":"


class ExplainRequest(pydantic.BaseModel):
    """The described message; each field is a flag of the command or a field of its JSON."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    workspace: str = pydantic.Field(
        "slack:T1", description="PLATFORM:TEAM, such as slack:T012AB3CD"
    )
    channel: str = pydantic.Field("C1", description="the channel's id")
    text: str = pydantic.Field("", description="what it says")
    author: str = pydantic.Field("alice", description="the id of who wrote it")
    bot: bool = pydantic.Field(default=False, description="another bot wrote it")
    direct: bool = pydantic.Field(default=False, description="it is a direct message")
    mention: bool = pydantic.Field(default=False, description="it mentions us")
    mention_others: bool = pydantic.Field(default=False, description="it mentions somebody else")
    reply: bool = pydantic.Field(default=False, description="it replies to a message of ours")
    command: bool = pydantic.Field(default=False, description="it is a command or a menu")
    thread: bool = pydantic.Field(default=False, description="in a thread that we take part in")
    talk: str = pydantic.Field(
        "",
        description="ids of who spoke in that thread since we were spoken to, by commas, the "
        "latest first",
    )
    muted: bool = pydantic.Field(default=False, description="that thread is muted")
    bots_in_a_row: int = pydantic.Field(
        0, ge=0, description="messages of bots that were answered since a person spoke to us"
    )
    roles: str = pydantic.Field(
        "", description="Discord: ids of the author's roles, by commas, in the server"
    )
    groups: str = pydantic.Field("", description="Slack: ids of the author's user groups")
    guest: bool = pydantic.Field(default=False, description="Slack: the author is a guest")
    home: str = pydantic.Field(
        "", description="Slack: the author's own workspace, if it is another organisation's"
    )
    parent: str = pydantic.Field("", description="the channel of a thread or a forum's post")
    category: str = pydantic.Field("", description="Discord: the channel's category")
    servers: str = pydantic.Field(
        "", description="Discord: ids of servers that the author of a direct message is in"
    )
    user_install: bool = pydantic.Field(
        default=False, description="Discord: a command of an app that only the author installed"
    )
    at: datetime | None = pydantic.Field(None, description="when, such as 2026-03-01T23:30+01:00")


async def explain(arguments: Sequence[str], settings: Settings) -> None:
    """Print the decisions about a described message: the policy's, and who may ask.

    Raises:
        SettingsError: the description is invalid.
    """
    told = read(arguments)
    origin = _origin(told)
    rules = await _rules(origin, settings)
    resolved, source = rules.resolved, rules.source
    verdict = judge(told, origin, resolved)
    access = decide_access(
        access_facts(told, origin), rules.layers, user_installs=settings.discord_user_installs
    )
    word = "answered" if verdict.speaks else "silent"
    if verdict.speaks and not access.is_allowed:
        word, verdict = "refused", PolicyDecision(speaks=False, reason=access.reason)
    hours = f", quiet hours {resolved.quiet_hours}" if resolved.quiet_hours else ""
    sys.stdout.write(f"{word}: {verdict.reason}\n")
    sys.stdout.write(f"channel: {resolved.when_to_speak}{hours} ({source})\n")
    may = "may ask" if access.is_allowed else "may not ask"
    sys.stdout.write(f"access: {may}: {access.reason}\n")


def read(arguments: Sequence[str]) -> ExplainRequest:
    """Parse the command's arguments.

    Raises:
        SettingsError: an argument is invalid.
    """
    parser = argparse.ArgumentParser(
        prog="parley explain-policy",
        description="Say whether a message would be answered, and why.",
        allow_abbrev=False,
    )
    for name, field in ExplainRequest.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        if field.annotation is bool:
            parser.add_argument(flag, action="store_true", default=None, help=field.description)
        else:
            parser.add_argument(flag, help=field.description)
    parser.add_argument("--json", dest="document", help="all of it as JSON, with the same names")
    given = vars(parser.parse_args(list(arguments)))
    document = given.pop("document")
    flags = {name: value for name, value in given.items() if value is not None}
    try:
        if document is None:
            return ExplainRequest.model_validate(flags)
        from_json = ExplainRequest.model_validate_json(document).model_dump(exclude_unset=True)
        return ExplainRequest.model_validate({**from_json, **flags})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = SEPARATOR.join(map(str, first["loc"])) or "--json"
        raise SettingsError(f"{name}: {first['msg'].lower()}.") from None


def judge(told: ExplainRequest, origin: Origin, resolved: Resolved) -> PolicyDecision:
    """Decide about a message under these preferences. Pure, unless it needs the current time."""
    moment = told.at or datetime.now(UTC)
    situation = Situation(
        is_from_person=not told.bot,
        is_direct=told.direct,
        mentions_us=told.mention,
        mentions_others=told.mention_others,
        replies_to_us=told.reply,
        is_act=told.command,
        num_bots=told.bots_in_a_row,
    )
    incoming = Incoming(
        origin, told.text, situation, in_thread=told.thread, bot=told.author if told.bot else ""
    )
    incoming = situated(incoming, resolved, moment if moment.tzinfo else moment.astimezone())
    if told.thread:
        talk = _ids(told.talk)
        incoming = followed(incoming, Thread(origin.thread, told.muted, talk))
    return decide(incoming.situation)


def _origin(told: ExplainRequest) -> Origin:
    name, _, team = told.workspace.partition(SEPARATOR)
    if name not in set(Platform) or not team:
        raise SettingsError(
            f"workspace: {told.workspace} is none; write one such as slack:T012AB3CD."
        )
    return Origin(Platform(name), team, told.channel, "1", "1", told.author)


def access_facts(told: ExplainRequest, origin: Origin) -> AccessFacts:
    """The facts of a described message about who asks, and where. Pure."""
    roles, servers = frozenset(_ids(told.roles)), _ids(told.servers)
    is_slack = origin.platform is Platform.SLACK
    team = origin.team if is_slack or not told.direct else DISCORD_DIRECT
    homes: dict[str, frozenset[str] | None] = {told.home or team: roles}
    if not is_slack and told.direct:
        # Its workspace is taken for the server in which the roles are.
        homes.update(dict.fromkeys(servers, frozenset[str]()))
        homes = {**homes, origin.team: roles}
    return AccessFacts(
        platform=origin.platform,
        user=origin.user,
        team=team,
        channels=frozenset({told.channel, told.parent or told.channel}),
        category=told.category,
        is_direct=told.direct,
        homes=homes,
        groups=frozenset(_ids(told.groups)),
        is_guest=told.guest,
        is_stranger=is_slack and told.home not in {"", origin.team},
        is_bot=told.bot,
        is_user_install=told.user_install,
    )


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds in a channel."""

    resolved: Resolved
    source: str
    layers: tuple[AccessLists, ...]
    """The operator's access lists, then the workspace's own."""


async def _rules(origin: Origin, settings: Settings) -> _Rules:
    """The channel's resolved preferences, their source, and the access lists."""
    fallback, lists = settings.fallback, settings.access.lists
    resolved = resolve(Preferences(), Preferences(), fallback, origin.channel)

    def alone(why: str) -> _Rules:
        return _Rules(resolved, f"the settings alone: {why}", (lists,))

    if settings.redis_url is None:
        return alone("there is no Redis to ask")
    url = settings.redis_url.get_secret_value()
    try:
        store = await open_store(url, allow_volatile=True)
    except RedisUnavailableError:
        return alone("Redis does not answer")
    try:
        preference_cache = PreferenceCache(store, url, fallback)
        await preference_cache.refresh()
        own = preference_cache.own_access(Scope(origin.tenant))
        return _Rules(
            preference_cache.resolved(origin),
            "the settings and what is preferred there",
            (lists.merged(preference_cache.operator_access), *([own] if own else [])),
        )
    except (redis.RedisError, TimeoutError, OSError):
        return alone("Redis does not answer")
    finally:
        await store.close()
