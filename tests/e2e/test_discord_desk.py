"""/settings, /quota and /forget-me on Discord, from the command to what holds from then on."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import redis

from bots.discord.handlers.account import SAVED
from bots.discord.views.settings import FORGET_QUESTION
from bots.incoming.preferences import NOT_ADMIN, OVERTAKEN
from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_interactions import Input
from tests.fakes.discord_model import Channel, Interaction, Message, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.patience import PATIENCE_S
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANAGE_CHANNELS, MANAGE_GUILD = 1 << 4, 1 << 5
FORM = 9


@dataclass(frozen=True, slots=True)
class Town:
    """A server with a channel, whose admin, a warden of the channel, and a person."""

    discord: FakeDiscord
    here: Channel
    admin: User
    warden: User
    alice: User

    async def call(self, user: User, name: str) -> Message:
        """What somebody reads who uses a command."""
        return await self.said(await self.discord.call_command(self.here, user, name))

    async def said(self, interaction: Interaction, but: str = "") -> Message:
        """What somebody is told in private, once it is something else than before."""

        def found() -> Message | None:
            messages = map(self.discord.world.all_messages.__getitem__, interaction.message_ids)
            shown = (m for m in messages if not m.is_loading and m.content not in {"", but})
            return next(shown, None)

        message = await self.discord.wait_for(found)
        assert message is not None
        assert message.ephemeral_to == interaction.user_id
        return message

    async def open(self, user: User, shown: Message, scope: str, page: str) -> Interaction:
        """Press a button, and see the form that it opens."""
        custom_id = f"parley:settings:{scope}:{page}"
        opened = await self.discord.press_button(shown, user, custom_id)
        await self.discord.wait_for(lambda: opened.response)
        return opened

    async def fill(self, user: User, opened: Interaction, values: dict[str, Input]) -> str:
        """Fill in a form that was opened; what comes of it."""
        form = await self.discord.wait_for(lambda: opened.response)
        assert form is not None
        assert form["type"] == FORM
        sent = await self.discord.submit_modal(self.here, user, form["data"]["custom_id"], values)
        return (await self.said(sent)).content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def discord(
    redis_server: str, worker: RunningModule, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FakeDiscord]:
    del worker
    async with FakeDiscord(settings=Settings(rate_limit=None)) as server:
        settings = {
            "PARLEY_REDIS_URL": redis_server,
            "PARLEY_HTTP_PORT": str(free_port()),
            "PARLEY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "PARLEY_DISCORD_API_URL": server.api_url,
            "PARLEY_DISCORD_GATEWAY_URL": server.gateway_url,
            "DISCORD_TOKEN": server.token,
        }
        bots = await start_bots(settings, "commands_synced")
        await server.wait_until_connected()
        yield server
        await stop_bots(bots)


@pytest.fixture
def town(discord: FakeDiscord) -> Town:
    names = ("admin", "warden", "alice")
    admin, warden, alice = (discord.add_user(name) for name in names)
    here = discord.add_channel(discord.add_guild("team", members=[admin, warden, alice]), "here")
    discord.deny_member(here, warden, MANAGE_GUILD)
    discord.deny_member(here, alice, MANAGE_GUILD | MANAGE_CHANNELS)
    return Town(discord, here, admin, warden, alice)


def scopes_of(message: Message) -> set[str]:
    """What the buttons of a message are for."""
    ids = [button["custom_id"] for row in message.components for button in row["components"]]
    return {custom_id.split(":")[2] for custom_id in ids}


async def test_settings_are_for_whoever_manages_the_channel_or_the_server(town: Town) -> None:
    assert scopes_of(await town.call(town.admin, "settings")) == {"channel", "server"}
    assert scopes_of(await town.call(town.warden, "settings")) == {"channel"}
    refused = await town.call(town.alice, "settings")
    assert (refused.content, refused.components) == (NOT_ADMIN, [])


async def test_a_channel_that_is_set_to_every_message_is_answered_without_a_mention(
    town: Town,
) -> None:
    shown = await town.call(town.warden, "settings")
    opened = await town.open(town.warden, shown, "channel", "speaking")
    saved = await town.fill(town.warden, opened, {"when_to_speak": ["always"]})
    assert saved == SAVED

    await town.discord.say(town.here, town.alice, "how deep is the sea")

    await town.discord.wait_for_replies(town.here, contains="length limit")
    assert "Every message" in (await town.call(town.warden, "settings")).content


async def test_a_channel_that_wants_a_model_that_nobody_runs_is_told_who_wrote(town: Town) -> None:
    shown = await town.call(town.warden, "settings")
    opened = await town.open(town.warden, shown, "channel", "model")
    assert await town.fill(town.warden, opened, {"model": "gemma-3-270m-it"}) == SAVED

    await town.discord.say(town.here, town.alice, f"<@{town.discord.bot_user_id}> hello")

    note = "gemma-3-270m-it is not running; this is by endless."
    await town.discord.wait_for_replies(town.here, contains=note)
    assert "- Model: gemma-3-270m-it" in (await town.call(town.warden, "settings")).content


async def test_answers_stand_in_threads_where_that_is_wanted_and_the_talk_goes_on_there(
    town: Town, redis_server: str
) -> None:
    shown = await town.call(town.warden, "settings")
    opened = await town.open(town.warden, shown, "channel", "answers")
    assert await town.fill(town.warden, opened, {"reply_place": ["thread"]}) == SAVED

    mention = f"<@{town.discord.bot_user_id}>"
    asked = await town.discord.say(town.here, town.alice, f"{mention} how deep is the sea")

    thread = await town.discord.wait_for(lambda: asked.thread_id)
    assert thread is not None
    await town.discord.wait_for_replies(thread, 1, "length limit", PATIENCE_S)
    assert town.discord.world.channels[thread].name == "how deep is the sea"
    await town.discord.say(thread, town.alice, "and how cold")
    await town.discord.wait_for_replies(thread, 2, "length limit", PATIENCE_S)
    assert all(message.is_ephemeral for message in town.discord.replies(town.here))
    talk = f"discord:{town.here.guild_id}:{town.here.id}:{asked.id}"
    with redis.Redis.from_url(redis_server) as client:
        assert client.llen(keys.transcript(talk)) == 4, "both questions and both answers"


async def test_a_task_that_the_server_switches_off_is_refused_in_a_sentence(town: Town) -> None:
    shown = await town.call(town.admin, "settings")
    opened = await town.open(town.admin, shown, "server", "speaking")
    assert await town.fill(town.admin, opened, {"tasks_off": ["complete"]}) == SAVED

    await town.discord.call_command(town.here, town.alice, "complete", {"text": "Once"})

    await town.discord.wait_for_replies(town.here, contains="switched off")


async def test_a_form_that_cannot_be_read_is_not_saved_and_says_what_is_wrong(town: Town) -> None:
    shown = await town.call(town.warden, "settings")
    opened = await town.open(town.warden, shown, "channel", "answers")

    said = await town.fill(town.warden, opened, {"language": "klingonese", "retention_hours": "x"})

    assert said.startswith("Nothing was saved.")
    assert "language" in said
    assert "hours" in said


async def test_whoever_was_slower_is_told_and_changes_nothing(town: Town) -> None:
    shown = await town.call(town.warden, "settings")
    first = await town.open(town.warden, shown, "channel", "answers")
    second = await town.open(town.warden, shown, "channel", "answers")

    assert await town.fill(town.warden, first, {"language": "French"}) == SAVED
    assert await town.fill(town.warden, second, {"language": "German"}) == OVERTAKEN
    assert "- Language: fr" in (await town.call(town.warden, "settings")).content


async def test_quota_says_what_was_used_and_what_may_be(town: Town) -> None:
    shown = await town.call(town.admin, "settings")
    opened = await town.open(town.admin, shown, "server", "quotas")
    assert await town.fill(town.admin, opened, {"user_quota-messages": "7"}) == SAVED

    assert "0 of 7 messages" in (await town.call(town.alice, "quota")).content


async def test_a_role_has_a_quota_of_its_own(town: Town) -> None:
    guild_id = town.here.guild_id
    assert guild_id
    guests = town.discord.add_role(guild_id, "guests")
    town.discord.world.guilds[guild_id].members[town.alice.id].append(guests.id)
    shown = await town.call(town.admin, "settings")
    opened = await town.open(town.admin, shown, "server", "roles")
    given: dict[str, Input] = {"roles": [guests], "role_quota-messages": "1"}
    assert await town.fill(town.admin, opened, given) == SAVED
    assert f"<@&{guests.id}>: 1 messages" in (await town.call(town.admin, "settings")).content
    mention = f"<@{town.discord.bot_user_id}>"

    await town.discord.say(town.here, town.alice, f"{mention} how deep is the sea")
    await town.discord.wait_for_replies(town.here, contains="length limit")
    await town.discord.say(town.here, town.alice, f"{mention} and how wide")
    await town.discord.wait_for_replies(town.here, contains="You have used up today's 1 messages")

    assert "1 of 1 messages" in (await town.call(town.alice, "quota")).content
    assert " of " not in (await town.call(town.warden, "quota")).content


async def test_forget_me_asks_first_and_then_says_what_is_gone(
    town: Town, redis_server: str
) -> None:
    mention = f"<@{town.discord.bot_user_id}> remember me"
    await town.discord.say(town.here, town.alice, mention)
    await town.discord.wait_for_replies(town.here, contains="length limit")
    transcripts = f"{keys.transcript('')}discord:{town.here.guild_id}:*"
    with redis.Redis.from_url(redis_server) as client:
        assert list(client.scan_iter(transcripts))

    asked = await town.discord.call_command(town.here, town.alice, "forget-me")
    question = await town.said(asked)
    assert question.content == FORGET_QUESTION
    await town.discord.press_button(question, town.alice, "parley:forget-me")

    told = await town.said(asked, but=FORGET_QUESTION)
    assert "I have deleted 1 conversation" in told.content
    assert told.components == []
    with redis.Redis.from_url(redis_server) as client:
        assert not list(client.scan_iter(transcripts))
