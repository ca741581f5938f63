"""The fake Discord's gateway: sessions that break, shards, heartbeats, compression."""

import asyncio
import json
import zlib
from math import isfinite

import aiohttp

from tests.fakes.discord_compression import ZstdStream
from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.patience import PATIENCE_S
from tests.platform.fake_discord.clients import Api, Bot, Connect


async def test_a_dropped_gateway_is_resumed_and_replays_what_was_said_meanwhile(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    await server.drop_gateways()
    await server.say(channel, ada, "said meanwhile")
    await bot.next_message("said meanwhile")
    await asyncio.wait_for(bot.resumed.get(), PATIENCE_S)
    assert (len(server.gateway.identified_at_s), server.gateway.num_resumes) == (1, 1)


async def test_a_reconnect_request_and_a_resumable_invalidation_lose_nothing(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    await server.request_reconnect()
    await server.say(channel, ada, "one")
    await bot.next_message("one")
    await server.invalidate_sessions(resumable=True)
    await server.say(channel, ada, "two")
    await bot.next_message("two")
    assert (len(server.gateway.identified_at_s), server.gateway.num_resumes) == (1, 2)


async def test_an_invalidated_session_is_identified_anew_and_misses_what_was_said(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    await server.invalidate_sessions()
    await server.say(channel, ada, "missed")
    await server.wait_until_connected()
    await server.say(channel, ada, "heard")
    assert (await asyncio.wait_for(bot.seen.get(), PATIENCE_S)).content == "heard"
    assert len(server.gateway.identified_at_s) == 2


async def test_each_shard_hears_its_own_guilds_and_the_first_hears_direct_messages(
    server: FakeDiscord, ada: User, connect: Connect
) -> None:
    server.settings.shards = 2
    channels = [server.add_channel(server.add_guild(guild_id=n << 22)) for n in (1, 2)]
    async with connect() as bot:
        for place in (*channels, server.add_dm(ada)):
            await server.say(place, ada, "hi")
        heard = [await bot.next_message("hi") for _ in range(3)]
        sent = {
            session.shard_id: [name for name, _ in session.events].count("MESSAGE_CREATE")
            for session in server.gateway.sessions.values()
        }
    assert [m.guild.shard_id if m.guild else None for m in heard] == [1, 0, None]
    assert (bot.shard_count, sent) == (2, {0: 2, 1: 1})


async def test_heartbeats_are_acknowledged_and_a_silent_client_is_closed(
    server: FakeDiscord, connect: Connect
) -> None:
    server.settings.heartbeat_interval_s = 0.05
    async with connect() as bot:
        await server.wait_for(
            lambda: (
                sum(f["op"] == 1 for f in server.gateway.received) > 3 and isfinite(bot.latency)
            ),
            PATIENCE_S,
        )
        assert bot.latency < PATIENCE_S
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.gateway_url) as silent,
    ):
        async for _ in silent:
            pass
    assert silent.close_code == 4009


async def test_a_revoked_token_is_refused_everywhere(server: FakeDiscord, api: Api) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.gateway_url) as socket,
    ):
        await socket.send_json({"op": 2, "d": {"token": server.token, "intents": 0}})
        await server.wait_until_connected()
        await server.revoke_token()
        async for _ in socket:
            pass
    status, _ = await api.call("GET", "/users/@me")
    assert (status, socket.close_code) == (401, 4004)


async def test_identifying_too_often_resets_the_token(server: FakeDiscord, api: Api) -> None:
    server.settings.identify_limit = 1
    identify = {"op": 2, "d": {"token": server.token, "intents": 0}}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.gateway_url) as first,
        session.ws_connect(server.gateway_url) as second,
    ):
        await first.send_json(identify)
        await server.wait_until_connected()
        _, before = await api.call("GET", "/gateway/bot")
        await second.send_json(identify)
        for socket in (first, second):
            async for _ in socket:
                pass
    status, _ = await api.call("GET", "/users/@me")
    assert (before["session_start_limit"]["remaining"], status) == (0, 401)
    assert (first.close_code, second.close_code) == (4004, 4004)


async def test_zlib_and_zstd_streams_carry_the_same_frames() -> None:
    texts = ["first", "x" * 300_000, "ü"]
    stream = ZstdStream()
    packed = [stream.pack(text) for text in texts]
    assert packed[0][:4] == b"\x28\xb5\x2f\xfd"
    # 4 magic, 2 header, 3 block header; then 300,000 in 3 blocks of at most 131,072
    assert [len(p) for p in packed] == [6 + 3 + 5, 3 * 3 + 300_000, 3 + 2]


async def test_compression_is_as_the_client_asks(server: FakeDiscord) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{server.gateway_url}?compress=zlib-stream") as socket:
            packed = await socket.receive_bytes()
        async with session.ws_connect(f"{server.gateway_url}?v=10&encoding=json") as socket:
            plain = await socket.receive_json()
    assert packed.endswith(b"\x00\x00\xff\xff")
    assert json.loads(zlib.decompressobj().decompress(packed)) == plain
