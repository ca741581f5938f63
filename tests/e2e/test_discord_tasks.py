"""The tasks on Discord, from a command, a menu, a reaction or an upload to what people see.

One bots process and one worker for all tests; each test has a server of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_model import Attachment, Channel, Interaction, Message, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.patience import PATIENCE_S
from tests.redis_servers import frozen
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ_MESSAGE_HISTORY = 1 << 16
EPHEMERAL, SUPPRESS_EMBEDS, DEFERRED = 64, 4, 5
FLAG = "🇫🇷"
CODE = "zebra-4711"
HANDBOOK = f"# The north tower\n\n## Vault\n\nThe vault of the tower opens with {CODE}.\n"
QUESTION = "With which code does the vault of the tower open?"
TEAM = 7_000_000_000_000_000_000
RATED, TRANSLATED, PINNED, PINNED_BEFORE = (TEAM + number for number in (1, 2, 3, 4))
"""Channels that the settings name."""
Option = str | float | bool | Attachment


@dataclass(frozen=True, slots=True)
class Town:
    """A server with two channels and two people."""

    discord: FakeDiscord
    here: Channel
    there: Channel
    alice: User
    bob: User

    async def call(self, name: str, where: Channel | None = None, **given: Option) -> Interaction:
        """Let Alice use a command."""
        return await self.discord.call_command(where or self.here, self.alice, name, dict(given))

    async def answer(self, interaction: Interaction, contains: str = "") -> Message:
        """The first answer to a command, once it reads so and nobody is thinking any more."""

        def whole() -> Message | None:
            for number in interaction.message_ids:
                message = self.discord.world.all_messages[number]
                if not message.is_loading and message.content and contains in message.content:
                    return message
            return None

        found = await self.discord.wait_for(whole)
        assert found is not None
        return found

    async def sees(self, channel: Channel, condition: Callable[[list[Message]], bool]) -> None:
        """Wait for the bot's messages in a channel to be so."""
        await self.discord.wait_for(lambda: condition(self.discord.replies(channel)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def discord(
    redis_server: str, worker: RunningModule, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FakeDiscord]:
    """A Discord with a bots process that has said that its commands are known."""
    del worker
    settings = Settings(rate_limit=None, global_rate_limit=None)
    async with FakeDiscord(settings=settings) as server:
        guild = server.add_guild("known", guild_id=TEAM)
        for number in (RATED, TRANSLATED, PINNED, PINNED_BEFORE):
            server.add_channel(guild, "known", channel_id=number)
        carol = server.add_user("carol")
        old = f"The vault of the tower opens with {CODE}."
        await server.pin(await server.say(PINNED_BEFORE, carol, old))
        data = tmp_path_factory.mktemp("data")
        bots = await start_bots(bots_settings(server, redis_server, data), "commands_synced")
        await server.wait_until_connected()
        yield server
        await stop_bots(bots)


def bots_settings(server: FakeDiscord, redis_url: str, data: Path) -> dict[str, str]:
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_DATA_DIR": str(data),
        "PARLEY_DISCORD_API_URL": server.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": server.gateway_url,
        "PARLEY_SENTIMENT_CHANNELS": str(RATED),
        "PARLEY_TRANSLATE_CHANNELS": f"{TRANSLATED}=fr",
        "PARLEY_LEARN_PINS_CHANNELS": f"{PINNED},{PINNED_BEFORE}",
        "PARLEY_MAX_UPLOAD_MB": "0.001",
        "PARLEY_DISCORD_USER_INSTALLS": "1",
        "DISCORD_TOKEN": server.token,
    }


@pytest.fixture
def town(discord: FakeDiscord) -> Town:
    alice, bob = discord.add_user("alice"), discord.add_user("bob")
    guild = discord.add_guild("team", members=[alice, bob])
    here, there = discord.add_channel(guild, "here"), discord.add_channel(guild, "there")
    return Town(discord, here, there, alice, bob)


def place(town: Town, number: int) -> Channel:
    """A channel that the settings name."""
    return town.discord.world.channels[number]


def file(content: str, name: str = "tower.md") -> Attachment:
    return Attachment(name, content.encode(), "text/markdown")


def is_deferred(interaction: Interaction, *, private: bool) -> bool:
    """Whether Discord was told to show that we are thinking, to one person or to all."""
    response = interaction.response or {}
    flags = (response.get("data") or {}).get("flags", 0)
    return response.get("type") == DEFERRED and (flags == EPHEMERAL) is private


async def test_commands_are_known_in_servers_and_in_direct_messages_with_us(
    discord: FakeDiscord,
) -> None:
    commands = discord.world.commands[None]

    by_kind = {kind: {c["name"] for c in commands if c["type"] == kind} for kind in (1, 3)}
    tasks = "ask summarize translate write complete sentiment learn"
    automation_handlers = "opt-out opt-in new stop quota settings forget-me help"
    assert by_kind[1] == {*tasks.split(), *automation_handlers.split()}
    menus = {"Translate", "Summarize from here", "Draft a reply", "Sentiment", "Ask about this"}
    assert by_kind[3] == menus
    assert {c["name"] for c in commands if c["contexts"] == [0]} == {"settings"}
    taken_along = {c["name"] for c in commands if c["integration_types"] == [0, 1]}
    assert taken_along == {
        *("ask", "translate", "write", "complete", "stop", "quota", "forget-me", "help"),
        *("Translate", "Draft a reply", "Ask about this"),
    }
    assert all((1 in c["integration_types"]) is (2 in c["contexts"]) for c in commands)


@pytest.mark.parametrize("locale", ["de", "fr", "es-ES", "es-419"])
async def test_every_name_and_description_is_there_in_other_languages(
    discord: FakeDiscord, locale: str
) -> None:
    commands = discord.world.commands[None]
    options = [option for command in commands for option in command.get("options", [])]
    choices = [choice for option in options for choice in option.get("choices", [])]

    missing = [
        thing[field]
        for thing in (*commands, *options, *choices)
        for field in ("name", "description")
        if thing.get(field) and locale not in (thing.get(f"{field}_localizations") or {})
    ]

    assert missing == []


async def test_languages_are_suggested_while_their_name_is_typed(town: Town) -> None:
    typed = await town.discord.type_option(town.here, town.alice, "translate", "language", "fre")

    response = await town.discord.wait_for(lambda: typed.response)
    assert response is not None
    assert {"name": "French", "value": "fr"} in response["data"]["choices"]


async def test_help_and_what_is_wrong_are_said_at_once_and_to_the_asker_alone(town: Town) -> None:
    helped = await town.call("help")
    wrong = await town.call("translate", language="klingonese", text="Good morning")

    assert "/summarize" in (await town.answer(helped)).content
    told = await town.answer(wrong, "klingonese")
    assert told.ephemeral_to == town.alice.id


async def test_a_translation_is_seen_by_the_asker_alone(town: Town) -> None:
    text = f"Good morning <@{town.bob.id}>, where is the tower? @everyone"
    asked = await town.call("translate", language="fr", text=text)

    answer = await town.answer(asked)

    assert answer.live_mentions == []
    assert answer.flags & SUPPRESS_EMBEDS

    assert is_deferred(asked, private=True)
    assert answer.ephemeral_to == town.alice.id
    assert all(message.is_ephemeral for message in town.discord.replies(town.here))


async def test_a_draft_is_for_who_asks_and_what_is_completed_for_all_unless_asked_otherwise(
    town: Town,
) -> None:
    draft = await town.call("write", form="email", about="the party on Friday", length="short")
    completed = await town.call("complete", text="Once upon a time", max_tokens=20, seed=7)
    shown = await town.call("write", form="ad", about="a lamp", private=False)

    assert (await town.answer(draft)).ephemeral_to == town.alice.id
    assert not (await town.answer(completed)).is_ephemeral
    assert not (await town.answer(shown)).is_ephemeral
    assert is_deferred(draft, private=True)


async def test_a_summary_links_to_messages_and_leaves_out_who_opted_out(town: Town) -> None:
    await town.discord.say(town.here, town.alice, "We moved the launch of the rocket to Friday.")
    opting = await town.discord.call_command(town.here, town.bob, "opt-out")
    await town.answer(opting)
    await town.discord.say(town.here, town.bob, "My secret hobby is knitting purple hats.")

    asked = await town.call("summarize", hours=2)

    answer = await town.answer(asked, "/channels/")
    assert answer.ephemeral_to == town.alice.id
    assert "knitting" not in answer.content
    assert f"/{town.here.id}/" in answer.content


async def test_who_may_not_read_a_channel_gets_no_summary_of_it(town: Town) -> None:
    await town.discord.say(town.here, town.bob, f"The code is {CODE}.")
    town.discord.deny_member(town.here, town.alice, READ_MESSAGE_HISTORY)

    answer = await town.answer(await town.call("summarize", hours=2), "not in this channel")

    assert CODE not in answer.content


async def test_an_upload_is_learned_for_its_channel_and_cited_nowhere_else(
    town: Town, redis_server: str
) -> None:
    mention = f"<@{town.discord.bot_user_id}> learn this"
    said = await town.discord.say(town.here, town.bob, mention, attachments=[file(HANDBOOK)])
    await town.sees(town.here, lambda seen: any("tower.md" in m.content for m in seen))

    cited = await town.answer(await town.call("ask", question=QUESTION), "[1]")
    elsewhere = await town.answer(await town.call("ask", town.there, question=QUESTION))

    assert CODE in cited.content
    assert not cited.is_ephemeral
    assert CODE not in elsewhere.content
    assert "tower.md" not in elsewhere.content

    await town.discord.delete_message(said)
    await until(lambda: not is_learned(redis_server, said))
    assert CODE not in (await town.answer(await town.call("ask", question=QUESTION))).content


async def test_a_thread_reads_its_channels_documents_and_keeps_its_own(town: Town) -> None:
    thread = town.discord.add_thread(town.here, "the tower")
    own = file("# The cellar\n\nThe cellar of the tower opens with walrus-12.\n", "cellar.md")
    asked = "With which code does the cellar of the tower open?"
    await town.answer(await town.call("learn", file=file(HANDBOOK)), "tower.md")
    await town.answer(await town.call("learn", thread, file=own), "cellar.md")

    above = await town.answer(await town.call("ask", thread, question=QUESTION), "[1]")
    within = await town.answer(await town.call("ask", thread, question=asked), "[1]")
    below = await town.answer(await town.call("ask", question=asked))

    assert CODE in above.content
    assert "walrus-12" in within.content
    assert "walrus" not in below.content
    assert "cellar.md" not in below.content


async def test_a_file_is_learned_by_command_and_one_that_is_too_large_is_not(town: Town) -> None:
    learned = await town.call("learn", file=file(HANDBOOK))
    refused = await town.call("learn", file=file("word " * 1_000, "book.md"))

    assert "tower.md" in (await town.answer(learned)).content
    assert "at most 0.001 MB" in (await town.answer(refused, "book.md")).content


async def test_files_of_the_message_that_is_replied_to_are_learned_one_by_one(town: Town) -> None:
    files = [file(HANDBOOK, "one.md"), file("# Two\n\nA second text.\n", "two.md")]
    said = await town.discord.say(town.here, town.bob, "our papers", attachments=files)

    mention = f"<@{town.discord.bot_user_id}> learn this"
    await town.discord.say(town.here, town.alice, mention, reply_to=said)

    await town.sees(
        town.here,
        lambda seen: all(any(name in m.content for m in seen) for name in ("one.md", "two.md")),
    )
    assert {message.reference for message in town.discord.replies(town.here)} == {said.id}


async def test_menus_of_a_message_answer_its_reader_alone(town: Town) -> None:
    said = await town.discord.say(town.here, town.bob, "Shall we move the launch to Friday?")
    names = ("Translate", "Draft a reply", "Summarize from here", "Sentiment")

    for name in names:
        called = await town.discord.call_message_menu(said, town.alice, name, locale="fr")
        answer = await town.answer(called)
        assert answer.ephemeral_to == town.alice.id, name
        assert is_deferred(called, private=True), name


async def test_a_question_about_a_message_is_asked_in_a_form(town: Town) -> None:
    said = await town.discord.say(town.here, town.bob, "Shall we move the launch to Friday?")
    called = await town.discord.call_message_menu(said, town.alice, "Ask about this", locale="fr")
    form = await town.discord.wait_for(lambda: called.response)
    assert form is not None
    assert form["data"]["title"] == "Poser une question"

    asked = await town.discord.submit_modal(
        town.here, town.alice, form["data"]["custom_id"], {"question": "When is that?"}
    )

    answer = await town.answer(asked)
    assert answer.ephemeral_to == town.alice.id
    assert is_deferred(asked, private=True)


async def test_a_flag_has_a_message_translated_for_who_put_it_there(town: Town) -> None:
    said = await town.discord.say(town.here, town.bob, "Shall we move the launch to Friday?")

    await town.discord.react(said, town.alice, FLAG)

    direct = town.discord.add_dm(town.alice)
    await town.sees(direct, bool)
    assert town.discord.replies(town.here) == []


async def test_a_flag_goes_again_if_its_owner_takes_no_direct_messages(town: Town) -> None:
    said = await town.discord.say(town.here, town.bob, "Shall we move the launch to Friday?")
    town.discord.close_direct_messages(town.alice)

    await town.discord.react(said, town.alice, FLAG)

    await town.discord.wait_for(lambda: FLAG not in said.reactions)
    assert town.discord.replies(town.here) == []


async def test_a_channel_is_translated_in_threads_at_its_messages(town: Town) -> None:
    channel = place(town, TRANSLATED)

    said = await town.discord.say(channel, town.bob, "Where is the station, please?")

    thread_id = await town.discord.wait_for(lambda: said.thread_id)
    thread = place(town, thread_id or 0)
    await town.sees(thread, bool)
    assert town.discord.replies(channel) == []


async def test_messages_are_rated_and_drawn_and_a_deleted_one_is_forgotten(
    town: Town, redis_server: str
) -> None:
    channel = place(town, RATED)
    glad = await town.discord.say(channel, town.bob, "I love this, what a wonderful great day!!")
    sad = await town.discord.say(channel, town.alice, "This is horrible, I hate it, it is awful.")
    await town.discord.wait_for(lambda: glad.reactions and sad.reactions)
    assert set(glad.reactions) != set(sad.reactions)

    await town.discord.delete_message(sad)
    ratings = keys.ratings(f"discord:{TEAM}", str(RATED))
    with redis.Redis.from_url(redis_server) as client:
        await until(lambda: client.xlen(ratings) == 1)

    answer = await town.answer(await town.call("sentiment", channel, days=7))
    (picture,) = answer.attachments
    assert picture.content.startswith(b"\x89PNG")
    assert picture.description
    assert not answer.is_ephemeral


async def test_pinned_messages_answer_questions_there_until_they_are_taken_down(
    town: Town, redis_server: str
) -> None:
    channel = place(town, PINNED)
    said = await town.discord.say(channel, town.bob, f"The vault of the tower opens with {CODE}.")

    await town.discord.pin(said)

    await town.sees(channel, lambda seen: any(m.reference == said.id for m in seen))
    answer = await town.answer(await town.call("ask", channel, question=QUESTION), "[1]")
    assert CODE in answer.content
    assert is_learned(redis_server, said)

    await town.discord.unpin(said)
    await until(lambda: not is_learned(redis_server, said))

    await town.discord.pin(said)
    await until(lambda: is_learned(redis_server, said))
    await town.discord.pin(answer)
    await town.discord.unpin(said)
    await until(lambda: not is_learned(redis_server, said))
    assert not is_learned(redis_server, answer), "what the bot has written is no evidence"


async def test_what_was_pinned_before_the_start_is_learned_and_nobody_is_told(
    town: Town, redis_server: str
) -> None:
    channel = place(town, PINNED_BEFORE)
    (pinned,) = town.discord.messages(channel)[:1]
    await until(lambda: is_learned(redis_server, pinned))
    spoken = town.discord.replies(channel)

    answer = await town.answer(await town.call("ask", channel, question=QUESTION), "[1]")

    assert CODE in answer.content
    assert spoken == []


async def test_an_answer_after_the_ticket_is_used_up_comes_as_a_message(town: Town) -> None:
    town.discord.settings.interaction_token_s = 0.0
    try:
        await town.call("complete", text="Once upon a time", max_tokens=20, seed=7)
        await town.sees(town.here, lambda seen: any(m.interaction_id is None for m in seen))

        await town.call("translate", language="fr", text="Good morning")
        direct = town.discord.add_dm(town.alice)
        await town.sees(direct, bool)
    finally:
        town.discord.settings.interaction_token_s = 900.0

    outside = [m for m in town.discord.replies(town.here) if m.interaction_id is None]
    assert len(outside) == 1


async def test_an_answer_that_comes_too_late_for_a_place_without_us_is_a_direct_message(
    town: Town,
) -> None:
    town.discord.settings.interaction_token_s = 0.0
    town.discord.deny_channel(town.here)
    try:
        await town.call("complete", text="Once upon a time", max_tokens=20, seed=7)

        await town.sees(town.discord.add_dm(town.alice), bool)
    finally:
        town.discord.settings.interaction_token_s = 900.0


async def test_a_command_is_acknowledged_and_refused_in_a_sentence_while_redis_is_away(
    town: Town, redis_server: str
) -> None:
    with frozen(redis_server):
        answer = await town.answer(await town.call("ask", question=QUESTION), "try again")

    assert answer.content.startswith("I cannot take anything")


def is_learned(redis_server: str, message: Message) -> bool:
    """Whether there is a document from a message."""
    with redis.Redis.from_url(redis_server) as client:
        return any(str(message.id).encode() in value for value in client.hvals(keys.DOCUMENTS))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event of the fake tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)
