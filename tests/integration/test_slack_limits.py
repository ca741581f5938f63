"""Two bots processes on a Slack that keeps to its documented limits: no 429, and endings first."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from bots.delivery.manager import Delivery
from bots.delivery.outbox import Outbox
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.turns import Rank
from bots.metrics import Metrics
from bots.slack.method_tiers import UPDATE, bucket_of
from bots.slack.sdk.client import SlackAccess
from bots.slack.sdk.surface import SlackSurface
from bots.store import AsyncStore, open_store
from bots.tasks import end
from shared.jobs import Job, Origin, Platform
from shared.ledger.lifecycle import JobLimits
from tests.chaos.way_out import Scribe, scribe_at
from tests.fakes.slack_server import ApiRequest, FakeSlack
from tests.patience import PATIENCE_S

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
NUM_JOBS, NUM_ENDINGS, NUM_TEXTS = 16, 12, 4
ENDING = "That is all."
TOO_MANY_REQUESTS = 429


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as server:
        for number in range(NUM_JOBS):
            server.add_channel(f"C{number}", f"c{number}", members=["U1", server.bot_user_id])
        server.keep_tiers()
        yield server


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


@contextlib.asynccontextmanager
async def process(slack: FakeSlack, redis_url: str) -> AsyncIterator[Delivery]:
    """What one bots process has of a way out."""
    store = await open_store(redis_url, allow_volatile=False)
    surface = SlackSurface(SlackAccess(slack.bot_token, slack.api_url), SharedRateBudget(store))
    delivery = Delivery(store, surface, LIMITS, Metrics())
    reading = asyncio.create_task(Outbox(redis_url, Platform.SLACK, delivery).run())
    try:
        yield delivery
    finally:
        await end([reading])
        await delivery.close()
        await store.close()


async def ask(slack: FakeSlack, scribe: Scribe, number: int) -> Job:
    said = await slack.say(f"C{number}", "U1", "hello")
    origin = Origin(Platform.SLACK, slack.team_id, f"C{number}", said.ts, said.ts, "U1")
    job = await asyncio.to_thread(scribe.accept, origin)
    await asyncio.to_thread(scribe.begin, job)
    return job


def updates(slack: FakeSlack) -> list[ApiRequest]:
    return slack.calls(UPDATE)


def refused(slack: FakeSlack) -> list[str]:
    return [r.method for r in slack.requests if r.status == TOO_MANY_REQUESTS]


async def test_two_processes_meet_no_limit_and_show_endings_before_texts(
    slack: FakeSlack, scribe: Scribe, quiet_redis: str
) -> None:
    async with process(slack, quiet_redis) as one, process(slack, quiet_redis) as two:
        deliveries = (one, two)
        jobs = [await ask(slack, scribe, number) for number in range(NUM_JOBS)]
        for number, job in enumerate(jobs):
            deliveries[number % 2].announce(job)

        async def write(text: str) -> None:
            for number, job in enumerate(jobs):
                await asyncio.to_thread(scribe.write, job, text)
                await deliveries[number % 2].nudge(job.id)

        # more than a minute's share for texts: 50 a minute, of which 20 are kept for endings
        for number in range(NUM_TEXTS):
            await write(f"Text {number}")
            await asyncio.sleep(1.1)
        num_texts = len(updates(slack))
        assert num_texts < NUM_JOBS * NUM_TEXTS, "they were slowed down"

        for job in jobs[:NUM_ENDINGS]:
            await asyncio.to_thread(scribe.end, job, ENDING)
        for job in jobs[:NUM_ENDINGS]:
            await asyncio.to_thread(scribe.wait_state, job, "delivered")
        shown = [r.arguments["text"] for r in updates(slack)[num_texts:]]
        assert shown[: NUM_ENDINGS + 1].count(ENDING) >= NUM_ENDINGS, shown

        for job in jobs[NUM_ENDINGS:]:
            await asyncio.to_thread(scribe.end, job, ENDING)
        for job in jobs[NUM_ENDINGS:]:
            await asyncio.to_thread(scribe.wait_state, job, "delivered")

    answers = [m.text for c in range(NUM_JOBS) for m in slack.messages(f"C{c}") if m.bot_id]
    assert answers == [ENDING] * NUM_JOBS
    assert refused(slack) == []


async def test_what_slack_says_to_one_process_is_known_to_the_other(
    slack: FakeSlack, scribe: Scribe, quiet_redis: str, bots_store: AsyncStore
) -> None:
    slack.fail_next(UPDATE, status=TOO_MANY_REQUESTS, retry_after_s=30.0)
    other = SharedRateBudget(bots_store)
    bucket = bucket_of(slack.team_id, "C0", UPDATE)
    async with process(slack, quiet_redis) as one:
        job = await ask(slack, scribe, 0)
        one.announce(job)
        await slack.wait_for_message("C0", user=slack.bot_user_id)
        assert await other.take(bucket, Rank.ENDING) == 0.0

        await asyncio.to_thread(scribe.end, job, ENDING)
        await slack.wait_for(lambda: refused(slack))

        async with asyncio.timeout(PATIENCE_S):
            while (wait_s := await other.take(bucket, Rank.ENDING)) == 0.0:  # noqa: ASYNC110 - it happens in Redis
                await asyncio.sleep(0.02)
    assert 20.0 < wait_s <= 30.0
