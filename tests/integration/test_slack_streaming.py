"""Answers in Slack's direct messages, streamed: a fake Slack, a real Redis, a worker by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from bots.delivery.manager import Delivery
from bots.delivery.outbox import Outbox
from bots.delivery.rate_budget import SharedRateBudget
from bots.metrics import Metrics
from bots.slack.sdk.client import SlackAccess
from bots.slack.sdk.streaming import ROLL_S
from bots.slack.sdk.surface import SlackSurface
from bots.store import AsyncStore
from bots.tasks import end
from shared.jobs import Job, Origin, Platform
from shared.ledger.lifecycle import JobLimits
from shared.replies import Done, Failed
from tests.chaos.way_out import Scribe, scribe_at
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
DIRECT, CHANNEL, ALICE = "D1", "C1", "U1"
START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
UPDATE, POST = "chat.update", "chat.postMessage"


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as server:
        server.add_user(ALICE, "alice")
        server.add_channel(DIRECT, "alice", members=[ALICE, server.bot_user_id], is_im=True)
        server.add_channel(CHANNEL, "general", members=[ALICE, server.bot_user_id])
        yield server


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


class Shop:
    """A question in a direct message, and the bots processes that show its answer."""

    def __init__(self, slack: FakeSlack, store: AsyncStore, redis_url: str, scribe: Scribe) -> None:
        self.slack = slack
        self.scribe = scribe
        self.now_s = 0.0
        self._store = store
        self._redis_url = redis_url
        self._delivery: Delivery | None = None

    @contextlib.asynccontextmanager
    async def bots(self) -> AsyncIterator[Delivery]:
        """A process that shows answers, and ends without a word."""
        access = SlackAccess(self.slack.bot_token, self.slack.api_url)
        surface = SlackSurface(access, SharedRateBudget(self._store), lambda: self.now_s)
        delivery = Delivery(self._store, surface, LIMITS, Metrics())
        outbox = Outbox(self._redis_url, Platform.SLACK, delivery)
        reading = asyncio.create_task(outbox.run())
        self._delivery = delivery
        try:
            yield delivery
        finally:
            await end([reading])
            await delivery.close()

    async def ask(self, channel: str = DIRECT, text: str = "hello") -> Job:
        """Somebody asks; a worker has the question in hand."""
        said = await self.slack.say(channel, ALICE, text)
        thread = "" if channel == DIRECT else said.ts
        origin = Origin(Platform.SLACK, self.slack.team_id, channel, thread, said.ts, ALICE)
        job = await asyncio.to_thread(self.scribe.accept, origin, text)
        await asyncio.to_thread(self.scribe.begin, job)
        return job

    async def write(self, job: Job, text: str, shown: str | None = None) -> Message:
        """The worker has written so much; returns once it is read."""
        await self.put(job, text)
        await self.slack.wait_for(lambda: self.answers(job, shown or text))
        return self.answers(job, shown or text)[0]

    async def put(self, job: Job, text: str) -> None:
        """The worker has written so much, and the process that shows it knows."""
        assert self._delivery is not None, "there is none"
        await asyncio.to_thread(self.scribe.write, job, text)
        await self._delivery.nudge(job.id)

    async def think(self, job: Job, thinking_s: float) -> None:
        """The model has thought for so long, and the process that shows it knows."""
        assert self._delivery is not None, "there is none"
        await asyncio.to_thread(self.scribe.think, job, thinking_s, "Hm.")
        await self._delivery.nudge(job.id)

    async def end(self, job: Job, reply: Done | Failed | str) -> None:
        """The worker ends; returns once that is shown."""
        await asyncio.to_thread(self.scribe.end, job, reply)
        await asyncio.to_thread(self.scribe.wait_state, job, "delivered")

    def answers(self, job: Job, text: str | None = None) -> list[Message]:
        """The bot's messages that stand, or those that read so."""
        return [
            message
            for message in self.slack.messages(job.origin.channel)
            if message.bot_id and not message.deleted and text in {None, message.text}
        ]

    def num_calls(self, *methods: str) -> list[int]:
        """How often each method was called."""
        return [len(self.slack.calls(method)) for method in methods]


@pytest.fixture
def shop(slack: FakeSlack, bots_store: AsyncStore, quiet_redis: str, scribe: Scribe) -> Shop:
    return Shop(slack, bots_store, quiet_redis, scribe)


