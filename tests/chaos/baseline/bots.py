"""The platforms' side: listeners that hand the text of a message to a task. SDKs as they come."""

import asyncio
import os
import re
import sys
from typing import Any

import discord
import yarl
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.chaos.baseline.tasks import answer_discord, answer_slack

MENTION = re.compile(r"<@!?\w+>")


def plain(text: str) -> str:
    """The text without its mentions."""
    return MENTION.sub("", text).strip()


def make_slack() -> AsyncApp:
    """The Slack bot: mentions in channels, everything in direct messages."""
    token = os.environ["SLACK_BOT_TOKEN"]
    client = AsyncWebClient(token, base_url=os.environ["BASELINE_SLACK_URL"])
    app = AsyncApp(client=client)

    @app.event("app_mention")
    async def on_mention(event: dict[str, Any]) -> None:
        thread = event.get("thread_ts") or event["ts"]
        answer_slack.delay(plain(event["text"]), event["channel"], thread)

    @app.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        if event.get("channel_type") == "im" and not event.get("bot_id"):
            answer_slack.delay(plain(event["text"]), event["channel"], None)

    return app


class DiscordBot(discord.Client):
    """The Discord bot: mentions and replies in channels, everything in direct messages."""

    async def on_ready(self) -> None:
        """Say that we are there."""
        say("discord_ready")

    async def on_message(self, message: discord.Message) -> None:
        """Hand a message on."""
        is_ours = message.guild is None or self.user in message.mentions
        if is_ours and not message.author.bot:
            answer_discord.delay(plain(message.content), message.channel.id, message.id)


async def main(*, with_discord: bool) -> None:
    """Run until killed."""
    handler = AsyncSocketModeHandler(make_slack(), os.environ["SLACK_APP_TOKEN"])
    await handler.connect_async()  # type: ignore[no-untyped-call]  # no types
    say("slack_ready")
    if not with_discord:
        await asyncio.Event().wait()
    discord.http.Route.BASE = os.environ["BASELINE_DISCORD_URL"]
    gateway = yarl.URL(os.environ["BASELINE_DISCORD_GATEWAY_URL"])
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway
    intents = discord.Intents.default()
    intents.message_content = True
    async with DiscordBot(intents=intents) as bot:
        await bot.start(os.environ["DISCORD_TOKEN"])


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(with_discord="discord" in sys.argv[1:]))
