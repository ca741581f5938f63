"""Delivery manager of one platform: one ``LiveReply`` for each answer that is being shown.

Several bots processes may run one at once; the ledger decides which may show a job. Reading from
the outbox is bounded: what this process has no room for waits there.
"""

import asyncio
import random
import secrets
from collections.abc import Coroutine

from bots.delivery.live_reply import FIRST_RETRY_S, LONGEST_RETRY_S, PASSING, LiveReply, Tools
from bots.delivery.posts import PostContext
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.reach import REACH_PATIENCE, Reach, ReachPatience
from bots.delivery.surface import OutboxEntry, Surface
from bots.delivery.turns import Rank, RateAllowance, Turns
from bots.metrics import Metrics
from bots.store import AsyncStore
from bots.tasks import end
from shared.errors import (
    CodecError,
    NewerDocumentError,
    PlatformError,
    RateLimitedError,
    UndeliverableError,
)
from shared.jobs import Job
from shared.ledger import answer_actions, presentation
from shared.ledger.answer_actions import Did
from shared.ledger.lifecycle import JobLimits, Ready
from shared.logs import get_logger
from shared.replies import Done, Tagged
from shared.streaming_cadence import NOTICES_AT_ONCE

__all__ = ["Delivery", "OutboxEntry", "Surface"]

log = get_logger(__name__)

MAX_ENDINGS = 256
"""Final replies in hand; more wait in the outbox."""
MAX_LIVE = 1024
"""Answers in hand, in any state. Above it queue notices are shown a little later."""
MAX_REMOVALS = 8
"""Tries to delete a message, over some two minutes."""


