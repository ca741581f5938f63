"""Shows answers: one coroutine a job posts and edits its message until the final text stands.

Knows no platform: a ``Surface`` does. The ledger says who may show a job now, so that several bots
processes never post twice and a late partial text never covers the final one.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import redis

from bots.metrics import Metrics
from bots.render.final import final_text
from bots.store import Store
from shared import keys, showing
from shared.errors import MessageGoneError, PlatformUnavailableError, UndeliverableError
from shared.jobs import Job
from shared.ledger import Limits
from shared.logs import get_logger
from shared.replies import Failed, Final
from shared.showing import Part, Turnstile

log = get_logger(__name__)

IDLE_S = 60.0
"""A job of which nothing is heard for so long is dropped from memory; a nudge brings it back."""
BUSY_WAIT_S = 0.2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
MS = 1000


class Surface(Protocol):
    """A platform as delivery sees it."""

    @property
    def edit_every_s(self) -> float:
        """The shortest time between two edits of one message."""
        ...

    @property
    def busy_every_s(self) -> float | None:
        """How often ``show_busy`` is to be called before the first text; None for never."""
        ...

    @property
    def placeholder(self) -> str | None:
        """Posted at once and replaced by the first text; None to post nothing before it."""
        ...

    def render(self, text: str) -> Sequence[str]:
        """The text as posts that fit the platform; an earlier text's closed posts do not change."""
        ...

    async def post(self, job: Job, part: int, text: str) -> str:
        """Post one part of the answer; returns the message's id.

        Raises:
            UndeliverableError: the place is closed to us; nothing was posted.
            PlatformUnavailableError: it may or may not have been posted.
        """
        ...

    async def edit(self, job: Job, message: str, text: str) -> None:
        """Replace a posted part. Raises as ``post`` does."""
        ...

    async def find(self, job: Job, part: int) -> str | None:
        """Look for a part that may have been posted; its message's id. Raises as ``post`` does."""
        ...

    async def show_busy(self, job: Job) -> None:
        """Show that an answer is coming; failures are nobody's business."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A final reply in the outbox."""

    id: str
    outbox: str
    reply: Final


