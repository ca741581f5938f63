"""What comes of messages that are rated, from people's words to what stands in the channel."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.jobs import Kind, Origin, Platform, make_job
from shared.replies import Tagged
from tests.chaos.towns import ALICE, DiscordTown, SlackTown, bots_in, town_of
from tests.chaos.way_out import Scribe, scribe_at

ALERT = "This channel sounds worse than it did."
SMILE = "🙂"
NAMES = {Platform.SLACK: "slightly_smiling_face", Platform.DISCORD: SMILE}


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    """Does in the ledger what a worker would."""
    with scribe_at(quiet_redis) as found:
        yield found


@pytest.fixture
async def slack_town() -> AsyncIterator[SlackTown]:
    async with town_of(Platform.SLACK) as found:
        assert isinstance(found, SlackTown)
        yield found


@pytest.fixture
async def discord_town() -> AsyncIterator[DiscordTown]:
    async with town_of(Platform.DISCORD) as found:
        assert isinstance(found, DiscordTown)
        yield found


async def rate(scribe: Scribe, origin: Origin, reply: Tagged | str) -> None:
    """Be the worker that rates a message."""
    job = make_job(Kind.TAG, dataclasses.replace(origin, act="tag"), "")
    await asyncio.to_thread(scribe.answer, job, reply)
    await asyncio.to_thread(scribe.wait_state, job, "delivered")


async def test_a_drop_is_told_to_a_channel_on_slack_and_not_below_the_message_that_showed_it(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    place, slack = slack_town.add_place(), slack_town.slack
    async with bots_in(slack_town, quiet_redis, {"PARLEY_SENTIMENT_CHANNELS": place}):
        first = await slack.say(place, ALICE, "I do not like this.")
        reply = await slack.say(place, ALICE, "Nor this.", first.ts)
        for said, what in ((first, Tagged("positive", SMILE)), (reply, ALERT)):
            origin = Origin(Platform.SLACK, slack.team_id, place, "", said.ts, ALICE)
            await rate(scribe, origin, what)

    (told,) = [m for m in slack.messages(place) if m.user == slack.bot_user_id]
    assert (told.text, told.thread_ts) == (ALERT, None)
    assert list(first.reactions) == [NAMES[Platform.SLACK]]


async def test_a_drop_is_told_to_a_channel_on_discord_and_replies_to_nobody(
    discord_town: DiscordTown, scribe: Scribe, quiet_redis: str
) -> None:
    place, discord = discord_town.add_place(), discord_town.discord
    async with bots_in(discord_town, quiet_redis, {"PARLEY_SENTIMENT_CHANNELS": place}):
        for what in (Tagged("positive", SMILE), ALERT):
            await rate(scribe, await discord_town.ask(place), what)

    (told,) = discord.replies(int(place))
    marked, _ = [m for m in discord.messages(int(place)) if m.author_id != discord.bot_user_id]
    assert (told.content, told.reference) == (ALERT, None)
    assert list(marked.reactions) == [SMILE]
