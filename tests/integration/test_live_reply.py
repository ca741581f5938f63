"""An answer on its way to a platform that takes its time."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from bots.delivery.manager import Delivery
from bots.delivery.outbox import Outbox
from bots.delivery.reach import REACH_PATIENCE, ReachPatience
from bots.delivery.surface import Piece
from bots.delivery.turns import Rank
from bots.metrics import Metrics
from bots.store import AsyncStore, open_store
from bots.tasks import end
from shared.errors import PlatformUnavailableError, UndeliverableError
from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger.lifecycle import JobLimits
from shared.ledger.rate_budget import Bucket
from shared.replies import Done, Failed, Final, Tagged
from shared.streaming_cadence import Cadence
from shared.tasks import Tag, Translate
from tests.chaos.way_out import Scribe, scribe_at
from tests.patience import PATIENCE_S
from tests.redis_servers import replicated_redis

TAGGED = Origin(Platform.SLACK, "T1", "C1", "2.0", "2.0", "U1", act="tag")
ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
TEXT = "The first words"


class SlowPlatform:
    """Takes a post only when it is let; keeps what stands in each message."""

    cadence = Cadence(edit_every_s=3600.0)

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_post = asyncio.Event()
        self.is_edited = asyncio.Event()
        self.texts: list[str] = []
        self.marks: list[tuple[str, str]] = []
        self.refuses_marks = False

    def render(self, text: str) -> Sequence[str]:
        return [text]

    def placeholder(self, job: Job) -> str | None:
        del job
        return "…"

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        del job, rank, is_begun
        return None

    def can_edit(self, job: Job) -> bool:
        return bool(job)

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        assert not piece.picture
        self.is_asked.set()
        await self.may_post.wait()
        self.texts.append(piece.text)
        return f"{job.id}-{part}"

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        assert message.startswith(job.id)
        assert not piece.picture
        self.texts.append(piece.text)
        self.is_edited.set()

    async def delete(self, job: Job, message: str) -> None:
        raise AssertionError(f"{message} of {job.id} was not to be deleted")

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        raise AssertionError(f"part {part} of {job.id} is in no doubt: {text}, {after}")

    async def react(self, job: Job, emoji: str) -> None:
        self.marks.append((job.origin.message, emoji))
        if self.refuses_marks:
            raise UndeliverableError("no permission")

    async def unreact(self, job: Job, emoji: str) -> None:
        self.marks.remove((job.origin.message, emoji))

    async def show_busy(self, job: Job) -> None:
        raise AssertionError(f"{job.id} has a placeholder")


class FarPlatform(SlowPlatform):
    """Cannot be reached until it is let; has none of the posts that were not answered."""

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        if not self.may_post.is_set():
            self.is_asked.set()
            raise PlatformUnavailableError("no way there")
        return await super().post(job, part, piece)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        del job, part, text, after
        return ()


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


async def test_the_first_text_that_comes_while_the_placeholder_is_posted_is_shown_at_once(
    bots_store: AsyncStore, scribe: Scribe
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


@contextlib.asynccontextmanager
async def showing(
    store: AsyncStore,
    platform: SlowPlatform,
    redis_url: str,
    patience: ReachPatience = REACH_PATIENCE,
) -> AsyncIterator[None]:
    """Show what comes through the outbox of Slack."""
    delivery = Delivery(store, platform, LIMITS, Metrics(), patience)
    outbox = Outbox(redis_url, Platform.SLACK, delivery)
    reading = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        await end([reading])
        await delivery.close()


@pytest.mark.parametrize("refuses", [False, True], ids=["taken", "refused"])
async def test_a_message_that_was_rated_is_marked_and_nothing_is_posted(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str, *, refuses: bool
) -> None:
    platform = SlowPlatform()
    platform.refuses_marks = refuses
    job = make_job(Kind.TAG, TAGGED, "I love it", task=Tag("alice"))
    await asyncio.to_thread(scribe.accept_job, job)
    await asyncio.to_thread(scribe.answer, job, Tagged("positive", "😀"))

    async with showing(bots_store, platform, quiet_redis):
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert platform.marks == [("2.0", "😀")]
    assert platform.texts == []
    assert not platform.is_asked.is_set()


@pytest.mark.parametrize("reply", [Tagged("neutral"), Failed("deadline", "Too late.")])
async def test_a_rating_without_a_mark_or_that_failed_shows_nothing(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str, reply: Final
) -> None:
    platform = SlowPlatform()
    job = make_job(Kind.TAG, TAGGED, "hm", task=Tag("alice"))
    await asyncio.to_thread(scribe.accept_job, job)
    await asyncio.to_thread(scribe.answer, job, reply)

    async with showing(bots_store, platform, quiet_redis):
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert platform.marks == []
    assert not platform.is_asked.is_set()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Done("Bonjour."), ["Bonjour."]),
        (Done(""), []),
        (Failed("deadline", "I could not answer this in time."), []),
    ],
    ids=["translated", "nothing-to-translate", "failed"],
)
async def test_what_nobody_asked_for_is_shown_if_it_says_something(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str, reply: Final, expected: list[str]
) -> None:
    platform = SlowPlatform()
    platform.may_post.set()
    job = make_job(Kind.TRANSLATE, TAGGED, "Hello.", task=Translate("fr", is_unasked=True))
    await asyncio.to_thread(scribe.accept_job, job)
    await asyncio.to_thread(scribe.answer, job, reply)

    async with showing(bots_store, platform, quiet_redis):
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert platform.texts == expected


async def test_a_rating_that_has_noticed_a_drop_is_told_to_the_channel(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str
) -> None:
    platform = SlowPlatform()
    platform.may_post.set()
    job = make_job(Kind.TAG, TAGGED, "hm", task=Tag("alice"))
    await asyncio.to_thread(scribe.accept_job, job)
    await asyncio.to_thread(scribe.answer, job, "The mood has dropped.")

    async with showing(bots_store, platform, quiet_redis):
        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert platform.texts == ["The mood has dropped."]
    assert platform.marks == []


async def test_row_39_a_post_is_begun_only_when_a_replica_knows_of_it(tmp_path: Path) -> None:
    with replicated_redis(tmp_path) as pair, scribe_at(pair.url) as scribe:
        store = await open_store(pair.url, allow_volatile=False, num_replicas=1)
        platform = SlowPlatform()
        delivery = Delivery(store, platform, LIMITS, Metrics())
        job = await asyncio.to_thread(scribe.accept, ORIGIN)
        pair.replication.pause()
        delivery.announce(job)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(platform.is_asked.wait(), 1.5)

        pair.replication.resume()
        await asyncio.to_thread(scribe.begin, job)
        await asyncio.to_thread(scribe.write, job, TEXT)
        await delivery.nudge(job.id)
        await asyncio.wait_for(platform.is_asked.wait(), PATIENCE_S)
        platform.may_post.set()
        await delivery.close()
        await store.close()


async def test_a_process_that_does_not_reach_its_platform_leaves_the_answers_to_another(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str
) -> None:
    far, near = FarPlatform(), FarPlatform()
    near.may_post.set()
    origins = (ORIGIN, dataclasses.replace(ORIGIN, thread="3.0", message="3.0"))
    jobs = [make_job(Kind.CHAT, origin, "hello") for origin in origins]
    patience = ReachPatience(give_up_after_s=0.3, pause_s=8.0)
    async with showing(bots_store, far, quiet_redis, patience), asyncio.timeout(PATIENCE_S):
        for job in jobs:
            await asyncio.to_thread(scribe.accept_job, job)
            await asyncio.to_thread(scribe.answer, job, Done(TEXT))
        await far.is_asked.wait()

        async with showing(bots_store, near, quiet_redis):
            for job in jobs:
                await asyncio.to_thread(scribe.wait_state, job, "delivered")

        assert near.texts == [TEXT, TEXT]
        assert far.texts == []


async def test_a_process_that_is_alone_tries_again(
    bots_store: AsyncStore, scribe: Scribe, quiet_redis: str
) -> None:
    far = FarPlatform()
    job = make_job(Kind.CHAT, ORIGIN, "hello")
    patience = ReachPatience(give_up_after_s=0.3, pause_s=0.5)
    async with showing(bots_store, far, quiet_redis, patience), asyncio.timeout(PATIENCE_S):
        await asyncio.to_thread(scribe.accept_job, job)
        await asyncio.to_thread(scribe.answer, job, Done(TEXT))
        await far.is_asked.wait()
        await asyncio.sleep(2.0)
        far.may_post.set()

        await asyncio.to_thread(scribe.wait_state, job, "delivered")

    assert far.texts == [TEXT]