class Delivery:
    """The way out of one platform."""

    def __init__(self, store: Store, surface: Surface, limits: Limits, metrics: Metrics) -> None:
        self.store = store
        self.surface = surface
        self.limits = limits
        self.metrics = metrics
        self.name = secrets.token_hex(6)
        """This presenter, to the ledger and to the outbox's consumer group."""
        self._live: dict[str, LiveReply] = {}
        self._awaited: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, job: Job) -> None:
        """A job was accepted here: show that an answer is coming."""
        self.metrics.accepted.labels(job.origin.platform).inc()
        self._reply(job.id).nudge()

    def nudge(self, job_id: str) -> None:
        """A job's partial text has changed."""
        self._reply(job_id).nudge()

    def conclude(self, job_id: str, entry: Entry) -> None:
        """A job's final reply is in the outbox."""
        self._reply(job_id).conclude(entry)

    async def wait_delivered(self, job_id: str) -> None:
        """Wait until a job that was announced here has been shown, however long it takes."""
        event = self._awaited.setdefault(job_id, asyncio.Event())
        try:
            await event.wait()
        finally:
            del self._awaited[job_id]

    async def close_job(self, job_id: str, entry: Entry) -> None:
        """Its reply has been shown, or can never be."""
        await self.store.run(showing.note_delivered(job_id, entry.outbox, entry.id))
        if event := self._awaited.get(job_id):
            event.set()

    async def close(self) -> None:
        """Stop showing; what is not shown stays in the outbox."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reply(self, job_id: str) -> "LiveReply":
        reply = self._live.get(job_id)
        if reply is None:
            reply = self._live[job_id] = LiveReply(self, job_id)
            task = asyncio.create_task(self._run(reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return reply

    async def _run(self, reply: "LiveReply") -> None:
        try:
            await reply.run()
        except Exception:
            log.exception("delivery_crashed", job=reply.job_id)
        finally:
            del self._live[reply.job_id]


class LiveReply:
    """One answer on its way to its channel."""

    def __init__(self, delivery: Delivery, job_id: str) -> None:
        self.job_id = job_id
        self._delivery = delivery
        self._surface = delivery.surface
        self._store = delivery.store
        self._changed = asyncio.Event()
        self._concluded = asyncio.Event()
        self._is_closed_to_us = False
        """The platform has refused a partial text: only the final one is tried again."""
        self._entry: Entry | None = None
        self._shown: dict[int, str] = {}
        """Part -> its text, as far as this process has shown it."""

    def nudge(self) -> None:
        """There may be new text."""
        self._changed.set()

    def conclude(self, entry: Entry) -> None:
        """The final reply has come."""
        self._entry = entry
        self._concluded.set()
        self._changed.set()

    async def run(self) -> None:
        """Show texts as they come until the final one stands, or nothing is heard for long."""
        job = await self._store.find_job(self.job_id)
        if job is None:
            log.warning("job_unknown", job=self.job_id)
            if self._entry:
                await self._delivery.close_job(self.job_id, self._entry)
            return
        while await self._wait(job):
            self._changed.clear()
            if self._entry:
                await self._conclude(job, self._entry)
                return
            goes_on = self._is_closed_to_us or await self._show_partial(job)
            if not goes_on and self._entry is None:
                return
            await self._pause()

    async def _wait(self, job: Job) -> bool:
        """Wait for news; False after a long silence."""
        every_s = self._surface.busy_every_s
        silent_s = 0.0
        while silent_s < IDLE_S:
            is_waiting_for_text = every_s is not None and not self._shown
            timeout_s = every_s if every_s is not None and is_waiting_for_text else IDLE_S
            if is_waiting_for_text:
                await self._surface.show_busy(job)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout_s)
                return True
            silent_s += timeout_s
        return False

    async def _pause(self) -> None:
        """Keep the platform's pace, but let the final text go ahead of it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._concluded.wait(), self._surface.edit_every_s)

    async def _show_partial(self, job: Job) -> bool:
        """Show the text so far; False if there is nothing left to do here."""
        try:
            snapshot = await self._store.find_snapshot(self.job_id)
            text = snapshot.text.strip() if snapshot else ""
            if not text and (self._shown or self._surface.placeholder is None):
                return True
            parts = self._surface.render(text) if text else [self._surface.placeholder or ""]
            turnstile = await self._show(job, parts, is_final=False)
        except UndeliverableError as error:
            log.warning("partial_refused", job=self.job_id, reason=str(error))
            self._is_closed_to_us = True
            return True
        except (PlatformUnavailableError, redis.RedisError, TimeoutError) as error:
            log.warning("partial_not_shown", job=self.job_id, error=type(error).__name__)
            return True
        return turnstile in {Turnstile.GO, Turnstile.BUSY}

    async def _conclude(self, job: Job, entry: Entry) -> None:
        """Show the final text, as often as it takes, and close the job."""
        parts = self._surface.render(final_text(entry.reply))
        outcome = entry.reply.code if isinstance(entry.reply, Failed) else "done"
        retry_s = FIRST_RETRY_S
        while True:
            try:
                turnstile = await self._show(job, parts, is_final=True)
                if turnstile is not Turnstile.BUSY:
                    break
                await asyncio.sleep(BUSY_WAIT_S)
            except UndeliverableError as error:
                log.warning("job_undeliverable", job=self.job_id, reason=str(error))
                outcome = "undeliverable"
                break
            except (PlatformUnavailableError, redis.RedisError, TimeoutError) as error:
                log.warning("final_delayed", job=self.job_id, error=type(error).__name__)
                await asyncio.sleep(retry_s)
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
        await self._delivery.close_job(self.job_id, entry)
        self._delivery.metrics.delivered.labels(job.origin.platform, outcome).inc()
        log.info("job_delivered", job=self.job_id, outcome=outcome, num_parts=len(parts))

    async def _show(self, job: Job, parts: Sequence[str], *, is_final: bool) -> Turnstile:
        """Post or edit every part that differs from what stands, if the ledger lets us."""
        name = self._delivery.name
        call = showing.show(self.job_id, name, is_final=is_final, num_parts=len(parts))
        show = await self._store.run(call)
        if show.turnstile is not Turnstile.GO:
            return show.turnstile
        async with self._holding():
            for number, (state, text) in enumerate(zip(show.parts, parts, strict=True)):
                if self._shown.get(number) != text:
                    await self._show_part(job, number, state, text, is_final=is_final)
                    self._shown[number] = text
        return show.turnstile

    async def _show_part(
        self, job: Job, number: int, state: str, text: str, *, is_final: bool
    ) -> None:
        message = await self._find(job, number) if state == Part.DOUBT else state
        if message is None or state == Part.NEW:
            await self._post(job, number, text)
            return
        try:
            await self._surface.edit(job, message, text)
        except MessageGoneError:
            if not is_final:
                raise
            # Somebody deleted what was there so far; the answer is owed all the same.
            await self._store.run(showing.note_gone(self.job_id, number))
            await self._post(job, number, text)

    async def _find(self, job: Job, number: int) -> str | None:
        """Look for a part that somebody may have posted before they died."""
        try:
            message = await self._surface.find(job, number)
        except UndeliverableError as error:
            # We may not look. A second beginning is better than no answer.
            log.warning("search_refused", job=self.job_id, reason=str(error))
            return None
        if message is not None:
            await self._note_posted(job, number, message)
        return message

    async def _post(self, job: Job, number: int, text: str) -> None:
        try:
            message = await self._surface.post(job, number, text)
        except UndeliverableError:
            await self._store.run(showing.note_not_posted(self.job_id, number))
            raise
        await self._note_posted(job, number, message)

    async def _note_posted(self, job: Job, number: int, message: str) -> None:
        await self._store.run(showing.note_posted(job, number, message, self._delivery.limits))

    @contextlib.asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        """Keep the right to call the platform, however slow it is; free it afterwards."""
        renewal = asyncio.create_task(self._keep_holding())
        try:
            yield
        finally:
            renewal.cancel()
            with contextlib.suppress(redis.RedisError, TimeoutError):
                await self._store.run(showing.free(self.job_id, self._delivery.name))

    async def _keep_holding(self) -> None:
        while True:
            await asyncio.sleep(keys.PRESENTER_LOCK_MS / MS / 3)
            with contextlib.suppress(redis.RedisError, TimeoutError):
                await self._store.run(showing.hold(self.job_id, self._delivery.name))
