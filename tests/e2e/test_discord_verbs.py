"""What people do on Discord with an answer: buttons, a reaction, /stop, reword and delete.

One bots process and one worker for all tests; each test has a server of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import redis

from bots.discord.handlers.buttons import STOPPED
from bots.incoming.answer_actions import (
    NOT_YOURS_TO_RETRY,
    NOT_YOURS_TO_STOP,
    NOTED,
    NOTHING_TO_STOP,
)
from bots.incoming.reception import AWAY
from shared.jobs import Origin, Platform, job_id
from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.discord_model import Channel, Interaction, Message, User
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_settings import Settings
from tests.fakes.paced_model import SLOWLY
from tests.patience import PATIENCE_S
from tests.redis_servers import frozen
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANAGE_MESSAGES = 1 << 13
DEFERRED_UPDATE = 6
WHOLE = "length limit"
"""The endless model's answers end so, if nobody stops them."""


def bots_settings(server: FakeDiscord, redis_url: str, data: Path) -> dict[str, str]:
    return {
        "PARLEY_REDIS_URL": redis_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_DATA_DIR": str(data),
        "PARLEY_DISCORD_API_URL": server.api_url,
        "PARLEY_DISCORD_GATEWAY_URL": server.gateway_url,
        "DISCORD_TOKEN": server.token,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def discord(
    redis_server: str, worker: RunningModule, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FakeDiscord]:
    """A Discord with a bots process that has said that its commands are known."""
    del worker
    settings = Settings(rate_limit=None, global_rate_limit=None)
    async with FakeDiscord(settings=settings) as server:
        data = tmp_path_factory.mktemp("data")
        bots = await start_bots(bots_settings(server, redis_server, data), "commands_synced")
        await server.wait_until_connected()
        yield server
        await stop_bots(bots)


@dataclass(frozen=True, slots=True)
class Town:
    """A server with a channel, where Alice asks and Bob is no moderator."""

    discord: FakeDiscord
    here: Channel
    alice: User
    bob: User
    moderator: User

    async def ask(self, how: str = "") -> Message:
        """Let Alice ask."""
        mention = f"<@{self.discord.bot_user_id}> tell me something {how}"
        return await self.discord.say(self.here, self.alice, mention)

    async def answer(self, condition: Callable[[Message], bool]) -> Message:
        """The one answer in the channel, once it is so."""

        def found() -> Message | None:
            answers = [m for m in self.discord.replies(self.here) if not m.is_ephemeral]
            return answers[0] if len(answers) == 1 and condition(answers[0]) else None

        answer = await self.discord.wait_for(found)
        assert answer is not None
        return answer

    async def press(self, answer: Message, user: User, button_action: str) -> Interaction:
        """Press a button of an answer, and wait until Discord knows that it was heard."""
        (custom_id,) = [i for i in ids_of(answer) if i.startswith(f"parley:{button_action}:")]
        pressed = await self.discord.press_button(answer, user, custom_id)
        await self.discord.wait_for(lambda: pressed.response)
        assert pressed.response is not None
        assert pressed.response["type"] == DEFERRED_UPDATE
        return pressed

    async def told(self, interaction: Interaction, sentence: str) -> Message:
        """What somebody is told in private."""

        def found() -> Message | None:
            messages = map(self.discord.world.all_messages.__getitem__, interaction.message_ids)
            return next((m for m in messages if m.content == sentence), None)

        message = await self.discord.wait_for(found)
        assert message is not None
        assert message.ephemeral_to == interaction.user_id
        return message


@pytest.fixture
def town(discord: FakeDiscord) -> Town:
    alice, bob = discord.add_user("alice"), discord.add_user("bob")
    moderator = discord.add_user("moderator")
    guild = discord.add_guild("team", members=[alice, bob, moderator])
    here = discord.add_channel(guild, "here")
    discord.deny_member(here, bob, MANAGE_MESSAGES)
    return Town(discord, here, alice, bob, moderator)


def ids_of(message: Message) -> list[str]:
    """The ids of a message's buttons."""
    return [button["custom_id"] for row in message.components for button in row["components"]]


def verbs_of(message: Message) -> list[str]:
    return [custom_id.split(":")[1] for custom_id in ids_of(message)]


def is_running(message: Message) -> bool:
    return bool(message.content) and verbs_of(message) == ["stop"]


def is_over(message: Message) -> bool:
    return verbs_of(message) == ["retry", "good", "bad"]


async def test_an_answer_has_a_stop_button_while_it_is_written_and_others_when_it_is_over(
    town: Town,
) -> None:
    asked = await town.ask(SLOWLY)

    running = await town.answer(is_running)
    answer = await town.answer(is_over)

    assert WHOLE in answer.content
    assert (running.id, answer.reference) == (answer.id, asked.id)


async def test_stop_ends_an_answer_and_leaves_what_was_written(town: Town) -> None:
    await town.ask(SLOWLY)
    answer = await town.answer(is_running)

    await town.press(answer, town.alice, "stop")

    answer = await town.answer(is_over)
    assert answer.content
    assert WHOLE not in answer.content


async def test_only_who_asked_or_a_moderator_may_stop(town: Town) -> None:
    await town.ask(SLOWLY)
    answer = await town.answer(is_running)

    refused = await town.press(answer, town.bob, "stop")
    await town.told(refused, NOT_YOURS_TO_STOP)
    await town.press(answer, town.moderator, "stop")

    assert WHOLE not in (await town.answer(is_over)).content


async def test_retry_writes_the_answer_again_in_its_place(town: Town) -> None:
    await town.ask()
    first = await town.answer(is_over)
    num_edits = len(first.edits)

    refused = await town.press(first, town.bob, "retry")
    await town.told(refused, NOT_YOURS_TO_RETRY)
    await town.press(first, town.alice, "retry")

    await town.answer(lambda m: len(m.edits) > num_edits and is_over(m) and WHOLE in m.content)


async def test_a_thumb_is_noted_and_that_is_said_to_whoever_pressed_it(
    town: Town, redis_server: str
) -> None:
    await town.ask()
    answer = await town.answer(is_over)
    job = ids_of(answer)[0].rpartition(":")[2]

    await town.told(await town.press(answer, town.bob, "bad"), NOTED)

    person = f"discord:{town.here.guild_id}:{town.bob.id}"
    with redis.Redis.from_url(redis_server) as client:
        assert client.hgetall(keys.feedback(person)) == {job.encode(): b"bad"}


async def test_a_stop_sign_of_who_asked_stops_and_of_others_does_not(town: Town) -> None:
    asked = await town.ask(SLOWLY)
    answer = await town.answer(is_running)

    await town.discord.react(answer, town.bob, "⏹️")
    await town.answer(lambda m: is_over(m) and WHOLE in m.content)

    num_edits = len(answer.edits)
    await town.press(answer, town.alice, "retry")
    await town.answer(lambda m: len(m.edits) > num_edits and is_running(m))
    await town.discord.react(answer, town.alice, "⏹️")
    assert WHOLE not in (await town.answer(is_over)).content

    num_edits = len(answer.edits)
    await town.press(answer, town.alice, "retry")
    await town.answer(lambda m: len(m.edits) > num_edits and is_running(m))
    await town.discord.react(asked, town.alice, "⏹")
    assert WHOLE not in (await town.answer(is_over)).content


async def test_the_stop_command_stops_what_somebody_asked_here(town: Town) -> None:
    await town.ask(SLOWLY)
    await town.answer(is_running)

    called = await town.discord.call_command(town.here, town.alice, "stop")
    await town.told(called, STOPPED)
    answered = await town.discord.wait_for(
        lambda: [m for m in town.discord.replies(town.here) if is_over(m)], PATIENCE_S
    )
    assert WHOLE not in answered[0].content

    again = await town.discord.call_command(town.here, town.alice, "stop")
    await town.told(again, NOTHING_TO_STOP)


async def test_a_question_that_is_reworded_has_its_answer_follow(town: Town) -> None:
    asked = await town.ask()
    first = await town.answer(is_over)
    before, num_edits = first.content, len(first.edits)

    await town.discord.edit_message(asked, f"<@{town.discord.bot_user_id}> how deep is the sea?")

    answer = await town.answer(lambda m: len(m.edits) > num_edits and is_over(m))
    assert answer.content != before


async def test_a_question_that_is_deleted_takes_its_answer_along(town: Town) -> None:
    asked = await town.ask()
    await town.answer(is_over)

    await town.discord.delete_message(asked)

    await town.discord.wait_for(lambda: not town.discord.replies(town.here))


async def test_a_press_is_acknowledged_while_redis_does_not_answer_and_says_so(
    town: Town, redis_server: str
) -> None:
    await town.ask()
    answer = await town.answer(is_over)

    with frozen(redis_server):
        await town.told(await town.press(answer, town.alice, "retry"), AWAY)


async def test_replies_are_left_alone_after_a_sign_of_silence_until_we_are_mentioned(
    town: Town, redis_server: str
) -> None:
    asked = await town.ask()
    answer = await town.answer(is_over)

    await town.discord.react(answer, town.bob, "🔇")
    with redis.Redis.from_url(redis_server) as client:
        pattern = keys.muted(f"discord:{town.here.guild_id}:{town.here.id}:*")
        async with asyncio.timeout(PATIENCE_S):
            while not list(client.scan_iter(pattern)):  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.02)
    say, here, alice = town.discord.say, town.here, town.alice
    await say(here, alice, "go on", reply_to=answer, mentions=[])
    mention = f"<@{town.discord.bot_user_id}> go on"
    again = await say(here, alice, mention, reply_to=answer)

    def answered() -> list[str]:
        place = Platform.DISCORD, str(here.guild_id), str(here.id), ""
        known = {job_id(Origin(*place, str(m.id), "")): str(m.id) for m in (asked, again)}
        shown = [message for message in town.discord.replies(here) if ids_of(message)]
        return [known.get(ids_of(message)[0].rpartition(":")[2], "") for message in shown]

    await town.discord.wait_for(lambda: str(again.id) in answered())
    assert answered() == [str(asked.id), str(again.id)], "nothing answers what came in between"
