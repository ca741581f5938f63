"""The fakes' late answers: what was asked is done at once, and only the asker does not know it."""

import asyncio
import contextlib

import aiohttp

from tests.fakes.discord_server import FakeDiscord
from tests.fakes.slack_server import FakeSlack

LONG_S = 60


async def test_slack_posts_at_once_and_answers_late() -> None:
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        slack.add_channel("C1", "general")
        slack.delay_after("chat.postMessage", LONG_S)
        call = asyncio.ensure_future(
            session.post(
                f"{slack.api_url}chat.postMessage",
                json={"channel": "C1", "text": "hello"},
                headers={"Authorization": f"Bearer {slack.bot_token}"},
            )
        )

        await slack.wait_for_message("C1", containing="hello")

        assert not call.done()
        await abandon(call)


async def test_discord_posts_at_once_and_answers_late() -> None:
    async with FakeDiscord() as discord, aiohttp.ClientSession() as session:
        channel = discord.add_channel(discord.add_guild())
        discord.delay_after("POST", "/channels/{channel_id}/messages", LONG_S)
        call = asyncio.ensure_future(
            session.post(
                f"{discord.api_url}/channels/{channel.id}/messages",
                json={"content": "hello"},
                headers={"Authorization": f"Bot {discord.token}"},
            )
        )

        await discord.wait_for_replies(channel, contains="hello")

        assert not call.done()
        await abandon(call)


async def abandon(call: "asyncio.Future[aiohttp.ClientResponse]") -> None:
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
