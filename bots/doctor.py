"""The bots' checks for ``parley doctor``: tokens and intents by real calls, quotas, HTTP port."""

import socket

from bots import doctor_access
from bots.discord.sdk import run as discord_serving
from bots.discord.sdk.run import DiscordIdentity
from bots.platforms import discord_access, slack_access, slack_cipher
from bots.slack.sdk import client as slack_client
from bots.slack.sdk.client import SlackAccess
from shared.access import AccessLists
from shared.checks import Check, print_checks
from shared.errors import PlatformUnreachableError, StartupError
from shared.preferences import Quota
from shared.settings import Settings


async def report(settings: Settings) -> int:
    """Print one line per check; the exit code is 1 if one failed, or that of all that failed."""
    checks: list[Check] = []
    lists = await doctor_access.lists_of(settings)
    if settings.runs_slack:
        checks.extend(await _check_slack(settings, lists))
    if settings.runs_discord:
        checks.extend(await _check_discord(settings, lists))
    if checks:
        checks.extend(doctor_access.check_open(settings, lists))
    if not checks:
        checks.append(Check.warn("platforms", "no token is set; `parley chat` needs none"))
    checks.extend((_check_quotas(settings), _check_port(settings)))
    return print_checks(checks)


async def _check_slack(settings: Settings, lists: AccessLists) -> list[Check]:
    access = slack_access(settings)
    if settings.is_installed:
        return await _check_installing(settings, access)
    try:
        me = await slack_client.identify(access)
    except StartupError as error:
        return [_fault("slack", error)]
    known = Check.ok("slack", f"user {me.user_id} in workspace {me.team_id}")
    named = await doctor_access.check_slack(access, me.team_id, lists)
    return [known, await _check_way_in(access), *named]


def _fault(name: str, error: StartupError) -> Check:
    """A check that failed as the bots would: only if trying again may help has it their code."""
    is_passing = isinstance(error, PlatformUnreachableError)
    return Check.fail(name, str(error), error.exit_code if is_passing else 1)


async def _check_installing(settings: Settings, access: SlackAccess) -> list[Check]:
    try:
        slack_cipher(settings)
    except StartupError as error:
        return [Check.fail("slack", str(error))]
    known = Check.ok("slack", "workspaces install the app at /slack/install")
    return [known, await _check_way_in(access)]


async def _check_way_in(access: SlackAccess) -> Check:
    if access.app_token is None:
        return Check.ok("slack way in", "events over HTTP at /slack/events")
    try:
        await slack_client.check_app_token(access)
    except StartupError as error:
        return _fault("slack way in", error)
    return Check.ok("slack way in", "Socket Mode")


async def _check_discord(settings: Settings, lists: AccessLists) -> list[Check]:
    try:
        me = await discord_serving.identify(discord_access(settings))
        named = await doctor_access.check_discord(discord_access(settings), lists)
    except StartupError as error:
        return [_fault("discord", error)]
    return [_reading(me), *named]


def _reading(me: DiscordIdentity) -> Check:
    if me.reads_content:
        return Check.ok("discord", f"{me.name}, reads every message it can see")
    return Check.warn(
        "discord",
        f"{me.name}, without the message content intent: only mentions, replies and direct "
        "messages are answered; switch it on under Bot, Privileged Gateway Intents",
    )


def _check_quotas(settings: Settings) -> Check:
    fallback = settings.fallback
    person, channel = _amount(fallback.user_quota), _amount(fallback.channel_quota)
    workspace = _amount(fallback.workspace_quota)
    return Check.ok(
        "quotas",
        f"a person {person}, a channel {channel}, which /settings may change; a workspace"
        f" {workspace}",
    )


def _amount(quota: Quota) -> str:
    limits = (quota.messages, "messages"), (quota.tokens, "tokens")
    named = [f"{limit:,} {what}" for limit, what in limits if limit]
    return f"{' and '.join(named)} a day" if named else "without limit"


def _check_port(settings: Settings) -> Check:
    with socket.socket() as probe:
        if probe.connect_ex((settings.http_host, settings.http_port)) == 0:
            return Check.warn(
                "http", f"port {settings.http_port} is in use; fine if Parley's bots are running"
            )
    return Check.ok("http", f"port {settings.http_port} is free")
