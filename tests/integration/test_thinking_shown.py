"""An answer that is thought about before it is written: what a platform is asked to show, and when.

A real Redis, and the worker's steps by hand.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from bots.delivery.buttons import AnswerButtons
from bots.delivery.manager import Delivery
from bots.delivery.outbox import Outbox
from bots.delivery.surface import Piece
from bots.delivery.turns import Rank
from bots.metrics import Metrics
from bots.store import AsyncStore
from bots.tasks import end
from shared.jobs import Job, Origin, Platform
from shared.ledger.lifecycle import JobLimits
from shared.ledger.rate_budget import Bucket
from shared.replies import Done
from shared.streaming_cadence import Cadence
from tests.chaos.way_out import Scribe, scribe_at, wait_for
from tests.patience import PATIENCE_S

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
BUCKET = Bucket("thinking", per_minute=600.0, burst=100, reserve=0)


class Board:
    """A platform that keeps all that it is asked to show."""

    cadence = Cadence(edit_every_s=0.0, notice_every_s=0.01)

    def __init__(self) -> None:
        self.shown: list[Piece] = []
        self.ranks: list[Rank] = []
        """Those of the calls that were counted before they were made."""
        self._has_news = asyncio.Condition()

    def render(self, text: str) -> Sequence[str]:
        return [text]

    def placeholder(self, job: Job) -> str | None:
        del job
        return "…"

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        del job, is_begun
        self.ranks.append(rank)
        return BUCKET

    def can_edit(self, job: Job) -> bool:
        return bool(job)

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        await self._show(piece)
        return f"{job.id}-{part}"

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        assert message.startswith(job.id)
        await self._show(piece)

    async def _show(self, piece: Piece) -> None:
        async with self._has_news:
            self.shown.append(piece)
            self._has_news.notify_all()

    async def until(self, text: str) -> None:
        """Wait until a text is shown."""
        async with asyncio.timeout(PATIENCE_S), self._has_news:
            await self._has_news.wait_for(lambda: self.texts[-1:] == [text])

    @property
    def texts(self) -> list[str]:
        return [piece.text for piece in self.shown]

    async def delete(self, job: Job, message: str) -> None:
        raise AssertionError(f"{message} of {job.id} was not to be deleted")

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        raise AssertionError(f"part {part} of {job.id} is in no doubt: {text}, {after}")

    async def react(self, job: Job, emoji: str) -> None:
        raise AssertionError(f"{job.id} needs no {emoji}")

    async def unreact(self, job: Job, emoji: str) -> None:
        raise AssertionError(f"{job.id} has no {emoji}")

    async def show_busy(self, job: Job) -> None:
        raise AssertionError(f"{job.id} has a placeholder")


@pytest.fixture
def scribe(quiet_redis: str) -> Iterator[Scribe]:
    with scribe_at(quiet_redis) as scribe:
        yield scribe


class Desk:
    """A question in a worker's hand, and a process that shows what comes of it."""

    def __init__(self, board: Board, delivery: Delivery, scribe: Scribe, job: Job) -> None:
        self.board = board
        self.job = job
        self._delivery = delivery
        self._scribe = scribe

    async def think(self, thinking_s: float) -> None:
        """The model has thought for so long; returns once that is read."""
        num_reads = self._num_reads()
        await asyncio.to_thread(self._scribe.think, self.job, thinking_s, "Hm.")
        await self._delivery.nudge(self.job.id)
        await asyncio.to_thread(wait_for, lambda: self._num_reads() > num_reads, "a read")

    async def write(self, text: str) -> None:
        """The worker has written so much; returns once it is shown."""
        await asyncio.to_thread(self._scribe.write, self.job, text)
        await self._delivery.nudge(self.job.id)
        await self.board.until(text)

    async def end(self, reply: Done) -> None:
        """The worker ends; returns once that is shown."""
        await asyncio.to_thread(self._scribe.end, self.job, reply)
        await asyncio.to_thread(self._scribe.wait_state, self.job, "delivered")

    def _num_reads(self) -> int:
        """How often a snapshot was read: nothing else here is a GET."""
        stats: Any = self._scribe.client.info("commandstats")
        return int(stats.get("cmdstat_get", {"calls": 0})["calls"])


@pytest.fixture
async def desk(bots_store: AsyncStore, quiet_redis: str, scribe: Scribe) -> AsyncIterator[Desk]:
    board = Board()
    delivery = Delivery(bots_store, board, LIMITS, Metrics())
    outbox = Outbox(quiet_redis, Platform.SLACK, delivery)
    job = await asyncio.to_thread(scribe.accept, ORIGIN)
    await asyncio.to_thread(scribe.begin, job)
    reading = asyncio.create_task(outbox.run())
    try:
        yield Desk(board, delivery, scribe, job)
    finally:
        await end([reading])
        await delivery.close()


async def test_it_is_shown_for_how_long_the_model_thinks_until_there_is_text(desk: Desk) -> None:
    await desk.think(7.9)
    await desk.board.until("*Thinking… 7 s*")
    await desk.write("Co")
    await desk.end(Done("Cold.", has_thought=True))

    notice, *_ = desk.board.shown
    assert notice == Piece("*Thinking… 7 s*", controls=AnswerButtons.RUNNING, is_notice=True)
    assert desk.board.texts == ["*Thinking… 7 s*", "Co", "Cold."]
    assert desk.board.shown[-1].controls is AnswerButtons.THOUGHT


async def test_the_text_of_an_answer_that_was_taken_over_stays_while_it_is_thought_about(
    desk: Desk,
) -> None:
    await desk.write("Half")
    for thinking_s in (1.0, 5.0, 9.0):
        await desk.think(thinking_s)
    await desk.write("Half and whole")
    await desk.end(Done("Half and whole."))

    assert desk.board.texts == ["Half", "Half and whole", "Half and whole."]
    assert desk.board.shown[-1].controls is AnswerButtons.DONE


async def test_seconds_that_are_not_shown_cost_no_call_and_none_of_the_budget(desk: Desk) -> None:
    await desk.think(1.0)
    await desk.board.until("*Thinking… 1 s*")
    for thinking_s in range(2, 20):
        await desk.think(float(thinking_s))

    assert desk.board.texts == ["*Thinking… 1 s*"]
    assert desk.board.ranks.count(Rank.TEXT) == 1, "that of the notice"
