"""``parley explain-policy``: whether a message would be answered, and why.

Uses the settings, and the preferences of workspaces and channels if Redis can be reached.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import pydantic
import redis

from bots.incoming.intake import Incoming
from bots.incoming.policy import PolicyDecision, Situation, decide
from bots.incoming.preferences import PreferenceCache
from bots.incoming.situation import Thread, followed, situated
from bots.store import open_store
from shared.errors import RedisUnavailableError, SettingsError
from shared.jobs import Origin, Platform
from shared.preference_layers import Resolved, resolve
from shared.preferences import Preferences
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
    at: datetime | None = pydantic.Field(None, description="when, such as 2026-03-01T23:30+01:00")


async def explain(arguments: Sequence[str], settings: Settings) -> None:
    """Print the policy's decision about a described message.

    Raises:
        SettingsError: the description is invalid.
    """
    told = read(arguments)
    origin = _origin(told)
    resolved, source = await _resolved(origin, settings)
    verdict = judge(told, origin, resolved)
    word = "answered" if verdict.speaks else "silent"
    hours = f", quiet hours {resolved.quiet_hours}" if resolved.quiet_hours else ""
    sys.stdout.write(f"{word}: {verdict.reason}\n")
    sys.stdout.write(f"channel: {resolved.when_to_speak}{hours} ({source})\n")


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
        talk = tuple(user.strip() for user in told.talk.split(",") if user.strip())
        incoming = followed(incoming, Thread(origin.thread, told.muted, talk))
    return decide(incoming.situation)


def _origin(told: ExplainRequest) -> Origin:
    name, _, team = told.workspace.partition(SEPARATOR)
    if name not in set(Platform) or not team:
        raise SettingsError(
            f"workspace: {told.workspace} is none; write one such as slack:T012AB3CD."
        )
    return Origin(Platform(name), team, told.channel, "1", "1", told.author)


async def _resolved(origin: Origin, settings: Settings) -> tuple[Resolved, str]:
    """The channel's resolved preferences, and their source."""
    fallback = settings.fallback
    alone = resolve(Preferences(), Preferences(), fallback, origin.channel)
    if settings.redis_url is None:
        return alone, "the settings alone: there is no Redis to ask"
    url = settings.redis_url.get_secret_value()
    try:
        store = await open_store(url, allow_volatile=True)
    except RedisUnavailableError:
        return alone, "the settings alone: Redis does not answer"
    try:
        preference_cache = PreferenceCache(store, url, fallback)
        await preference_cache.refresh()
        return preference_cache.resolved(origin), "the settings and what is preferred there"
    except (redis.RedisError, TimeoutError, OSError):
        return alone, "the settings alone: Redis does not answer"
    finally:
        await store.close()
