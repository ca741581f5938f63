"""Discord, end to end: real sockets, real Redis, real processes, a small real model."""

import asyncio
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import start_bots, stop_bots
from tests.fakes.discord_model import Message
from tests.fakes.discord_server import FakeDiscord
from tests.patience import PATIENCE_S
from tests.redis_servers import frozen
from tests.running import RunningModule


@dataclass(frozen=True, slots=True)
class Place:
    """A guild with a channel and a person."""

    channel: int
    alice: int
    bob: int


@pytest.fixture
def place(discord_server: FakeDiscord) -> Place:
    alice = discord_server.add_user("alice")
    bob = discord_server.add_user("bob")
    guild = discord_server.add_guild("team", members=[alice, bob])
    channel = discord_server.add_channel(guild, "general")
    return Place(channel.id, alice.id, bob.id)


def is_whole(message: Message) -> bool:
    """Whether an answer is final: the endless model stops at its length limit."""
    return "length limit" in message.content


async def wait_whole(
    server: FakeDiscord, channel: int, count: int = 1, timeout_s: float = PATIENCE_S
) -> list[Message]:
    """Wait for so many final answers in a channel; all the bot's messages there."""
    await server.wait_for(
        lambda: sum(is_whole(m) for m in server.replies(channel)) >= count, timeout_s=timeout_s
    )
    return list(server.replies(channel))


def mention(server: FakeDiscord) -> str:
    return f"<@{server.bot_user_id}>"


async def test_mention_is_answered_as_a_reply_streamed_in_one_message(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule
) -> None:
    asked = await discord_server.say(
        place.channel, place.alice, f"{mention(discord_server)} tell me something"
    )

    (answer,) = await wait_whole(discord_server, place.channel)

    (job,) = discord_bots.events("job_accepted")
    assert answer.reference == asked.id
    assert answer.nonce == job["job"]
    assert answer.edits, "the text grew under the reader's eyes"
    assert answer.live_mentions == []
    assert not answer.is_reply_ping
    assert discord_server.typing


async def test_direct_message_is_answered_without_a_mention(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule
) -> None:
    direct = discord_server.add_dm(place.alice)

    await discord_server.say(direct.id, place.alice, "hello there")

    (answer,) = await wait_whole(discord_server, direct.id)
    assert answer.content
    assert len(discord_bots.events("job_accepted")) == 1


async def test_reply_to_an_answer_needs_no_mention_but_other_talk_is_left_alone(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule
) -> None:
    await discord_server.say(place.channel, place.alice, f"{mention(discord_server)} begin")
    (first,) = await wait_whole(discord_server, place.channel)
    theirs = await discord_server.say(place.channel, place.bob, "between us")
    await discord_server.say(place.channel, place.alice, "nobody asked", reply_to=theirs)

    await discord_server.say(place.channel, place.alice, "go on", reply_to=first, mentions=[])

    assert len(await wait_whole(discord_server, place.channel, count=2)) == 2
    assert len(discord_bots.events("job_accepted")) == 2


async def test_thread_is_followed_without_mentions_once_asked(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule
) -> None:
    thread = discord_server.add_thread(place.channel, "a thread")
    await discord_server.say(thread.id, place.alice, "not for the bot")
    await discord_server.say(thread.id, place.alice, f"{mention(discord_server)} join us")
    await wait_whole(discord_server, thread.id)

    await discord_server.say(thread.id, place.bob, "and now?")

    assert len(await wait_whole(discord_server, thread.id, count=2)) == 2
    assert len(discord_bots.events("job_accepted")) == 2


async def test_auto_reply_channel_answers_people_and_never_bots(
    discord_server: FakeDiscord,
    discord_settings: dict[str, str],
    place: Place,
    worker: RunningModule,
) -> None:
    del worker
    auto = {"PARLEY_AUTO_REPLY_CHANNELS": str(place.channel)}
    other = discord_server.add_user("another bot", bot=True)
    bots = await start_bots({**discord_settings, **auto})
    try:
        await discord_server.wait_until_connected()
        await discord_server.say(place.channel, other.id, "I am a bot too", bot=True)
        await discord_server.say(place.channel, place.bob, "no mention here")

        assert len(await wait_whole(discord_server, place.channel)) == 1
        assert len(bots.events("job_accepted")) == 1
    finally:
        await stop_bots(bots)


async def test_mentions_are_answered_without_the_message_content_intent(
    discord_server: FakeDiscord,
    place: Place,
    discord_settings: dict[str, str],
    worker: RunningModule,
) -> None:
    del worker
    discord_server.allow_message_content = False
    bots = await start_bots(discord_settings, "discord_without_message_content")
    try:
        await discord_server.wait_until_connected()
        await discord_server.say(place.channel, place.alice, "not for the bot")
        await discord_server.say(place.channel, place.alice, f"{mention(discord_server)} hello")

        assert len(await wait_whole(discord_server, place.channel)) == 1
    finally:
        await stop_bots(bots)


async def test_long_answers_are_cut_into_messages_within_the_limit(
    discord_server: FakeDiscord,
    place: Place,
    discord_settings: dict[str, str],
    worker_settings: dict[str, str],
    own_redis: str,
) -> None:
    alone = {"PARLEY_REDIS_URL": own_redis}
    wordy = {**worker_settings, **alone, "PARLEY_MAX_NEW_TOKENS": "2500"}
    with RunningModule("tests.paced_worker", settings=wordy) as talker:
        await asyncio.to_thread(talker.wait_for_event, "worker_ready")
        bots = await start_bots({**discord_settings, **alone})
        try:
            await discord_server.wait_until_connected()
            await discord_server.say(place.channel, place.alice, f"{mention(discord_server)} talk")

            parts = await wait_whole(discord_server, place.channel, timeout_s=120)

            assert len(parts) > 1
            assert all(len(part.content) <= 2000 for part in parts)
            assert len({part.nonce for part in parts}) == len(parts)
        finally:
            await stop_bots(bots)


async def test_refused_token_ends_in_a_sentence(discord_settings: dict[str, str]) -> None:
    wrong = {**discord_settings, "DISCORD_TOKEN": "wrong"}
    with RunningModule("bots", settings=wrong) as bots:
        await asyncio.to_thread(bots.process.wait, PATIENCE_S)
    assert bots.process.returncode == 77
    assert "DISCORD_TOKEN" in bots.output
    assert "Traceback" not in bots.output


async def test_message_is_answered_though_redis_was_away_when_it_came(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule, redis_url: str
) -> None:
    with frozen(redis_url):
        await discord_server.say(place.channel, place.alice, f"{mention(discord_server)} hello")
        await asyncio.to_thread(discord_bots.wait_for_event, "message_spooled")

    assert len(await wait_whole(discord_server, place.channel)) == 1


async def test_connection_cut_after_the_post_makes_no_second_message(
    discord_server: FakeDiscord, place: Place, discord_bots: RunningModule
) -> None:
    discord_server.drop_connection_after("POST", "/channels/{channel_id}/messages")

    await discord_server.say(place.channel, place.alice, f"{mention(discord_server)} hello")

    assert len(await wait_whole(discord_server, place.channel)) == 1
    assert discord_bots.process.poll() is None
