"""Whom a message on the fake Discord would have called."""

import discord
import pytest

from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Json
from tests.platform.fake_discord.clients import Api, Bot, find_text_channel


async def test_everyone_in_an_edit_is_live_unless_mentions_are_allowed_explicitly(
    server: FakeDiscord, bot: Bot, channel: Channel
) -> None:
    place = find_text_channel(bot, channel)
    none = discord.AllowedMentions.none()
    for text in ("careless", "careful"):
        await place.send(text, allowed_mentions=none)
    careless, careful = [m async for m in place.history(oldest_first=True)]
    await careless.edit(content="@everyone look")
    await careful.edit(content="@everyone <@&5> <@5>", allowed_mentions=none)
    await careless.edit(content="calm again", allowed_mentions=none)
    stored = server.messages(channel)
    assert [m.live_mentions for m in stored] == [["@everyone"], []]


@pytest.mark.parametrize(
    ("allowed", "live"),
    [
        ({}, ["@here", "<@7>", "<@&8>"]),
        ({"allowed_mentions": {"parse": []}}, []),
        ({"allowed_mentions": {"parse": ["roles"], "users": ["7"]}}, ["<@7>", "<@&8>"]),
        ({"allowed_mentions": {"parse": ["everyone"]}}, ["@here"]),
    ],
)
async def test_a_post_pings_what_it_allows(
    api: Api, server: FakeDiscord, channel: Channel, allowed: Json, live: list[str]
) -> None:
    await api.post(channel, content="@here <@!7> <@&8> @\u200beveryone", **allowed)
    assert server.messages(channel)[0].live_mentions == live


@pytest.mark.parametrize(
    ("allowed", "is_pinged"),
    [
        ({}, True),
        ({"allowed_mentions": {"parse": ["users"]}}, False),
        ({"allowed_mentions": {"parse": [], "replied_user": True}}, True),
    ],
)
async def test_replied_user_governs_the_ping_of_a_reply(
    api: Api, server: FakeDiscord, channel: Channel, ada: User, allowed: Json, *, is_pinged: bool
) -> None:
    asked = await server.say(channel, ada, "hi")
    await api.post(channel, content="x", message_reference={"message_id": str(asked.id)}, **allowed)
    assert server.replies(channel)[0].live_mentions == ([f"<@{ada.id}>"] if is_pinged else [])
