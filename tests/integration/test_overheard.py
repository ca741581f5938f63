"""What comes of messages that are rated, from people's words to what stands in the channel."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import codec, keys
from shared.replies import Tagged
from shared.tasks import Tag
from tests.chaos.towns import ALICE, DiscordTown, SlackTown, bots_in, town_of
from tests.chaos.way_out import Scribe, scribe_at, wait_for

ALERT = "This channel sounds worse than it did."
SMILE, FROWN = "🙂", "🙁"
SMILE_ON_SLACK, FROWN_ON_SLACK = "slightly_smiling_face", "slightly_frowning_face"


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    """Does in the ledger what a worker would."""
    with scribe_at(quiet_redis) as found:
        yield found


@pytest.fixture
async def slack_town(quiet_redis: str) -> AsyncIterator[SlackTown]:
    del quiet_redis
    async with town_of(Platform.SLACK) as found:
        assert isinstance(found, SlackTown)
        yield found


@pytest.fixture
async def discord_town(quiet_redis: str) -> AsyncIterator[DiscordTown]:
    del quiet_redis
    async with town_of(Platform.DISCORD) as found:
        assert isinstance(found, DiscordTown)
        yield found


async def rate_edited(scribe: Scribe, reply: Tagged) -> Job:
    """Be the worker that rates the only message that was changed; its job."""
    pattern = keys.job("*")

    def edited() -> list[Job]:
        values = [scribe.client.hget(key, "job") for key in scribe.client.scan_iter(pattern)]
        jobs = [codec.decode(value, Job) for value in values if isinstance(value, bytes)]
        return [job for job in jobs if job.origin.act.startswith("tag:")]

    await asyncio.to_thread(wait_for, edited, "the job of a changed message")
    (job,) = edited()
    await asyncio.to_thread(scribe.answer, job, reply)
    await asyncio.to_thread(scribe.wait_state, job, "delivered")
    return job


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
    assert list(first.reactions) == [SMILE_ON_SLACK]


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


async def test_a_changed_message_is_rated_again_on_slack_and_marked_anew(
    slack_town: SlackTown, scribe: Scribe, quiet_redis: str
) -> None:
    place, slack = slack_town.add_place(), slack_town.slack
    async with bots_in(slack_town, quiet_redis, {"PARLEY_SENTIMENT_CHANNELS": place}):
        said = await slack.say(place, ALICE, "I love this.")
        origin = Origin(Platform.SLACK, slack.team_id, place, "", said.ts, ALICE)
        await rate(scribe, origin, Tagged("positive", SMILE))

        await slack.edit_message(place, said.ts, "I love this.")  # as when a link is unfolded
        await slack.edit_message(place, said.ts, "I hate this.")
        job = await rate_edited(scribe, Tagged("negative", FROWN, was=SMILE))

    assert (job.text, job.origin.message, job.origin.user) == ("I hate this.", said.ts, ALICE)
    assert isinstance(job.task, Tag)
    assert job.task.edited_at_s > job.task.written_at_s
    assert [name for name, users in said.reactions.items() if users] == [FROWN_ON_SLACK]


async def test_a_changed_message_is_rated_again_on_discord_and_marked_anew(
    discord_town: DiscordTown, scribe: Scribe, quiet_redis: str
) -> None:
    place, discord = discord_town.add_place(), discord_town.discord
    async with bots_in(discord_town, quiet_redis, {"PARLEY_SENTIMENT_CHANNELS": place}):
        origin = await discord_town.ask(place)
        await rate(scribe, origin, Tagged("positive", SMILE))

        await discord.edit_message(int(origin.message), "I hate this.")
        job = await rate_edited(scribe, Tagged("negative", FROWN, was=SMILE))

    (said,) = discord.messages(int(place))
    assert (job.text, job.origin.message, job.origin.user) == (
        "I hate this.",
        origin.message,
        origin.user,
    )
    assert isinstance(job.task, Tag)
    assert job.task.edited_at_s > 0
    assert [emoji for emoji, users in said.reactions.items() if users] == [FROWN]
