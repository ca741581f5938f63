"""An answer that is too long to be shown goes on in a file, in its last message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from bots.delivery.manager import Delivery
from bots.delivery.outbox import Outbox
from bots.delivery.rate_budget import SharedRateBudget
from bots.metrics import Metrics
from bots.render.notices import FILE_NOTE
from bots.render.slack import render_for_slack
from bots.slack.sdk.client import SlackAccess
from bots.slack.sdk.surface import SlackSurface
from bots.slack.sdk.uploads import NO_DOCUMENT
from bots.store import AsyncStore
from bots.tasks import end
from shared.jobs import Origin, Platform
from shared.ledger.lifecycle import JobLimits
from tests.chaos.way_out import Scribe, scribe_at
from tests.fakes.slack_server import FakeSlack

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
LONG = "\n\n".join(f"Paragraph {number}: " + "some words " * 30 for number in range(80))


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as server:
        server.add_channel("C1", "c1", members=["U1", server.bot_user_id])
        yield server


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


@contextlib.asynccontextmanager
async def delivering(
    slack: FakeSlack, store: AsyncStore, redis_url: str
) -> AsyncIterator[Delivery]:
    access = SlackAccess(slack.bot_token, slack.api_url)
    surface = SlackSurface(access, SharedRateBudget(store), max_parts=2)
    delivery = Delivery(store, surface, LIMITS, Metrics())
    reading = asyncio.create_task(Outbox(redis_url, Platform.SLACK, delivery).run())
    try:
        yield delivery
    finally:
        await end([reading])
        await delivery.close()


async def shown(slack: FakeSlack, scribe: Scribe) -> list[str]:
    """The messages of an answer that is long."""
    said = await slack.say("C1", "U1", "hello")
    job = await asyncio.to_thread(
        scribe.accept, Origin(Platform.SLACK, slack.team_id, "C1", said.ts, said.ts, "U1")
    )
    await asyncio.to_thread(scribe.begin, job)
    await asyncio.to_thread(scribe.end, job, LONG)
    await asyncio.to_thread(scribe.wait_state, job, "delivered")
    return [message.text for message in slack.messages("C1") if message.bot_id]


async def test_a_long_answer_goes_on_in_a_file_on_slack(
    slack: FakeSlack, bots_store: AsyncStore, scribe: Scribe, quiet_redis: str
) -> None:
    async with delivering(slack, bots_store, quiet_redis):
        *parts, last = await shown(slack, scribe)

    assert parts == render_for_slack(LONG)[:2]
    assert last.startswith(f"_{FILE_NOTE.strip('*')}_")
    (file,) = slack.files
    assert (file.name, file.content) == ("answer.md", LONG.encode())
    assert f"{file.id}|answer.md>" in last


async def test_a_file_that_slack_does_not_take_is_owned_up_to(
    slack: FakeSlack, bots_store: AsyncStore, scribe: Scribe, quiet_redis: str
) -> None:
    slack.fail_next("files.getUploadURLExternal", error="missing_scope")

    async with delivering(slack, bots_store, quiet_redis):
        texts = await shown(slack, scribe)

    assert NO_DOCUMENT in texts[-1]
