"""Messages on the fake Discord: what is said, answered, edited and read."""

import asyncio

import discord

from tests.fakes.discord_model import Attachment, Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.patience import PATIENCE_S
from tests.platform.fake_discord.clients import Api, Bot, find_text_channel


async def test_bot_sees_a_mention_replies_with_nonce_and_reference_and_edits(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    asked = await server.say(channel, ada, f"<@{server.bot_user_id}> hello")
    seen = await bot.next_message(asked.content)
    reply = await seen.reply("thinking", nonce="JOB000000000000000000001")
    await reply.edit(content="hi ada")
    assert seen.author.id == ada.id
    assert [user.id for user in seen.mentions] == [server.bot_user_id]
    [stored] = server.replies(channel)
    assert (stored.content, stored.edits) == ("hi ada", ["thinking"])
    assert (stored.nonce, stored.reference) == ("JOB000000000000000000001", asked.id)
    own = await bot.next_message("thinking")
    assert own.reference is not None
    assert isinstance(own.reference.resolved, discord.Message)
    assert own.reference.resolved.id == asked.id
    edited = await asyncio.wait_for(bot.edited.get(), PATIENCE_S)
    assert edited.content == "hi ada"


async def test_bot_reads_history_typing_reactions_threads_files_and_direct_messages(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    told = [await server.say(channel, ada, f"line {number}") for number in range(5)]
    place = find_text_channel(bot, channel)
    after = [m.content async for m in place.history(after=discord.Object(told[1].id))]
    before = [m.content async for m in place.history(before=discord.Object(told[2].id))]
    around = [m.content async for m in place.history(around=discord.Object(told[2].id), limit=3)]
    assert (after, before) == (["line 2", "line 3", "line 4"], ["line 1", "line 0"])
    assert sorted(around) == ["line 1", "line 2", "line 3"]

    async with place.typing():
        pass
    message = await place.fetch_message(told[0].id)
    await message.add_reaction("👍")
    await server.react(told[0], ada, "👍")
    await message.remove_reaction("👍", discord.Object(server.bot_user_id))
    assert told[0].reactions == {"👍": [ada.id]}
    assert [call.channel_id for call in server.typing] == [channel.id]

    thread = await message.create_thread(name="talk")
    await thread.send("in here", file=discord.File(__file__, "self.py"))
    starter, posted = server.messages(thread.id)
    assert (starter.reference, posted.content) == (told[0].id, "in here")
    assert posted.attachments[0].filename == "self.py"

    await server.say(server.add_dm(ada), ada, "psst", attachments=[Attachment("a.txt", b"words")])
    whispered = await bot.next_message("psst")
    assert isinstance(whispered.channel, discord.DMChannel)
    assert await whispered.attachments[0].read() == b"words"


async def test_the_same_nonce_twice_gives_one_message(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    place = find_text_channel(bot, channel)
    first = await place.send("one", nonce="same")
    second = await place.send("two", nonce="same")
    other = await place.send("two", nonce="other")
    assert (first.id == second.id, first.id == other.id) == (True, False)
    assert [m.content for m in server.messages(channel)] == ["one", "two"]


async def test_a_nonce_is_forgotten_after_its_window(
    api: Api, server: FakeDiscord, channel: Channel
) -> None:
    now_s = 0.0
    server.settings.clock = lambda: now_s
    for at_s in (0.0, 180.0, 181.0):
        now_s = at_s
        await api.post(channel, content="hi", nonce="n", enforce_nonce=True)
    assert len(server.messages(channel)) == 2


async def test_a_nonce_whose_message_was_deleted_is_refused(
    api: Api, server: FakeDiscord, channel: Channel
) -> None:
    await api.post(channel, content="hi", nonce="n", enforce_nonce=True)
    await server.delete_message(server.messages(channel)[0])
    status, body = await api.post(channel, content="hi", nonce="n", enforce_nonce=True)
    assert (status, body["code"]) == (404, 10008)