async def test_an_answer_in_a_direct_message_is_streamed_in_the_thread_of_its_question(
    shop: Shop,
) -> None:
    async with shop.bots() as bots:
        job = await shop.ask()
        bots.announce(job)
        await shop.write(job, "Hello")
        await shop.write(job, "Hello, **Ada**")
        await shop.end(job, "Hello, **Ada**.")

    (answer,) = shop.answers(job)
    assert (answer.text, answer.edits) == ("Hello, **Ada**.", ["Hello", "Hello, **Ada**"])
    assert answer.thread_ts == job.origin.message
    assert shop.num_calls(START, APPEND, STOP, UPDATE, POST) == [1, 1, 1, 0, 0]
    assert (answer.unfurl_links, answer.unfurl_media) == (False, False)
    assert [block["type"] for block in answer.blocks] == ["actions", "context_actions"]
    assert [status.status for status in shop.slack.statuses] == ["processing", "active"]


async def test_thinking_that_is_shown_becomes_the_answer_in_the_same_message(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        await shop.think(job, 12.3)
        await shop.slack.wait_for(lambda: shop.answers(job, "_Thinking… 12 s_"))
        (notice,) = shop.answers(job)
        assert notice.blocks[-1]["elements"][0]["action_id"] == "parley:stop"
        await shop.write(job, "Hello")
        await shop.end(job, Done("Hello.", has_thought=True))

    (answer,) = shop.answers(job)
    assert (answer.text, answer.edits) == ("Hello.", ["_Thinking… 12 s_", "Hello"])
    assert answer.thread_ts == job.origin.message
    assert [element["action_id"] for element in answer.blocks[-2]["elements"]] == [
        "parley:retry",
        "parley:thought",
    ]
    assert shop.num_calls(START, POST, UPDATE) == [0, 1, 2]
    assert shop.slack.statuses[-1].status == "active"


async def test_an_answer_that_was_thought_about_for_a_moment_is_streamed(shop: Shop) -> None:
    async with shop.bots() as bots:
        job = await shop.ask()
        bots.announce(job)
        await shop.think(job, 0.3)
        await shop.write(job, "Hello")
        await shop.end(job, Done("Hello.", has_thought=True))

    (answer,) = shop.answers(job)
    assert (answer.text, answer.edits) == ("Hello.", ["Hello"])
    assert shop.num_calls(START, STOP, UPDATE, POST) == [1, 1, 0, 0]
    assert "parley:thought" in str(answer.blocks[0])


async def test_an_answer_in_a_channel_is_not_streamed(shop: Shop) -> None:
    async with shop.bots() as bots:
        job = await shop.ask(CHANNEL)
        bots.announce(job)
        await shop.write(job, "Hello")
        await shop.end(job, "Hello.")

    (answer,) = shop.answers(job)
    assert (answer.text, answer.thread_ts) == ("Hello.", job.origin.message)
    assert shop.num_calls(START, POST) == [0, 1]
    assert shop.slack.statuses == []


async def test_a_text_that_changes_above_is_edited_after_the_stream(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        begun = await shop.write(job, "One two")
        await shop.write(job, "One, too")
        await shop.end(job, "One, too, three")

    (answer,) = shop.answers(job)
    assert (answer.ts, answer.text) == (begun.ts, "One, too, three")
    assert shop.num_calls(START, APPEND, STOP, UPDATE) == [1, 0, 1, 2]
    assert shop.slack.statuses[-1].status == "active"


async def test_a_stream_is_ended_before_slack_ends_it_and_the_answer_goes_on(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        begun = await shop.write(job, "One")
        shop.now_s = ROLL_S + 1
        await shop.write(job, "One two")
        await shop.write(job, "One two three")
        await shop.end(job, "One two three four")

    (answer,) = shop.answers(job)
    assert (answer.ts, answer.text) == (begun.ts, "One two three four")
    assert shop.num_calls(START, APPEND, STOP, UPDATE) == [1, 0, 1, 3]


async def test_an_answer_whose_stream_slack_has_ended_is_whole(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        await shop.write(job, "One")
        shop.slack.expire_streams()
        await shop.end(job, "One two")

    (answer,) = shop.answers(job)
    assert answer.text == "One two"


@pytest.mark.parametrize("refusal", ["unknown_method", "not_authorized", "missing_scope"])
async def test_where_slack_does_not_stream_answers_are_posted_and_nobody_asks_again(
    shop: Shop, refusal: str
) -> None:
    shop.slack.fail_next(START, error=refusal, times=10)
    shop.slack.fail_next("agents.sessions.setStatus", error=refusal, times=10)
    async with shop.bots() as bots:
        for _ in range(2):
            job = await shop.ask()
            bots.announce(job)
            await shop.write(job, "Hello")
            await shop.end(job, "Hello.")

    assert [answer.text for answer in shop.answers(job)] == ["Hello.", "Hello."]
    assert shop.num_calls(START, POST, "agents.sessions.setStatus") == [1, 2, 1]


async def test_an_answer_whose_process_died_is_finished_in_the_same_message(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        begun = await shop.write(job, "One")
    async with shop.bots():
        await shop.end(job, "One two")

    (answer,) = shop.answers(job)
    assert (answer.ts, answer.text) == (begun.ts, "One two")
    assert shop.num_calls(START, STOP) == [1, 1]


async def test_a_stream_that_was_begun_without_an_answer_from_slack_is_found(shop: Shop) -> None:
    shop.slack.drop_connection_after(START)
    async with shop.bots():
        job = await shop.ask()
        await shop.put(job, "One")
        await shop.slack.wait_for(lambda: shop.slack.calls(START))
        await shop.end(job, "One two")

    (answer,) = shop.answers(job)
    assert answer.text == "One two"
    assert shop.num_calls(START, POST) == [1, 0]


@pytest.mark.parametrize("method", [APPEND, STOP])
async def test_a_call_that_nobody_answered_leaves_no_text_twice(shop: Shop, method: str) -> None:
    shop.slack.drop_connection_after(method)
    async with shop.bots():
        job = await shop.ask()
        await shop.write(job, "One")
        await shop.write(job, "One two")
        await shop.end(job, "One two three")

    (answer,) = shop.answers(job)
    assert answer.text == "One two three"


async def test_after_slacks_own_stop_nothing_is_shown_but_the_ending(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        await shop.write(job, "One")
        await shop.slack.press_stop(DIRECT, job.origin.message, ALICE)
        await shop.put(job, "One two")
        await shop.slack.wait_for(lambda: shop.slack.calls(APPEND))
        await shop.end(job, "One two. Stopped.")

    (answer,) = shop.answers(job)
    assert (answer.text, answer.edits) == ("One two. Stopped.", ["One"])


async def test_nothing_in_a_stream_is_a_mention_or_an_address(shop: Shop) -> None:
    markdown = "<!channel> <@U1> see https://example.com/?q=1 &lt;!here&gt;"
    async with shop.bots():
        job = await shop.ask()
        await shop.put(job, markdown)
        await shop.slack.wait_for(lambda: shop.answers(job))
        (begun,) = shop.answers(job)
        assert "://" not in begun.text
        assert "&lt;" not in begun.text
        await shop.end(job, markdown)

    (answer,) = shop.answers(job)
    assert answer.live_mentions == []
    assert "https://example.com/?q=1" in answer.text


async def test_code_that_is_not_closed_yet_is_streamed_without_an_end(shop: Shop) -> None:
    async with shop.bots():
        job = await shop.ask()
        await shop.write(job, "See:\n```py\nx = 1\n``", "See:\n```py\nx = 1")
        await shop.write(job, "See:\n```py\nx = 1\n```\nDone")
        await shop.end(job, "See:\n```py\nx = 1\n```\nDone.")

    assert shop.num_calls(START, APPEND, STOP, UPDATE) == [1, 1, 1, 0]


async def test_an_answer_that_outgrows_its_message_goes_on_in_another(shop: Shop) -> None:
    paragraphs = [f"Paragraph {number}: {'words ' * 40}".strip() for number in range(30)]
    async with shop.bots():
        job = await shop.ask()
        await shop.write(job, paragraphs[0])
        await shop.put(job, "\n\n".join(paragraphs[:25]))
        await shop.slack.wait_for(lambda: len(shop.answers(job)) > 1)
        await shop.end(job, "\n\n".join(paragraphs))

    answers = shop.answers(job)
    assert {answer.thread_ts for answer in answers} == {job.origin.message}
    assert "\n\n".join(answer.text for answer in answers).split("\n\n") == paragraphs
    assert shop.num_calls(START, STOP) == [1, 1]


async def test_a_question_that_is_deleted_takes_its_stream_along(shop: Shop) -> None:
    async with shop.bots() as bots:
        job = await shop.ask()
        await shop.write(job, "One")
        await bots.retract(job.id)
        await shop.slack.wait_for(lambda: not shop.answers(job))

    assert shop.num_calls(STOP) == [1]
