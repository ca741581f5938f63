"""What people do on Slack with an answer: buttons, a reaction, a command, reword and delete.

One bots process and one worker for all tests; each test has a channel of its own.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
import redis

from bots.incoming.answer_actions import (
    FINISHED,
    NOT_YOURS_TO_RETRY,
    NOT_YOURS_TO_STOP,
    NOTED,
    NOTHING_TO_STOP,
    TOO_OLD,
)
from bots.slack.views.account import STOPPED
from shared.jobs import Origin, Platform, job_id
from shared.ledger import keys
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_delivery import Delivery
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_settings import Settings
from tests.fakes.slack_store import Message
from tests.patience import PATIENCE_S
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEAM = Settings().team_id
ALICE, BOB, BOSS = "U0ALICE", "U0BOB", "U0BOSS"
WHOLE = "length limit"
"""The endless model's answers end so, if nobody stops them."""
NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slack(redis_server: str, worker: RunningModule) -> AsyncIterator[FakeSlack]:
    """A Slack with a bots process."""
    del worker
    async with FakeSlack(retry_after_s=3.0) as server:
        server.add_user(ALICE, "alice")
        server.add_user(BOB, "bob")
        server.add_user(BOSS, "boss", is_admin=True)
        settings = {
            "PARLEY_REDIS_URL": redis_server,
            "PARLEY_HTTP_PORT": str(free_port()),
            "PARLEY_SLACK_API_URL": server.api_url,
            "SLACK_BOT_TOKEN": server.bot_token,
            "SLACK_APP_TOKEN": server.app_token,
        }
        bots = await start_bots(settings, "slack_ready")
        await server.wait_for_connections(1)
        yield server
        await stop_bots(bots)


@dataclass(frozen=True, slots=True)
class Room:
    """A channel where Alice asks; Bob is nobody in particular."""

    slack: FakeSlack
    id: str

    async def ask(self, words: str = f"tell me something {SLOWLY}") -> Message:
        """Let Alice ask, so that there is time to stop the answer."""
        return await self.slack.say(self.id, ALICE, f"<@{self.slack.bot_user_id}> {words}")

    def answers(self) -> list[Message]:
        """What all see of the bot."""
        bot = self.slack.bot_user_id
        found = [m for m in self.slack.messages(self.id) if m.user == bot and not m.deleted]
        return [message for message in found if not message.is_ephemeral_for]

    async def answer(self, is_it: Callable[[Message], object]) -> Message:
        """The one answer, once it is so."""

        def found() -> bool:
            return len(self.answers()) == 1 and bool(is_it(self.answers()[0]))

        await self.slack.wait_for(found)
        return self.answers()[0]

    async def press(
        self, answer: Message, user: str, button_action: str, value: str | None = None
    ) -> Delivery:
        """Press a button, and wait until Slack knows that it was heard."""
        pressed = await self.slack.press_button(
            self.id, answer.ts, user, f"parley:{button_action}", value
        )
        await self.slack.wait_for(lambda: pressed.state != "waiting")
        assert pressed.state == "acked"
        return pressed

    async def told(self, user: str, sentence: str) -> Message:
        """What somebody is told in private."""

        def found() -> list[Message]:
            said = [m for m in self.slack.messages(self.id) if m.text == sentence]
            return [message for message in said if message.is_ephemeral_for == user]

        await self.slack.wait_for(found)
        return found()[0]

    async def answered(self) -> Message:
        """Let Alice ask what is answered soon; the whole answer."""
        await self.ask("tell me something")
        return await self.answer(is_over)


@pytest.fixture
def room(slack: FakeSlack) -> Room:
    """A channel of Alice, Bob, an administrator and the bot."""
    name = f"C0VERBS{next(NUMBERS)}"
    slack.add_channel(name, name.lower(), members=[ALICE, BOB, BOSS, slack.bot_user_id])
    return Room(slack, name)


def buttons_of(message: Message) -> list[str]:
    """The buttons under a message, by what they do."""
    elements = [e for block in message.blocks for e in block.get("elements", ())]
    return [element["action_id"].removeprefix("parley:") for element in elements]


def shown_text(message: Message) -> str:
    """What people read of a message that has blocks."""
    sections = [block for block in message.blocks if block["type"] == "section"]
    return "".join(section["text"]["text"] for section in sections)


def is_running(message: Message) -> bool:
    return buttons_of(message) == ["stop"] and len(message.text) > 20


def is_over(message: Message) -> bool:
    return buttons_of(message) in (["retry", "feedback"], ["retry", "good", "bad"])


def is_over_and_whole(message: Message) -> bool:
    return is_over(message) and WHOLE in message.text


def job_of(message: Message) -> str:
    assert message.metadata is not None
    return str(message.metadata["event_payload"]["job_id"])


# Stop


async def test_stop_ends_the_answer_leaves_what_was_written_and_offers_to_retry(room: Room) -> None:
    await room.ask()
    answer = await room.answer(is_running)

    await room.press(answer, ALICE, "stop")

    answer = await room.answer(is_over)
    assert WHOLE not in answer.text
    assert "topped" in answer.text
    assert shown_text(answer) == answer.text, "people see the blocks, programs the text"


async def test_only_the_asker_and_an_administrator_may_stop(room: Room) -> None:
    await room.ask()
    answer = await room.answer(is_running)

    await room.press(answer, BOB, "stop")
    await room.told(BOB, NOT_YOURS_TO_STOP)
    assert is_running(answer) or is_over(answer)
    await room.press(answer, BOSS, "stop", job_of(answer))

    answer = await room.answer(is_over)
    assert "topped" in answer.text


