"""Runs the adapters that have tokens, beside the HTTP server, until one of them fails."""

import asyncio
from collections.abc import Coroutine

import pydantic

from bots.adapter import Link, Wiring, all_or_none
from bots.delivery.rate_budget import SharedRateBudget
from bots.discord.adapter import DiscordAdapter, Keeping
from bots.discord.handlers.access import DiscordAccessFacts
from bots.discord.handlers.automation import DiscordAutomationRules
from bots.discord.handlers.history import DiscordHistory
from bots.discord.sdk.client import DiscordAccess
from bots.discord.sdk.surface import DiscordSurface
from bots.http_server import Handler, http_server
from bots.incoming.attachments import Bounds
from bots.incoming.spool import Spool
from bots.metrics import watch_loop
from bots.slack.adapter import SlackAdapter
from bots.slack.factory import App, installed_workspaces, one_workspace
from bots.slack.handlers.history import channel_access_of
from bots.slack.parse.automation import SlackAutomationRules as SlackCustoms
from bots.slack.sdk.client import Account, AppCredentials, SlackAccess, identify
from bots.slack.sdk.install import INSTALL_PATH, REDIRECT_PATH
from bots.slack.sdk.surface import SlackSurface
from bots.token_encryption import TokenCipher
from shared.errors import SettingsError
from shared.jobs import Platform
from shared.languages import find_language, read_names
from shared.settings import Settings

SLACK_EVENTS_PATH = "/slack/events"


async def serve_platforms(settings: Settings, wiring: Wiring) -> None:
    """Serve until cancelled.

    Raises:
        StartupError: a platform refuses the bot, or the port is in use.
    """
    try:
        await _serve(settings, wiring)
    finally:
        await wiring.store.close()


async def _serve(settings: Settings, wiring: Wiring) -> None:
    await asyncio.to_thread(read_names)
    posts: dict[str, Handler] = {}
    gets: dict[str, Handler] = {}
    links: list[Coroutine[None, None, None]] = []
    if settings.runs_slack:
        slack, link = await _slack(settings, wiring, gets)
        if settings.slack_app_token is None:
            posts[SLACK_EVENTS_PATH] = slack.handle_http
        links.append(link.run_with(slack))
    if settings.runs_discord:
        discord, link = _discord(settings, wiring)
        links.append(link.run_with(discord))
    async with http_server(
        settings.http_host, settings.http_port, wiring.store, wiring.metrics.registry, posts, gets
    ):
        if wiring.preference_cache:
            await wiring.preference_cache.refresh()
            links.append(wiring.preference_cache.run())
        await all_or_none(*links, watch_loop(wiring.metrics))


async def _slack(
    settings: Settings, wiring: Wiring, gets: dict[str, Handler]
) -> tuple[SlackAdapter, Link]:
    access = slack_access(settings)
    automation_rules = SlackCustoms(
        sentiment_channels=settings.sentiment_channels,
        translate_channels=_languages(settings),
        pins_channels=settings.learn_pins_channels,
        files=Bounds(settings.max_upload_mb, settings.read_pictures),
        lookback_s=settings.lookback_s,
    )
    if settings.is_installed:
        app = App(access, slack_credentials(settings), slack_cipher(settings))
        adapter, link, flow = await installed_workspaces(app, wiring, automation_rules)
        gets |= {INSTALL_PATH: flow.begin, REDIRECT_PATH: flow.finish}
        return adapter, link
    account = Account(access, await identify(access))
    sight = channel_access_of(account, wiring.store)
    surface = SlackSurface(access, SharedRateBudget(wiring.store), max_parts=wiring.max_parts)
    link = Link(wiring, surface, Platform.SLACK, sight.history_reader, sight.access_facts)
    return one_workspace(account, link, sight, automation_rules), link


def _discord(settings: Settings, wiring: Wiring) -> tuple[DiscordAdapter, Link]:
    surface = DiscordSurface(wiring.max_parts)
    history_reader = DiscordHistory(surface, wiring.store)
    link = Link(wiring, surface, Platform.DISCORD, history_reader, DiscordAccessFacts(surface))
    spool = Spool(settings.data_dir / "spool", Platform.DISCORD, settings.spool_messages)
    adapter = DiscordAdapter(
        discord_access(settings),
        surface,
        link,
        _automation_rules(settings),
        Keeping(spool, settings.lookback_s),
    )
    return adapter, link


def _automation_rules(settings: Settings) -> DiscordAutomationRules:
    return DiscordAutomationRules(
        sentiment_channels=settings.sentiment_channels,
        translate_channels=_languages(settings),
        pins_channels=settings.learn_pins_channels,
        files=Bounds(settings.max_upload_mb, settings.read_pictures),
    )


def _languages(settings: Settings) -> dict[str, str]:
    """Channel -> code of the language that its messages are translated to.

    Raises:
        SettingsError: one is not a language.
    """
    found = {}
    for channel, words in settings.translate_channels.items():
        code = find_language(words)
        if code is None:
            raise SettingsError(
                f"PARLEY_TRANSLATE_CHANNELS names no language for {channel}: {words!r} is none; "
                "write its code or its English name, such as fr."
            )
        found[channel] = code
    return found


def slack_access(settings: Settings) -> SlackAccess:
    """The settings that Slack's client needs."""
    url = str(settings.slack_api_url)
    return SlackAccess(
        bot_token=_secret(settings.slack_bot_token) or "",
        api_url=url if url.endswith("/") else f"{url}/",
        app_token=_secret(settings.slack_app_token),
        signing_secret=_secret(settings.slack_signing_secret),
    )


def slack_credentials(settings: Settings) -> AppCredentials:
    """The credentials of the app that workspaces install."""
    return AppCredentials(
        client_id=settings.slack_client_id or "",
        client_secret=_secret(settings.slack_client_secret) or "",
        api_url=slack_access(settings).api_url,
    )


def slack_cipher(settings: Settings) -> TokenCipher:
    """The cipher of the workspaces' tokens.

    Raises:
        SettingsError: ``PARLEY_SECRET_KEY`` is not a valid key.
    """
    return TokenCipher(_secret(settings.secret_key) or "")


def discord_access(settings: Settings) -> DiscordAccess:
    """The settings that Discord's client needs."""
    gateway = settings.discord_gateway_url
    return DiscordAccess(
        token=_secret(settings.discord_token) or "",
        api_url=str(settings.discord_api_url),
        gateway_url=str(gateway) if gateway else None,
        user_installs=settings.discord_user_installs,
    )


def _secret(value: pydantic.SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
