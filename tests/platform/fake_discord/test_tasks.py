"""The fake Discord where tasks need it: members, pins, closed doors, files of commands, options."""

import asyncio

import aiohttp
import discord
import pytest
from discord import app_commands

from tests.fakes.discord_model import Attachment, Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.patience import PATIENCE_S
from tests.platform.fake_discord.clients import Api, Bot, find_text_channel

READ_MESSAGE_HISTORY = 1 << 16


async def test_what_is_taken_from_a_member_is_in_what_discord_py_reckons(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    place = find_text_channel(bot, channel)
    before = place.permissions_for(await place.guild.fetch_member(ada.id))
    server.deny_member(channel, ada, READ_MESSAGE_HISTORY)
    await server.gateway.flush()

    async with asyncio.timeout(PATIENCE_S):
        while find_text_channel(bot, channel).overwrites == {}:  # noqa: ASYNC110 - its cache tells nobody
            await asyncio.sleep(0.01)

    place = find_text_channel(bot, channel)
    after = place.permissions_for(await place.guild.fetch_member(ada.id))
    assert before.read_message_history
    assert not after.read_message_history
    assert after.view_channel
    assert place.permissions_for(place.guild.me).read_message_history


async def test_a_stranger_is_no_member(server: FakeDiscord, bot: Bot, channel: Channel) -> None:
    stranger = server.add_user("stranger")

    with pytest.raises(discord.NotFound) as caught:
        await find_text_channel(bot, channel).guild.fetch_member(stranger.id)
    assert caught.value.code == 10007


async def test_pins_are_listed_the_latest_first_until_they_are_taken_down_or_deleted(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    one, two, three = [await server.say(channel, ada, text) for text in ("one", "two", "three")]
    for message in (one, two, three):
        await server.pin(message)
    place = find_text_channel(bot, channel)
    assert [m.content async for m in place.pins()] == ["three", "two", "one"]

    await server.unpin(two)
    await server.delete_message(three)

    assert [(m.content, m.pinned) async for m in place.pins()] == [("one", True)]


async def test_who_takes_no_direct_messages_gets_none(
    server: FakeDiscord, api: Api, ada: User
) -> None:
    direct = server.add_dm(ada)
    server.close_direct_messages(ada)

    status, body = await api.post(direct, content="hello")

    assert (status, body["code"]) == (403, 50007)
    assert server.messages(direct) == []


async def test_the_file_of_a_command_is_where_it_says_and_may_be_described(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    @app_commands.command(name="keep", description="Keep a file")
    async def keep(interaction: discord.Interaction, file: discord.Attachment) -> None:
        content = await file.to_file(description="What it shows")
        await interaction.response.send_message(file.filename, file=content)

    bot.tree.add_command(keep)
    await bot.tree.sync()
    given = Attachment("a.txt", b"what it says", "text/plain")
    called = await server.call_command(channel, ada, "keep", {"file": given})
    await server.wait_for(lambda: called.message_ids)

    (answer,) = server.replies(channel)
    (kept,) = answer.attachments
    assert (kept.filename, kept.content, kept.description) == (
        "a.txt",
        b"what it says",
        "What it shows",
    )


async def test_what_is_typed_into_an_option_is_answered_with_choices(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    @app_commands.command(name="pick", description="Pick a colour")
    async def pick(interaction: discord.Interaction, colour: str) -> None:
        await interaction.response.send_message(colour)

    @pick.autocomplete("colour")
    async def suggest(
        _interaction: discord.Interaction, typed: str
    ) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}een", value="green")]

    bot.tree.add_command(pick)
    await bot.tree.sync()

    typed = await server.type_option(channel, ada, "pick", "colour", "gr")

    response = await server.wait_for(lambda: typed.response)
    assert response is not None
    assert response["data"]["choices"] == [{"name": "green", "value": "green"}]


async def test_a_thread_at_a_message_has_its_id_and_cannot_be_made_twice(
    server: FakeDiscord, api: Api, channel: Channel, ada: User
) -> None:
    said = await server.say(channel, ada, "bonjour")
    path = f"/channels/{channel.id}/messages/{said.id}/threads"

    _, first = await api.call("POST", path, {"name": "Translation"})
    status, second = await api.call("POST", path, {"name": "Translation"})

    assert first["id"] == str(said.id)
    assert (status, second["code"]) == (400, 160004)


async def test_an_unknown_file_is_not_there(server: FakeDiscord, channel: Channel) -> None:
    url = f"{server.world.attachments_url}/{channel.id}/1/a.txt"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 404
