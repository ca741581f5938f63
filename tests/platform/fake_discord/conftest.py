"""A fake Discord with a channel and a person, and clients of it."""

from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import discord
import pytest
import yarl

from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.platform.fake_discord.clients import Api, Bot, Connect, connected


@pytest.fixture
async def server() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(settings=Settings(rate_limit=None)) as fake:
        yield fake


@pytest.fixture
def ada(server: FakeDiscord) -> User:
    return server.add_user("ada")


@pytest.fixture
def channel(server: FakeDiscord, ada: User) -> Channel:
    return server.add_channel(server.add_guild(members=[ada]))


@pytest.fixture
def connect(server: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Point discord.py at the fake, as a bot's settings do; the result runs a bot."""
    monkeypatch.setattr(discord.http.Route, "BASE", server.api_url)
    gateway = discord.gateway.DiscordWebSocket
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", yarl.URL(server.gateway_url))
    return partial(connected, server)


@pytest.fixture
async def bot(connect: Connect, channel: Channel) -> AsyncIterator[Bot]:
    async with connect() as running:
        assert running.get_channel(channel.id) is not None
        yield running


@pytest.fixture
async def api(server: FakeDiscord) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(server, session)