async def test_a_stop_sign_as_a_reaction_stops_the_answer(room: Room) -> None:
    await room.ask()
    answer = await room.answer(is_running)

    await room.slack.react(room.id, answer.ts, ALICE, "octagonal_sign")

    answer = await room.answer(is_over)
    assert WHOLE not in answer.text


async def test_somebody_elses_stop_sign_is_answered_with_a_sentence(room: Room) -> None:
    answer = await room.answered()

    await room.slack.react(room.id, answer.ts, BOB, "black_square_for_stop")
    await room.told(BOB, NOT_YOURS_TO_STOP)
    await room.slack.react(room.id, answer.ts, BOSS, "black_square_for_stop")

    await room.told(BOSS, FINISHED)


async def test_the_command_stops_all_that_its_user_asked_there(room: Room) -> None:
    await room.ask()
    answer = await room.answer(is_running)

    nothing = await room.slack.slash(room.id, BOB, "/parley", "stop")
    stopped = await room.slack.slash(room.id, ALICE, "/parley", "stop")

    await room.slack.wait_for(lambda: stopped.state == nothing.state == "acked")
    assert nothing.response
    assert stopped.response
    assert nothing.response["text"] == NOTHING_TO_STOP
    assert (stopped.response["response_type"], stopped.response["text"]) == ("ephemeral", STOPPED)
    answer = await room.answer(is_over)
    assert WHOLE not in answer.text


# Retry and feedback


async def test_retry_writes_the_answer_again_in_the_same_message(room: Room) -> None:
    await room.ask()
    await room.press(await room.answer(is_running), ALICE, "stop")
    first = await room.answer(is_over)

    await room.press(first, ALICE, "retry")

    again = await room.answer(is_over_and_whole)
    assert again.ts == first.ts


async def test_only_the_asker_and_an_administrator_may_retry(room: Room) -> None:
    answer = await room.answered()
    num_edits = len(answer.edits)

    await room.press(answer, BOB, "retry")

    await room.told(BOB, NOT_YOURS_TO_RETRY)
    assert len(answer.edits) == num_edits


async def test_feedback_is_noted_and_the_latest_word_counts(room: Room, redis_server: str) -> None:
    answer = await room.answered()
    job = job_of(answer)

    await room.press(answer, BOB, "feedback", f"good:{job}")
    await room.told(BOB, NOTED)
    await room.press(answer, BOB, "feedback", f"bad:{job}")

    with redis.Redis.from_url(redis_server) as client:
        name = keys.feedback(f"slack:{TEAM}:{BOB}")
        async with asyncio.timeout(PATIENCE_S):
            while client.hget(name, job) != b"bad":  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.02)


async def test_a_button_of_an_unknown_answer_is_answered_with_a_sentence(room: Room) -> None:
    answer = await room.answered()

    await room.press(answer, ALICE, "retry", "nosuchjob")

    await room.told(ALICE, TOO_OLD)


# The question changes


async def test_the_answer_follows_a_reworded_question(room: Room, redis_server: str) -> None:
    question = await room.ask()
    await room.press(await room.answer(is_running), ALICE, "stop")
    first = await room.answer(is_over)

    mention = f"<@{room.slack.bot_user_id}>"
    await room.slack.edit_message(room.id, question.ts, f"{mention} now about whales 🐋")

    again = await room.answer(is_over_and_whole)
    assert again.ts == first.ts
    with redis.Redis.from_url(redis_server) as client:
        document = client.hget(keys.job(job_of(again)), "job")
    assert isinstance(document, bytes)
    assert "whales" in document.decode()


async def test_the_answer_goes_with_its_question(room: Room) -> None:
    question = await room.ask("tell me something")
    answer = await room.answer(is_over)

    await room.slack.delete_message(room.id, question.ts)

    await room.slack.wait_for(lambda: answer.deleted)


# Away


async def test_a_button_is_acknowledged_in_time_however_slow_slack_is(room: Room) -> None:
    answer = await room.answered()
    room.slack.delay("users.info", 4.0, times=10)
    try:
        someone = "U0NEWBY"
        pressed = await room.press(answer, someone, "retry")
        assert len(pressed.attempts) == 1
        await room.told(someone, NOT_YOURS_TO_RETRY)
    finally:
        room.slack.clear_faults()


async def test_where_slack_knows_no_feedback_buttons_there_are_plain_ones(room: Room) -> None:
    room.slack.refused_blocks = frozenset({"context_actions"})
    try:
        await room.ask("tell me something")

        answer = await room.answer(lambda m: buttons_of(m) == ["retry", "good", "bad"])
        await room.press(answer, ALICE, "good")
        await room.told(ALICE, NOTED)
    finally:
        room.slack.refused_blocks = frozenset()


# Silence


async def test_a_thread_is_silent_after_a_sign_at_its_answer_until_it_is_mentioned(
    room: Room, redis_server: str
) -> None:
    question = await room.ask("tell me something")
    answer = await room.answer(is_over)

    await room.slack.react(room.id, answer.ts, BOB, "mute")
    with redis.Redis.from_url(redis_server) as client:
        muted = keys.muted(f"slack:{TEAM}:{room.id}:{question.ts}")
        async with asyncio.timeout(PATIENCE_S):
            while not client.exists(muted):  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.02)
    await room.slack.say(room.id, ALICE, "go on", thread_ts=question.ts)
    mention = f"<@{room.slack.bot_user_id}> go on"
    asked = await room.slack.say(room.id, ALICE, mention, thread_ts=question.ts)

    jobs = [
        job_id(Origin(Platform.SLACK, TEAM, room.id, "", message.ts, ALICE))
        for message in (question, asked)
    ]
    await room.slack.wait_for(lambda: jobs[1] in map(job_of, room.answers()))
    assert list(map(job_of, room.answers())) == jobs, "nothing answers what came in between"
