"""Clients of the fake Discord: an unmodified discord.py, and a plain one of the HTTP API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import discord
from discord import app_commands

from tests.fakes.discord_model import Channel
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Json
from tests.patience import PATIENCE_S


class Bot(discord.AutoShardedClient):
    """Collects what discord.py tells it."""

    def __init__(self, intents: discord.Intents, shard_count: int | None) -> None:
        super().__init__(intents=intents, shard_count=shard_count, guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.seen: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.edited: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.resumed: asyncio.Queue[int] = asyncio.Queue()
        self.interactions: asyncio.Queue[discord.Interaction] = asyncio.Queue()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not sleep five seconds between identifications."""

    async def on_message(self, message: discord.Message) -> None:
        await self.seen.put(message)

    async def on_message_edit(self, _before: discord.Message, after: discord.Message) -> None:
        await self.edited.put(after)

    async def on_shard_resumed(self, shard_id: int) -> None:
        await self.resumed.put(shard_id)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self.interactions.put(interaction)

    async def next_message(self, content: str) -> discord.Message:
        """Return the next message that reads so."""
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self.seen.get()).content != content:
                pass
            return message


@asynccontextmanager
async def connected(
    server: FakeDiscord, intents: discord.Intents | None = None, shard_count: int | None = None
) -> AsyncIterator[Bot]:
    """Run a bot until the block ends."""
    default = discord.Intents(guilds=True, messages=True, message_content=True)
    bot = Bot(intents or default, shard_count)
    async with bot:
        running = asyncio.create_task(bot.start(server.token))
        ready = asyncio.create_task(bot.wait_until_ready())
        await asyncio.wait({running, ready}, return_when="FIRST_COMPLETED", timeout=PATIENCE_S)
        if running.done():
            ready.cancel()
            running.result()
        await ready
        yield bot
    await running


Connect = Callable[..., AbstractAsyncContextManager[Bot]]


def find_text_channel(bot: Bot, channel: Channel) -> discord.TextChannel:
    found = bot.get_channel(channel.id)
    assert isinstance(found, discord.TextChannel)
    return found


class Api:
    """A plain client of the HTTP API."""

    def __init__(self, server: FakeDiscord, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        headers = {"Authorization": f"Bot {self._server.token}"}
        url = self._server.api_url + path
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, json.loads(await response.read() or b"null")

    async def post(self, channel: Channel, **body: object) -> tuple[int, Json]:
        return await self.call("POST", f"/channels/{channel.id}/messages", body)
