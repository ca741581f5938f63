"""What a look-back answers, and what not: on servers that return more than they were asked for."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.ledger import keys
from tests.chaos.inbound import Site, bots_at, site_at, wait_until
from tests.chaos.test_rows_inbound import Discord, Slack
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings as DiscordSettings
from tests.fakes.slack_server import FakeSlack

NUM_OLD = 20


def clock_settings() -> dict[str, Any]:
    """Of a Slack whose timestamps are the wall clock's."""
    return {"first_ts_s": int(time.time()), "ts_clock": time.time, "retry_after_s": 3.0}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Without a worker: what is accepted stays queued."""
    with site_at(tmp_path) as made:
        yield made


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    settings = DiscordSettings(
        rate_limit=None, ignores_times=True, omitted=frozenset({"components", "mentions"})
    )
    async with FakeDiscord(settings=settings) as server:
        person = server.add_user("ann").id
        guild = server.add_guild("team", members=[person])
        yield Discord(server, [person], [server.add_channel(guild, "general").id])


@pytest.fixture
async def slack(request: pytest.FixtureRequest) -> AsyncIterator[Slack]:
    """Slack by the clock; by default a message is sent again as often as need be."""
    own = getattr(request, "param", {"ignores_times": True})
    async with FakeSlack(**clock_settings(), **own) as server:
        server.add_user("U1", "ann")
        server.add_channel("C1", "general", members=["U1", server.bot_user_id])
        yield Slack(server, ["U1"], ["C1"])


async def wait_for_a_mark(site: Site, platform: str) -> None:
    await wait_until(lambda: site.client.hlen(keys.seen(platform)) >= 2, "marks")


async def test_a_fresh_ledger_answers_nothing_old_on_slack(site: Site, slack: Slack) -> None:
    for _ in range(NUM_OLD):
        await slack.ask_unheard()
    async with slack.bots(site):
        first = await slack.ask()
        await site.wait_accepted(first)
        await wait_for_a_mark(site, "slack")
    missed = await slack.ask_unheard()

    async with slack.bots(site) as bots:
        jobs = await site.wait_accepted(missed)
        await asyncio.to_thread(bots.wait_for_event, "looked_back")

    assert set(jobs) == {first, missed}


async def test_a_fresh_ledger_answers_nothing_old_on_discord(site: Site, discord: Discord) -> None:
    for _ in range(NUM_OLD):
        await discord.ask()
    async with discord.bots(site):
        first = str((await discord.ask()).id)
        await site.wait_accepted(first)
        await wait_for_a_mark(site, "discord")
    missed = str((await discord.ask()).id)

    async with discord.bots(site) as bots:
        jobs = await site.wait_accepted(missed)
        await asyncio.to_thread(bots.wait_for_event, "looked_back")

    assert set(jobs) == {first, missed}


async def test_marks_of_a_version_that_noted_no_installation_are_looked_at(
    site: Site, slack: Slack
) -> None:
    async with slack.bots(site):
        first = await slack.ask()
        await site.wait_accepted(first)
        await wait_for_a_mark(site, "slack")
    missed = await slack.ask_unheard()
    site.client.delete(keys.installed("slack"))

    async with slack.bots(site):
        await site.wait_accepted(missed)


@pytest.mark.parametrize("slack", [{"max_retries": 0}], indirect=True)
async def test_what_slack_does_not_send_again_is_looked_for_once_redis_is_back(
    site: Site, slack: Slack
) -> None:
    async with slack.bots(site) as bots:
        first = await slack.ask()
        await site.wait_accepted(first)
        await wait_for_a_mark(site, "slack")
        site.kill_redis()
        missed = [await slack.ask() for _ in range(2)]
        in_thread = await slack.ask(thread=first)
        await asyncio.to_thread(bots.wait_for_event, "event_not_accepted", 3)
        site.start_redis()

        jobs = await site.wait_accepted(*missed, in_thread)

        assert set(jobs) == {first, *missed, in_thread}
        await asyncio.to_thread(bots.wait_for_event, "looked_back")


async def test_a_start_warns_of_nothing_and_says_which_command_is_refused(
    site: Site, slack: Slack, discord: Discord
) -> None:
    settings = {**site.settings, **slack.settings, **discord.settings}
    async with bots_at(settings, discord.hears) as bots:
        await asyncio.to_thread(bots.wait_for_event, "slack_ready")
        asked = str((await discord.ask(text="without `components` and `mentions`")).id)
        await site.wait_accepted(asked)
        assert [line for line in bots.lines if '"level": "info"' not in line] == []

    discord.server.fail_next("PUT", "/applications/*/commands", status=400, code=50035)
    async with bots_at(settings, slack.is_ready) as bots:
        await asyncio.to_thread(bots.wait_for_event, "commands_not_synced")
        (refused,) = bots.events("commands_not_synced")
        assert refused["why"].startswith("HTTP 400")
        assert "50035" in refused["why"]
