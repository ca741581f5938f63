"""An answer on its way to a platform that takes its time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from bots.delivery import Delivery
from bots.metrics import Metrics
from bots.store import Store, open_store
from shared.jobs import Job, Origin, Platform
from shared.ledger import Limits
from shared.replies import Picture
from tests.chaos.way_out import Scribe, scribe_at

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
LIMITS = Limits(deadline_ms=600_000, retention_ms=600_000)
TEXT = "The first words"
PATIENCE_S = 20


class SlowPlatform:
    """Takes a post only when it is let; keeps what stands in each message."""

    edit_every_s = 3600.0
    busy_every_s: float | None = None
    notice_every_s: float | None = None
    placeholder: str | None = "…"

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_post = asyncio.Event()
        self.is_edited = asyncio.Event()
        self.texts: list[str] = []

    def render(self, text: str) -> Sequence[str]:
        return [text]

    def can_edit(self, job: Job) -> bool:
        return bool(job)

    async def post(self, job: Job, part: int, text: str, picture: Picture | None = None) -> str:
        assert not picture
        self.is_asked.set()
        await self.may_post.wait()
        self.texts.append(text)
        return f"{job.id}-{part}"

    async def edit(self, job: Job, message: str, text: str, picture: Picture | None = None) -> None:
        assert message.startswith(job.id)
        assert not picture
        self.texts.append(text)
        self.is_edited.set()

    async def delete(self, job: Job, message: str) -> None:
        raise AssertionError(f"{message} of {job.id} was not to be deleted")

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        raise AssertionError(f"part {part} of {job.id} is in no doubt: {text}, {after}")

    async def react(self, job: Job, emoji: str) -> None:
        raise AssertionError(f"{job.id} is not to be marked with {emoji}")

    async def show_busy(self, job: Job) -> None:
        raise AssertionError(f"{job.id} has a placeholder")


@pytest.fixture
async def bots_store(quiet_redis: str) -> AsyncIterator[Store]:
    store = await open_store(quiet_redis, allow_volatile=False)
    yield store
    await store.client.aclose()
    await store.client.connection_pool.disconnect()


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


async def test_the_first_text_that_comes_while_the_placeholder_is_posted_is_shown_at_once(
    bots_store: Store, scribe: Scribe
) -> None:
    platform = SlowPlatform()
    delivery = Delivery(bots_store, platform, LIMITS, Metrics())
    job = await asyncio.to_thread(scribe.accept, ORIGIN)
    delivery.announce(job)
    async with asyncio.timeout(PATIENCE_S):
        await platform.is_asked.wait()
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, TEXT)
        await delivery.nudge(job.id)

        platform.may_post.set()
        await platform.is_edited.wait()

    assert platform.texts == ["…", TEXT]
    await delivery.close()
