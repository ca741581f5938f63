"""What the fake Discord refuses, with Discord's own codes."""

import aiohttp
import discord
import pytest

from tests.fakes.discord_errors import MISSING_PERMISSIONS
from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Json
from tests.platform.fake_discord.clients import Api, Bot, find_text_channel


async def test_more_than_2000_characters_are_refused_and_counted_in_code_points(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    place = find_text_channel(bot, channel)
    await place.send("🙂" * 2000)
    with pytest.raises(discord.HTTPException, match="2000 or fewer") as caught:
        await place.send("x" * 2001)
    assert (caught.value.status, caught.value.code) == (400, 50035)
    assert len(server.messages(channel)) == 1


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"content": " \n"}, 50006, None),
        ({"content": "x", "nonce": "x" * 26}, 50035, "nonce"),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 50035, "message_reference"),
        ({"content": "x", "message_reference": {"message_id": "z"}}, 50035, "message_reference"),
        ({"embeds": [{"description": "x" * 4097}]}, 50035, "embeds"),
        ({"embeds": [{"description": "x" * 3001}] * 2}, 50035, "embeds"),
        ({"content": "x", "flags": 1 << 15}, 50035, "content"),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            50035,
            "allowed_mentions",
        ),
    ],
)
async def test_a_post_that_discord_would_refuse_is_refused(
    api: Api, channel: Channel, body: Json, code: int, path: str | None
) -> None:
    status, answer = await api.post(channel, **body)
    assert (status, answer["code"]) == (400, code)
    assert next(iter(answer.get("errors", {})), None) == path


async def test_a_lost_reference_may_be_ignored_on_request(
    api: Api, server: FakeDiscord, channel: Channel
) -> None:
    reference = {"message_id": "1", "fail_if_not_exists": False}
    status, _ = await api.post(channel, content="x", message_reference=reference)
    assert (status, server.messages(channel)[0].reference) == (200, None)


async def test_wrong_token_unknown_things_and_closed_channels_get_discords_codes(
    api: Api, server: FakeDiscord, channel: Channel, ada: User
) -> None:
    message = await server.say(channel, ada, "hi")
    path = f"/channels/{channel.id}/messages/{message.id}"
    edited = await api.call("PATCH", path, {"content": "x"})
    no_channel = await api.call("GET", "/channels/1/messages")
    no_message = await api.call("GET", f"/channels/{channel.id}/messages/1")
    no_route = await api.call("GET", "/nowhere")
    server.deny_channel(channel)
    no_access = await api.call("GET", path)
    server.deny_channel(channel, MISSING_PERMISSIONS)
    can_read = await api.call("GET", path)
    no_permission = await api.post(channel, content="x")
    answers = [edited, no_channel, no_message, no_route, no_access, can_read, no_permission]
    assert [(status, body.get("code")) for status, body in answers] == [
        (403, 50005),
        (404, 10003),
        (404, 10008),
        (404, 0),
        (403, 50001),
        (200, None),
        (403, 50013),
    ]


@pytest.mark.usefixtures("connect")
async def test_a_wrong_token_is_refused_by_api_and_gateway(server: FakeDiscord) -> None:
    bot = Bot(discord.Intents.none(), 1)
    async with bot:
        with pytest.raises(discord.LoginFailure):
            await bot.start("wrong")
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive_json()
        await socket.send_json({"op": 2, "d": {"token": "wrong", "intents": 0}})
        closing = await socket.receive()
    assert closing.data == 4004
