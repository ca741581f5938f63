"""Bots processes beside the fake platforms."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.slack_server import FakeSlack
from tests.running import RunningModule

CHANNEL, GENERAL_NAME, ALICE, BOB = "C0GENERAL", "general", "U0ALICE", "U0BOB"
AUTO_CHANNEL, DIRECT = "C0AUTO", "D0ALICE"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A workspace with a channel, an auto-reply channel and a direct message."""
    async with FakeSlack() as server:
        server.add_user(ALICE, "alice")
        server.add_user(BOB, "bob")
        people = [ALICE, BOB, server.bot_user_id]
        server.add_channel(CHANNEL, GENERAL_NAME, members=people)
        server.add_channel(AUTO_CHANNEL, "auto", members=people)
        server.add_channel(DIRECT, "alice", is_im=True, members=[ALICE, server.bot_user_id])
        yield server


@pytest.fixture
async def discord_server() -> AsyncIterator[FakeDiscord]:
    """A Discord without people or places; tests add them."""
    async with FakeDiscord(settings=DiscordSettings(rate_limit=None)) as server:
        yield server


@pytest.fixture
def slack_settings(slack: FakeSlack, redis_url: str) -> dict[str, str]:
    """Settings of bots in Socket Mode."""
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_AUTO_REPLY_CHANNELS": AUTO_CHANNEL,
        "PARLEY_SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
    }


@pytest.fixture
def discord_settings(discord_server: FakeDiscord, redis_url: str) -> dict[str, str]:
    """Settings of bots on Discord."""
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_DISCORD_API_URL": discord_server.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": discord_server.gateway_url,
        "DISCORD_TOKEN": discord_server.token,
    }


async def start_bots(settings: dict[str, str], *ready: str) -> RunningModule:
    """Bots that have said they are ready. The caller stops them."""
    bots = RunningModule("bots", settings=settings).__enter__()
    try:
        for event in ready:
            await asyncio.to_thread(bots.wait_for_event, event)
    except BaseException:
        await asyncio.to_thread(bots.stop)
        raise
    return bots


async def stop_bots(bots: RunningModule) -> None:
    """Stop, and look whether anything went wrong that a person did not see."""
    await asyncio.to_thread(bots.stop)
    assert "Traceback" not in bots.output, bots.output


@contextlib.asynccontextmanager
async def running_bots(settings: dict[str, str]) -> AsyncIterator[RunningModule]:
    """A bots process, for as long as the block runs; the platform sees it go."""
    bots = await start_bots(settings)
    try:
        yield bots
    finally:
        await asyncio.to_thread(bots.stop)


@pytest.fixture
async def slack_bots(
    slack: FakeSlack, slack_settings: dict[str, str], worker: RunningModule
) -> AsyncIterator[RunningModule]:
    """A bots process on the fake Slack in Socket Mode, beside a worker."""
    del worker
    bots = await start_bots(slack_settings, "slack_ready")
    await slack.wait_for_connections(1)
    yield bots
    await stop_bots(bots)


@pytest.fixture
async def discord_bots(
    discord_server: FakeDiscord, discord_settings: dict[str, str], worker: RunningModule
) -> AsyncIterator[RunningModule]:
    """A bots process on the fake Discord, beside a worker."""
    del worker
    bots = await start_bots(discord_settings)
    await discord_server.wait_until_connected(timeout_s=30)
    yield bots
    await stop_bots(bots)
