"""What the fake Discord's gateway tells a bot by its intents."""

import asyncio

import discord
import pytest

from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.patience import PATIENCE_S
from tests.platform.fake_discord.clients import Api, Connect, find_text_channel


async def test_a_session_without_the_content_intent_gets_blank_content_but_for_the_exceptions(
    server: FakeDiscord, channel: Channel, ada: User, connect: Connect
) -> None:
    server.allow_message_content = False
    me = f"<@{server.bot_user_id}>"
    async with connect(discord.Intents(guilds=True, messages=True)) as bot:
        secret = await server.say(channel, ada, "secret")
        await server.say(channel, ada, f"{me} open", reply_to=secret)
        await server.say(server.add_dm(ada), ada, "direct")
        own = await find_text_channel(bot, channel).send("own")
        await server.say(channel, ada, "pinged reply", reply_to=own.id)
        await server.say(channel, ada, "quiet reply", reply_to=own.id, mentions=[])
        heard = [await asyncio.wait_for(bot.seen.get(), PATIENCE_S) for _ in range(6)]
        fetched = await find_text_channel(bot, channel).fetch_message(secret.id)
    texts = [message.content for message in heard]
    assert texts == ["", f"{me} open", "direct", "own", "pinged reply", ""]
    assert heard[1].reference is not None
    assert isinstance(heard[1].reference.resolved, discord.Message)
    assert (heard[1].reference.resolved.content, fetched.content) == ("", "")


async def test_a_privileged_intent_that_is_switched_off_ends_the_connection(
    server: FakeDiscord, connect: Connect
) -> None:
    server.allow_message_content = False
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connect():
            pass


async def test_application_flags_show_the_message_content_switch(
    api: Api, server: FakeDiscord
) -> None:
    flags = []
    for path in ("/applications/@me", "/oauth2/applications/@me"):
        for is_allowed in (True, False):
            server.allow_message_content = is_allowed
            _, body = await api.call("GET", path)
            given = discord.ApplicationFlags._from_value(body["flags"])
            flags.append(given.gateway_message_content_limited)
    assert flags == [True, False, True, False]


async def test_members_are_sent_when_asked_for(
    server: FakeDiscord, ada: User, connect: Connect
) -> None:
    server.add_guild(members=[ada])
    intents = discord.Intents(guilds=True, members=True)
    async with connect(intents) as bot:
        [guild] = bot.guilds
        assert {member.id for member in guild.members} == set(server.world.guilds[guild.id].members)
        assert [m.id for m in await guild.query_members("ada")] == [ada.id]
