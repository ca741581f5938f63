"""Runs discord.py's client until it ends, and looks up the bot's identity."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import discord
import discord.http

from bots.discord.sdk import account
from bots.discord.sdk.buttons import ActionButton
from bots.discord.sdk.client import Client, DiscordAccess, DiscordEventHandler
from bots.discord.sdk.command_tree import Commands
from bots.discord.sdk.errors import login_faults, start_up_faults
from bots.discord.sdk.surface import DiscordSurface
from bots.tasks import end
from shared.logs import get_logger

log = get_logger(__name__)


async def serve(
    access: DiscordAccess, surface: DiscordSurface, event_handler: DiscordEventHandler
) -> None:
    """Listen until cancelled.

    Without the message content intent Discord still shows us direct messages, mentions and replies
    to us, so a bot without it goes on.

    Raises:
        TokenError: Discord does not know the token.
        PlatformUnreachableError: it does not answer, or something else does.
    """
    _never_speak()
    try:
        await _connect(access, surface, Client(access, event_handler, reads_content=True))
    except discord.PrivilegedIntentsRequired:
        log.warning("discord_without_message_content")
        await _connect(access, surface, Client(access, event_handler, reads_content=False))


def _never_speak() -> None:
    """Keep discord.py from warning that it lacks what only voice channels need."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


async def _connect(access: DiscordAccess, surface: DiscordSurface, client: Client) -> None:
    surface.client = client
    client.add_dynamic_items(ActionButton, *account.ITEMS)
    commands = Commands(client, user_installs=access.user_installs)
    with start_up_faults(access.api_url):
        async with client:
            async with login_faults(access.api_url):
                await client.login(access.token)
            publishing = asyncio.create_task(commands.publish())
            try:
                await client.connect()
            finally:
                await end([publishing])


@dataclass(frozen=True, slots=True)
class DiscordIdentity:
    """The bot's identity on Discord, and whether it may read every message."""

    name: str
    reads_content: bool


async def identify(access: DiscordAccess) -> DiscordIdentity:
    """Ask Discord for the bot's identity, without connecting to its gateway.

    Raises:
        TokenError: it does not know the token.
        PlatformUnreachableError: it does not answer, or something else does.
    """
    _never_speak()
    with start_up_faults(access.api_url):
        async with (
            login_faults(access.api_url),
            discord.Client(intents=discord.Intents.none()) as client,
        ):
            discord.http.Route.BASE = access.api_url.rstrip("/")
            await client.login(access.token)
            application = await client.application_info()
            flags = application.flags
            name = str(client.user)
    reads = flags.gateway_message_content or flags.gateway_message_content_limited
    return DiscordIdentity(name, reads_content=reads)


async def inhabitants(
    access: DiscordAccess, servers: Iterable[int]
) -> dict[int, frozenset[int] | None]:
    """The ids of servers' roles, channels and categories; None for one that we are not in.

    Raises:
        TokenError: Discord does not know the token.
        PlatformUnreachableError: it does not answer.
    """
    found: dict[int, frozenset[int] | None] = {}
    with start_up_faults(access.api_url):
        async with discord.Client(intents=discord.Intents.none()) as client:
            discord.http.Route.BASE = access.api_url.rstrip("/")
            await client.login(access.token)
            for server in servers:
                try:
                    guild = await client.fetch_guild(server, with_counts=False)
                    channels = await guild.fetch_channels()
                except (discord.NotFound, discord.Forbidden):
                    found[server] = None
                else:
                    roles = (role.id for role in guild.roles)
                    found[server] = frozenset((*roles, *(each.id for each in channels)))
    return found
