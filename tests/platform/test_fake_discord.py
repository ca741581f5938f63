"""The fake Discord, seen by an unmodified discord.py over sockets and by a plain HTTP client."""

import asyncio
import json
import sys
import warnings
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import aiohttp
import pytest
import yarl

from tests.fakes.discord_compression import ZstdStream
from tests.fakes.discord_errors import MISSING_PERMISSIONS
from tests.fakes.discord_model import Attachment, Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Json, RateLimit, Settings

with warnings.catch_warnings():
    # discord.py's voice support imports audioop, which Python 3.13 removes.
    warnings.simplefilter("ignore", DeprecationWarning)
    import discord
    from discord import app_commands

MESSAGES = "/channels/{channel_id}/messages"
WAIT_S = 5.0


class Bot(discord.AutoShardedClient):
    """Collects what discord.py tells it."""

    def __init__(self, intents: discord.Intents, shard_count: int | None) -> None:
        super().__init__(intents=intents, shard_count=shard_count, guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.seen: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.edited: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.resumed: asyncio.Queue[int] = asyncio.Queue()
        self.interactions: asyncio.Queue[discord.Interaction] = asyncio.Queue()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not sleep five seconds between identifications."""

    async def on_message(self, message: discord.Message) -> None:
        await self.seen.put(message)

    async def on_message_edit(self, _before: discord.Message, after: discord.Message) -> None:
        await self.edited.put(after)

    async def on_shard_resumed(self, shard_id: int) -> None:
        await self.resumed.put(shard_id)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self.interactions.put(interaction)

    async def next_message(self, content: str) -> discord.Message:
        """Return the next message that reads so."""
        async with asyncio.timeout(WAIT_S):
            while (message := await self.seen.get()).content != content:
                pass
            return message


@pytest.fixture
async def server() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(settings=Settings(rate_limit=None)) as fake:
        yield fake


@pytest.fixture
def ada(server: FakeDiscord) -> User:
    return server.add_user("ada")


@pytest.fixture
def channel(server: FakeDiscord, ada: User) -> Channel:
    return server.add_channel(server.add_guild(members=[ada]))


@asynccontextmanager
async def connected(
    server: FakeDiscord, intents: discord.Intents | None = None, shard_count: int | None = None
) -> AsyncIterator[Bot]:
    """Run a bot until the block ends."""
    default = discord.Intents(guilds=True, messages=True, message_content=True)
    bot = Bot(intents or default, shard_count)
    async with bot:
        running = asyncio.create_task(bot.start(server.token))
        ready = asyncio.create_task(bot.wait_until_ready())
        await asyncio.wait({running, ready}, return_when="FIRST_COMPLETED", timeout=WAIT_S)
        if running.done():
            ready.cancel()
            running.result()
        await ready
        yield bot
    await running


Connect = Callable[..., AbstractAsyncContextManager[Bot]]


@pytest.fixture
def connect(server: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Point discord.py at the fake, as a bot's settings do; the result runs a bot."""
    monkeypatch.setattr(discord.http.Route, "BASE", server.api_url)
    gateway = discord.gateway.DiscordWebSocket
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", yarl.URL(server.gateway_url))
    return partial(connected, server)


@pytest.fixture
async def bot(connect: Connect, channel: Channel) -> AsyncIterator[Bot]:
    async with connect() as running:
        assert running.get_channel(channel.id) is not None
        yield running


def find_text_channel(bot: Bot, channel: Channel) -> discord.TextChannel:
    found = bot.get_channel(channel.id)
    assert isinstance(found, discord.TextChannel)
    return found


class Api:
    """A plain client of the HTTP API."""

    def __init__(self, server: FakeDiscord, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        headers = {"Authorization": f"Bot {self._server.token}"}
        url = self._server.api_url + path
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, json.loads(await response.read() or b"null")

    async def post(self, channel: Channel, **body: object) -> tuple[int, Json]:
        return await self.call("POST", f"/channels/{channel.id}/messages", body)


@pytest.fixture
async def api(server: FakeDiscord) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(server, session)


# ---------------------------------------------------------------------- talking


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
    edited = await asyncio.wait_for(bot.edited.get(), WAIT_S)
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


# ---------------------------------------------------------------------- refusals


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


# ---------------------------------------------------------------------- mentions


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


# ---------------------------------------------------------------------- gateway


async def test_a_dropped_gateway_is_resumed_and_replays_what_was_said_meanwhile(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    await server.drop_gateways()
    await server.say(channel, ada, "said meanwhile")
    await bot.next_message("said meanwhile")
    await asyncio.wait_for(bot.resumed.get(), WAIT_S)
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
    assert (await asyncio.wait_for(bot.seen.get(), WAIT_S)).content == "heard"
    assert len(server.gateway.identified_at_s) == 2


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
        heard = [await asyncio.wait_for(bot.seen.get(), WAIT_S) for _ in range(6)]
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
            lambda: sum(f["op"] == 1 for f in server.gateway.received) > 3, WAIT_S
        )
        assert bot.latency < WAIT_S
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


async def test_members_are_sent_when_asked_for(
    server: FakeDiscord, ada: User, connect: Connect
) -> None:
    server.add_guild(members=[ada])
    intents = discord.Intents(guilds=True, members=True)
    async with connect(intents) as bot:
        [guild] = bot.guilds
        assert {member.id for member in guild.members} == set(server.world.guilds[guild.id].members)
        assert [m.id for m in await guild.query_members("ada")] == [ada.id]


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


# ---------------------------------------------------------------------- limits and faults


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


# ---------------------------------------------------------------------- interactions


async def test_commands_menus_and_buttons_reach_the_bot_and_are_answered(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    @bot.tree.command(name="ask", description="Ask.")
    async def ask(interaction: discord.Interaction, question: str) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"@everyone {question}?")
        await interaction.followup.send("more")

    @bot.tree.context_menu(name="Explain")
    async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
        view = discord.ui.View()
        view.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
        await interaction.response.send_message(f"about {message.content}", view=view)

    synced = await bot.tree.sync()
    assert {command.name for command in synced} == {"ask", "Explain"}
    asked = await server.call_command(channel, ada, "ask", {"question": "why"})
    replies = await server.wait_for_replies(channel, count=2)
    assert [m.content for m in replies] == ["@everyone why?", "more"]
    assert (replies[0].id, replies[0].live_mentions) == (asked.message_ids[0], [])

    said = await server.say(channel, ada, "tides")
    await server.call_message_menu(said, ada, "Explain")
    [about] = await server.wait_for_replies(channel, contains="about tides")
    pressed = await server.press_button(about, ada, "stop")
    while (interaction := await bot.interactions.get()).id != pressed.id:
        pass
    await interaction.response.edit_message(content="stopped", view=None)
    assert (about.content, about.components) == ("stopped", [])


async def test_an_interaction_answered_late_twice_or_after_its_token_is_refused(
    api: Api, server: FakeDiscord, channel: Channel, ada: User
) -> None:
    now_s = 0.0
    server.settings.clock = lambda: now_s
    message = (await api.post(channel, content="x", components=[{"type": 2, "custom_id": "b"}]))[1]
    late = await server.press_button(int(message["id"]), ada, "b")
    now_s = 3.1
    answers = [
        await api.call("POST", f"/interactions/{late.id}/{late.token}/callback", {"type": 6})
    ]
    pressed = await server.press_button(int(message["id"]), ada, "b")
    callback = f"/interactions/{pressed.id}/{pressed.token}/callback"
    webhook = f"/webhooks/{server.application_id}/{pressed.token}"
    answers.append(await api.call("POST", webhook, {"content": "too early"}))
    answers += [await api.call("POST", callback, {"type": 6}) for _ in range(2)]
    answers.append(await api.call("POST", f"{webhook}?wait=1", {"content": "in time"}))
    now_s += 901.0
    answers.append(await api.call("POST", webhook, {"content": "too late"}))
    codes = [(status, (body or {}).get("code")) for status, body in answers]
    assert codes == [
        (404, 10062),
        (404, 10015),
        (204, None),
        (400, 40060),
        (200, None),
        (401, 50027),
    ]


async def test_an_unregistered_command_cannot_be_called(
    server: FakeDiscord, channel: Channel, ada: User
) -> None:
    with pytest.raises(LookupError, match="ask"):
        await server.call_command(channel, ada, "ask")


# ---------------------------------------------------------------------- another process


async def test_the_fake_runs_as_its_own_process_and_is_driven_over_http() -> None:
    command = [sys.executable, "-m", "tests.fakes.discord_server", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        ready: dict[str, str] = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        async with aiohttp.ClientSession() as session:

            async def control(action: str, **arguments: object) -> Json:
                url = f"{ready['control_url']}/{action}"
                async with session.post(url, json=arguments) as response:
                    assert response.status == 200, await response.text()
                    found: Json = await response.json()
                    return found

            user = await control("add_user", name="ada")
            guild = await control("add_guild")
            place = await control("add_channel", guild_id=guild["id"])
            said = await control("say", channel_id=place["id"], user_id=user["id"], content="hi")
            headers = {"Authorization": f"Bot {ready['token']}"}
            url = f"{ready['api_url']}/channels/{place['id']}/messages/{said['id']}"
            async with session.get(url, headers=headers) as response:
                assert (await response.json())["content"] == "hi"
                assert response.headers["Content-Type"] == "application/json"
                assert response.headers["X-RateLimit-Remaining"] == "4"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
