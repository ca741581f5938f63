"""What people can do to a bot with words alone: row 33 of the table in docs/reliability.md."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.chaos.inbound import Site, wait_until
from tests.chaos.test_rows_inbound import (
    LENGTH_LIMIT,
    Discord,
    Slack,
    answering,
    discord,
    site,
    slack,
)
from tests.running import RunningModule

__all__ = ["answering", "discord", "site", "slack"]

NUM_FLOOD = 1000
FLOOD_S = 120.0
RESENT_S = 1.0
"""Slack waits three times as long, and sends three copies: bots that begin with each drown."""
PER_MINUTE = 20
MAX_OPEN = 5
REFUSALS = ("I take at most", "I still owe you")
ODD_TEXTS = {
    "zalgo": "h" + "\u0300\u0301\u0302\u0303" * 200 + "i",
    "right to left": "\u202e\u0645\u0631\u062d\u0628\u0627\u202c \u2066abc\u2069",
    "zero width": "\u200b\u200c\u200d\u2060\ufeffhello\u200b",
    "tags": "hello" + "".join(map(chr, range(0xE0000, 0xE0080))),
    "lone surrogates": "\ud83d hello \udc00",
    "nul": "good\0bye",
    "controls": "".join(map(chr, range(0x20))) + "hello\x7f\x85\x9b",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50,
    "one letter": "a" * 3_900,
    "newlines": "\n" * 3_000 + "hello",
    "mentions": "<@!999> <@&999> <#999> <@U0NOBODY> <!channel> @everyone hello",
    "markup": "```" * 300 + "||" * 300 + "hello",
}


def assert_no_fault(bots: RunningModule) -> None:
    """No line of the log is worse than a warning."""
    levels = {json.loads(line)["level"] for line in bots.lines if line.startswith("{")}
    assert levels <= {"info", "warning"}, bots.output


def count_refusals(texts: Sequence[str]) -> int:
    return sum(text.startswith(REFUSALS) for text in texts)


async def test_row_33_discord_a_flood_is_told_once_and_nobody_else_waits(
    site: Site, discord: Discord
) -> None:
    flooder, bob = discord.people[0], discord.people[1]
    server, channel = discord.server, discord.channels[0]
    async with discord.bots(site) as bots:
        words = f"<@{server.bot_user_id}> flood"
        async with asyncio.TaskGroup() as group:
            for _ in range(NUM_FLOOD):
                group.create_task(server.say(channel, flooder, words))
        asked = await server.say(channel, bob, f"<@{server.bot_user_id}> and me?")

        def is_answered() -> bool:
            return str(asked.id) in discord.answers()

        await wait_until(is_answered, "answer to the other one")

        told = [reply.content for reply in server.replies(channel)]
        accepted = [job for job in site.jobs().values() if job.origin.user == str(flooder)]
        assert count_refusals(told) == 1
        assert len(accepted) <= 2 * PER_MINUTE
        assert_no_fault(bots)


@pytest.mark.timeout(300)  # a thousand events, each acknowledged
async def test_row_33_slack_a_flood_is_told_once_and_nobody_else_waits(
    site: Site, slack: Slack
) -> None:
    server = slack.server
    server.retry_after_s, server.max_retries = RESENT_S, int(FLOOD_S / RESENT_S)
    async with slack.bots(site) as bots:
        words = f"<@{server.bot_user_id}> flood"
        for _ in range(NUM_FLOOD):
            await server.say("C000", "U000", words)
        asked = await slack.ask(5)  # in the same channel

        def is_answered() -> bool:
            return asked in slack.answers()

        await wait_until(is_answered, "answer to the other one", FLOOD_S)
        await server.wait_for(lambda: all(d.state == "acked" for d in server.deliveries), FLOOD_S)

        ours = [m.text for m in server.messages("C000") if m.user == server.bot_user_id]
        accepted = [job for job in site.jobs().values() if job.origin.user == "U000"]
        assert count_refusals(ours) == 1
        assert len(accepted) <= 2 * PER_MINUTE
        assert_no_fault(bots)


async def test_row_33_discord_odd_texts_are_answered_like_any_other(
    site: Site, discord: Discord
) -> None:
    async with discord.bots(site) as bots:
        asked = [
            str((await discord.ask(number, text[:3_900])).id)
            for number, text in enumerate(ODD_TEXTS.values())
        ]

        await wait_until(lambda: set(asked) <= set(discord.answers()), "answers to odd texts")

        assert_no_fault(bots)


async def test_row_33_slack_odd_texts_are_answered_like_any_other(site: Site, slack: Slack) -> None:
    async with slack.bots(site) as bots:
        asked = [await slack.ask(number, text) for number, text in enumerate(ODD_TEXTS.values())]

        await wait_until(lambda: set(asked) <= set(slack.answers()), "answers to odd texts")

        assert_no_fault(bots)


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "\U0001f600" * 100_000, "<" * 100_000, "<@U1" * 25_000]
)
async def test_row_33_slack_a_huge_message_is_refused_in_a_sentence(
    site: Site, slack: Slack, text: str
) -> None:
    async with slack.bots(site) as bots:
        await slack.ask(0, text)

        said = await slack.server.wait_for_message("C000", containing="100,000 characters")

        assert LENGTH_LIMIT not in said.text
        assert_no_fault(bots)