class Delivery:
    """The answers of one platform."""

    def __init__(
        self,
        store: AsyncStore,
        surface: Surface,
        limits: JobLimits,
        metrics: Metrics,
        patience: ReachPatience = REACH_PATIENCE,
    ) -> None:
        self.store = store
        self.metrics = metrics
        self.name = secrets.token_hex(6)
        """This process's name for the ledger and the outbox's consumer group."""
        self._surface = surface
        self._limits = limits
        self._budget = SharedRateBudget(store)
        self._turns = Turns(self._budget)
        self._made: Tools | None = None
        self._live: dict[str, LiveReply] = {}
        self._last: dict[str, LiveReply] = {}
        """Conversation -> the latest of its endings in hand."""
        self._marked: dict[str, OutboxEntry] = {}
        """Job that owes no answer -> its outcome, which is being shown."""
        self._awaited: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._reach = Reach(self._has_room.set, patience)

    @property
    def tells_to_wait(self) -> bool:
        """Whether people who wait get a notice."""
        return self._surface.cadence.notice_every_s is not None

    @property
    def num_free(self) -> int:
        """How many more final replies there is room for; none if the platform is not reached."""
        return 0 if self._reach.is_given_up else max(0, MAX_ENDINGS - len(self.entries))

    @property
    def entries(self) -> list[OutboxEntry]:
        """The outbox entries of the final replies in hand."""
        endings = [reply.entry for reply in self._live.values() if reply.entry]
        return [*endings, *self._marked.values()]

    async def wait_for_room(self) -> None:
        """Wait until there is room for another final reply."""
        while self.num_free == 0:
            self._has_room.clear()
            await self._has_room.wait()

    def announce(self, job: Job) -> None:
        """A job was accepted here: show that an answer is coming."""
        self.metrics.accepted.labels(job.origin.platform).inc()
        if len(self._live) < MAX_LIVE:
            self._reply(job, is_new=True)

    async def nudge(self, job_id: str) -> None:
        """A job's partial text has changed."""
        if (reply := self._live.get(job_id)) or (reply := await self._pick_up(job_id)):
            reply.nudge()

    async def pick_up_waiting(self, outbox: str) -> None:
        """Show queue notices for waiting jobs whose announcing process has died."""
        num_free = MAX_LIVE - len(self._live)
        if num_free > 0:
            for job_id in await self.store.run(presentation.unshown(outbox, num_free)):
                await self._pick_up(job_id)

    def conclude(self, job: Job, entry: OutboxEntry) -> None:
        """Accept a job's final reply. Must be called in the order of the outbox."""
        if not job.kind.is_answered and not isinstance(entry.reply, Done):
            if job.id not in self._marked:
                self._marked[job.id] = entry
                self._spawn(self._mark(job, entry))
            return
        reply = self._reply(job)
        if reply.entry:
            return
        before = self._last.get(job.origin.conversation)
        self._last[job.origin.conversation] = reply
        reply.conclude(entry, before)

    async def _mark(self, job: Job, entry: OutboxEntry) -> None:
        """Mark the message of a job that owes no answer with its outcome, if there is a mark."""
        tagged = entry.reply if isinstance(entry.reply, Tagged) else Tagged("")
        try:
            if tagged.was:
                async with self._turns.turn(job.origin.channel, lambda: Rank.NOTICE):
                    await self._surface.unreact(job, tagged.was)
            if tagged.reaction:
                async with self._turns.turn(job.origin.channel, lambda: Rank.NOTICE):
                    await self._surface.react(job, tagged.reaction)
        except PlatformError as error:
            log.info("message_not_marked", job=job.id, reason=type(error).__name__)
        try:
            await self.close_job(job.id, entry)
        except PASSING as error:
            log.warning("closing_delayed", job=job.id, error=type(error).__name__)
        finally:
            del self._marked[job.id]  # an entry left open is claimed from the outbox again
            self._has_room.set()

    async def retract(self, job_id: str) -> Ready | None:
        """Stop showing an answer whose question was deleted, and delete its messages.

        Returns:
            the job that may run next, and has to be handed to Celery.

        Raises:
            redis.RedisError, TimeoutError: the ledger did not answer; nothing has changed.
        """
        withdrawn = await self.store.run_confirmed(answer_actions.withdraw(job_id))
        if withdrawn.did is not Did.WITHDRAWN:
            return None
        log.info("job_withdrawn", job=job_id)
        if job := await self.find_job(job_id):
            for message in withdrawn.posted:
                self._remove_soon(job, message)
        if event := self._awaited.get(job_id):
            event.set()
        return withdrawn.ready

    async def wait_delivered(self, job_id: str) -> None:
        """Wait until a job that was announced here has been shown, however long that takes."""
        event = self._awaited.setdefault(job_id, asyncio.Event())
        try:
            await event.wait()
        finally:
            del self._awaited[job_id]

    async def close_job(self, job_id: str, entry: OutboxEntry) -> None:
        """Close a job whose reply has been shown, or can never be."""
        await self.store.run(presentation.note_delivered(job_id, entry.outbox, entry.id))
        if event := self._awaited.get(job_id):
            event.set()

    async def close(self) -> None:
        """Stop showing; what is not shown yet stays in the outbox."""
        await end(list(self._tasks))

    async def find_job(self, job_id: str) -> Job | None:
        """The job of this id; None if the ledger has none that this process can read."""
        try:
            return await self.require_job(job_id)
        except NewerDocumentError as error:
            log.warning("newer_document", job=job_id, reason=str(error))
            return None

    async def require_job(self, job_id: str) -> Job | None:
        """The job of this id; None if the ledger has none, or a broken one.

        Raises:
            NewerDocumentError: a newer process wrote it, and can show its answer.
        """
        try:
            return await self.store.find_job(job_id)
        except NewerDocumentError:
            raise
        except CodecError:
            log.exception("job_unreadable", job=job_id)
            return None

    async def _pick_up(self, job_id: str) -> LiveReply | None:
        if reply := self._live.get(job_id):
            return reply
        job = await self.find_job(job_id)
        if job is None:
            log.warning("job_unknown", job=job_id)
            return None
        return self._reply(job)

    def _reply(self, job: Job, *, is_new: bool = False) -> LiveReply:
        reply = self._live.get(job.id)
        if reply is None:
            reply = self._live[job.id] = LiveReply(job, self._tools(), is_new=is_new)
            self._spawn(self._run(reply))
        return reply

    def _tools(self) -> Tools:
        """What live replies share; made once the event loop runs, because they use its clock."""
        if self._made is None:
            every_s = self._surface.cadence.notice_every_s
            clock = asyncio.get_running_loop().time
            notices = None if every_s is None else RateAllowance(NOTICES_AT_ONCE, every_s, clock)
            remove = self._remove_soon
            context = PostContext(
                self.store, self._surface, self._limits, self.name, remove, self._budget
            )
            self._made = Tools(context, self._turns, notices, self._spawn, self._reach)
        return self._made

    def _spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, reply: LiveReply) -> None:
        try:
            outcome = await reply.run()
            if outcome is not None and reply.entry:
                await self._end(reply, reply.entry, outcome)
        except Exception:
            log.exception("delivery_crashed", job=reply.job.id)
        finally:
            self._drop(reply)

    async def _end(self, reply: LiveReply, entry: OutboxEntry, outcome: str) -> None:
        """Close a job whose ending is shown."""
        await reply.confirm()
        while True:
            try:
                await self.close_job(reply.job.id, entry)
                break
            except PASSING as error:
                log.warning("closing_delayed", job=reply.job.id, error=type(error).__name__)
                await asyncio.sleep(FIRST_RETRY_S)
        if outcome:
            self.metrics.delivered.labels(reply.job.origin.platform, outcome).inc()
            num_parts = reply.num_parts
            log.info("job_delivered", job=reply.job.id, outcome=outcome, num_parts=num_parts)

    def _drop(self, reply: LiveReply) -> None:
        reply.shown.set()
        del self._live[reply.job.id]
        conversation = reply.job.origin.conversation
        if self._last.get(conversation) is reply:
            del self._last[conversation]
        self._has_room.set()

    def _remove_soon(self, job: Job, message: str) -> None:
        self._spawn(self._remove(job, message))

    async def _remove(self, job: Job, message: str) -> None:
        """Delete a message, unless it is gone or the platform refuses."""
        retry_s = FIRST_RETRY_S
        for _ in range(MAX_REMOVALS):
            try:
                async with self._turns.turn(job.origin.channel, lambda: Rank.ENDING):
                    await self._surface.delete(job, message)
            except UndeliverableError as error:
                log.info("message_not_removed", job=job.id, reason=str(error))
            except RateLimitedError:
                continue
            except PASSING:
                await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
                continue
            return
        log.error("message_not_removed", job=job.id, reason="the platform does not answer")
