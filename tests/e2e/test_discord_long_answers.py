"""An answer that is too long for Discord goes on in a file, which hangs at its last message."""

import asyncio

from bots.render.discord import render_for_discord
from bots.render.notices import FILE_NOTE
from shared.jobs import Origin, Platform
from tests.chaos.way_out import scribe_at
from tests.e2e.conftest import start_bots, stop_bots
from tests.fakes.discord_server import FakeDiscord

LONG = "\n\n".join(f"Paragraph {number}: " + "some words " * 30 for number in range(40))


async def test_a_long_answer_goes_on_in_a_file_on_discord(
    discord_server: FakeDiscord, discord_settings: dict[str, str], own_redis: str
) -> None:
    alice = discord_server.add_user("alice")
    guild = discord_server.add_guild("team", members=[alice])
    channel = discord_server.add_channel(guild, "general").id
    settings = {**discord_settings, "PARLEY_REDIS_URL": own_redis, "PARLEY_MAX_PARTS": "2"}
    bots = await start_bots(settings)
    try:
        await discord_server.wait_until_connected()
        # Said to nobody: the ledger has it from the scribe, and the worker is the scribe.
        said = await discord_server.say(channel, alice.id, "a question")
        message, place = str(said.id), str(channel)
        with scribe_at(own_redis) as scribe:
            origin = Origin(Platform.DISCORD, str(guild.id), place, message, message, str(alice.id))
            job = await asyncio.to_thread(scribe.accept, origin)
            await asyncio.to_thread(scribe.begin, job)
            await asyncio.to_thread(scribe.end, job, LONG)
            await asyncio.to_thread(scribe.wait_state, job, "delivered")
    finally:
        await stop_bots(bots)

    *parts, last = discord_server.replies(channel)
    assert [part.content for part in parts] == render_for_discord(LONG)[:2]
    assert last.content == FILE_NOTE
    (file,) = last.attachments
    assert (file.filename, file.content) == ("answer.md", LONG.encode())
