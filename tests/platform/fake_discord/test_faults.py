"""Rate limits of the fake Discord, and faults that it is asked for."""

import aiohttp
import discord
import pytest

from tests.fakes.discord_model import Channel
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import RateLimit
from tests.platform.fake_discord.clients import Api, Bot, find_text_channel

MESSAGES = "/channels/{channel_id}/messages"


async def test_a_429_is_waited_out(server: FakeDiscord, bot: Bot, channel: Channel) -> None:
    server.fail_next("POST", MESSAGES, status=429, retry_after_s=0.05)
    await find_text_channel(bot, channel).send("patient")
    assert [m.content for m in server.messages(channel)] == ["patient"]
    assert [r.method for r in server.requests if r.route == MESSAGES] == ["POST", "POST"]


async def test_a_bucket_runs_out_and_refills(
    api: Api, server: FakeDiscord, channel: Channel
) -> None:
    now_s = 0.0
    server.settings.clock = lambda: now_s
    server.settings.rate_limit = RateLimit(2, 5.0)
    statuses = [(await api.post(channel, content="x"))[0] for _ in range(3)]
    _, refused = await api.post(channel, content="x")
    now_s = 5.0
    again, _ = await api.post(channel, content="x")
    assert (statuses, refused["retry_after"], refused["global"]) == ([200, 200, 429], 5.0, False)
    assert again == 200


async def test_discord_py_keeps_to_the_headers_of_a_bucket(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    server.settings.rate_limit = RateLimit(2, 0.2)
    place = find_text_channel(bot, channel)
    for number in range(5):
        await place.send(str(number))
    assert len([r for r in server.requests if r.route == MESSAGES]) == 5


async def test_a_cloudflare_ban_is_raised_at_once(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    server.ban_by_cloudflare("POST", "/channels/*/messages")
    with pytest.raises(discord.HTTPException) as caught:
        await find_text_channel(bot, channel).send("x")
    assert (caught.value.status, server.messages(channel)) == (429, [])


async def test_a_post_whose_answer_is_lost_is_not_doubled_by_the_same_nonce(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    place = find_text_channel(bot, channel)
    server.drop_connection_after("POST", MESSAGES)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await place.send("once", nonce="job")
    await place.send("once", nonce="job")
    server.answer_502_after("POST", MESSAGES)
    await place.send("twice", nonce="job2")
    assert [m.content for m in server.messages(channel)] == ["once", "twice"]


async def test_a_request_dropped_before_is_recorded_and_not_handled(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    server.drop_connection_before("*", f"/channels/{channel.id}/*")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await find_text_channel(bot, channel).send("never")
    body = server.requests[-1].body
    assert isinstance(body, dict)
    assert (server.messages(channel), body["content"]) == ([], "never")
