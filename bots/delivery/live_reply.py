"""Live reply: one answer in its channel, from the first "is typing" until its ending is shown.

The text to show is chosen when the platform has time for it: the ending if there is one by then,
else the newest text, else how long the model has thought, else the place in the queue.
"""

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import redis

from bots.delivery.buttons import AnswerButtons, buttons_for
from bots.delivery.posts import PostContext, Posts
from bots.delivery.reach import Reach
from bots.delivery.surface import OutboxEntry, Piece, TextFile
from bots.delivery.turns import Rank, RateAllowance, Turns
from bots.render.notices import (
    OPEN,
    final_text,
    note_below_file,
    thinking_notice,
    waiting_notice,
    with_lateness,
)
from bots.render.split import Unfinished
from shared.errors import PlatformUnavailableError, RateLimitedError, UndeliverableError
from shared.jobs import Audience, Job
from shared.ledger import status
from shared.ledger.presentation import PresentationLock
from shared.ledger.rate_budget import Bucket
from shared.logs import get_logger
from shared.replies import Done, Failed, Final, Picture, Snapshot
from shared.streaming_cadence import (
    LONGEST_NOTICE_EVERY_S,
    NOTICE_AFTER_S,
    NOTICE_EVERY_S,
    NOTICE_S_PER_JOB,
)

log = get_logger(__name__)

IDLE_S = 60.0
"""A live reply without news for so long is dropped; a nudge brings it back."""
BUSY_WAIT_S = 0.2
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
DOUBT_S = 2.0
"""After so long a post without a response is looked up on the platform."""
CONFIRM_AFTER_S = 15.0
"""An edit that the platform took longer for than this is considered lost."""
PASSING = (PlatformUnavailableError, redis.RedisError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Tools:
    """What all live replies of one platform share."""

    context: PostContext
    turns: Turns
    notices: RateAllowance | None
    """The rate of notices; None: there are none of the queue, and no limit for others."""
    spawn: Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]
    reach: Reach


class LiveReply:
    """One answer that is being shown."""

    def __init__(self, job: Job, tools: Tools, *, is_new: bool) -> None:
        """``is_new``: it was accepted just now, and may be started at once."""
        self.job = job
        self._tools = tools
        self._surface = tools.context.surface
        self._store = tools.context.store
        self._posts = Posts(job, tools.context)
        self._place = job.origin.channel
        """The place in which one call is made at a time."""
        self._changed = asyncio.Event()
        self._concluded = asyncio.Event()
        self.shown = asyncio.Event()
        """Set once this process shows nothing more: the next ending of the conversation may
        follow."""
        self.entry: OutboxEntry | None = None
        self._after: asyncio.Event | None = None
        self._is_new = is_new
        self._is_quiet = job.is_unasked or not tools.context.surface.can_edit(job)
        """Only the ending is still shown: the platform refused an earlier text or cannot edit it,
        the job is unasked, or it is over and its ending on its way."""
        self._has_text = False
        """There is text to show."""
        self._shows_text = False
        self._is_thinking = False
        """The model thinks, as far as is known: news are no text."""
        self._notice: str | None = None
        """The notice that is posted while there is no text."""
        self._typing: asyncio.Task[None] | None = None
        now_s = asyncio.get_running_loop().time()
        self._typing_at_s: float | None = None
        self._notice_at_s = now_s + (NOTICE_AFTER_S if is_new else 0.0)

    @property
    def num_parts(self) -> int:
        """The number of messages that show it."""
        return self._posts.num_parts

    def nudge(self) -> None:
        """Note that there is new text, or that the model has thought for longer."""
        self._has_text |= not self._is_thinking
        self._changed.set()

    def conclude(self, entry: OutboxEntry, after: "LiveReply | None") -> None:
        """Store the final reply; it is shown after that of another answer."""
        self.entry = entry
        if after:
            self._after = after.shown
        self._concluded.set()
        self._changed.set()
        self._tools.turns.look(self._place)

    async def run(self) -> str | None:
        """Show texts as they arrive until the final one is shown, or nothing arrives for long.

        Returns:
            the outcome, for the metrics: empty if another process shows the ending, None if there
            is none yet, or this process gives it up.
        """
        if self._is_new:
            self._show_busy()
        while not self._concluded.is_set():
            self._changed.clear()
            goes_on = self._is_quiet or await self._show_so_far()
            if goes_on:
                await self._pause()
                goes_on = await self._wait()
            if not goes_on and not self._concluded.is_set():
                break
        if self.entry is None:
            return None
        if self._after:
            await self._after.wait()
        outcome = await self._show_ending(self.entry.reply)
        self.shown.set()
        return outcome

    async def confirm(self) -> None:
        """Write the final text once more if an earlier edit may still take effect."""
        if self.entry and self._posts.is_in_doubt:
            await asyncio.sleep(CONFIRM_AFTER_S)
            self._posts.forget()
            await self._show_ending(self.entry.reply)

    async def _wait(self) -> bool:
        """Wait for news, or until the queue position has to be shown; False to give up."""
        loop = asyncio.get_running_loop()
        is_to_tell = bool(self._tools.notices) and not self._has_text and not self._is_quiet
        until_s = self._notice_at_s if is_to_tell else loop.time() + IDLE_S
        while True:
            self._show_busy()
            wakes_s = until_s if self._typing_at_s is None else min(until_s, self._typing_at_s)
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which in Python 3.11 may lose a cancellation.
                async with asyncio.timeout_at(wakes_s):
                    await self._changed.wait()
                return True
            if loop.time() >= until_s:
                return is_to_tell

    async def _pause(self) -> None:
        """Keep the platform's cadence; the first text and the final one do not wait for it."""
        if not self._shows_text and asyncio.get_running_loop().time() < self._notice_at_s:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._surface.cadence.edit_every_s):
                await self._concluded.wait()

    def _show_busy(self) -> None:
        """Show a busy sign now and then until something is posted."""
        every_s = self._surface.cadence.busy_every_s
        is_private = self.job.origin.audience is not Audience.CHANNEL
        is_awaited = not is_private and not self.job.is_unasked
        if every_s is None or not is_awaited or not self._posts.is_empty:
            self._typing_at_s = None
            return
        now_s = asyncio.get_running_loop().time()
        if self._typing_at_s is not None and now_s < self._typing_at_s:
            return
        self._typing_at_s = now_s + every_s
        if self._typing is None or self._typing.done():
            # in a task of its own: the ending does not wait for it
            self._typing = self._tools.spawn(self._surface.show_busy(self.job))

    def _rank(self) -> Rank | None:
        """The rank of what is to be shown before the ending; None once the ending has arrived."""
        if self.entry:
            return None
        is_notice = not self._has_text and not self._posts.is_empty
        return Rank.NOTICE if is_notice else Rank.TEXT

    async def _show_so_far(self) -> bool:
        """Show the text so far, or the placeholder; False if another process shows this answer."""
        try:
            await self._posts.clear_strays()
            if self._is_thinking or not self._shows_text:
                await self._look_at_snapshot()  # before a turn for a text is asked for
            if self._is_thinking and not self._posts.is_empty and not self._is_notice_due():
                return True
            bucket = self._bucket()
            async with self._tools.turns.turn(self._place, self._rank, bucket) as has_turn:
                text = await self._newest() if has_turn else None
                if text is None:
                    return True
                pieces = self._so_far(text)
                lock = await self._posts.show(pieces, is_final=False, is_paid=bool(bucket))
                if self._posts.may_cover:
                    await self._uncover()
        except UndeliverableError as error:
            log.warning("partial_refused", job=self.job.id, reason=str(error))
            self._is_quiet = True
            return True
        except PASSING as error:
            log.warning("partial_not_shown", job=self.job.id, error=type(error).__name__)
            if isinstance(error, RateLimitedError):
                self._changed.set()  # as soon as there is a turn again
            elif self._posts.has_doubtful_posts:
                asyncio.get_running_loop().call_later(DOUBT_S, self._changed.set)
            return True
        self._shows_text |= text != self._notice and lock is PresentationLock.GO
        self._is_quiet = lock is PresentationLock.OVER
        return lock not in {PresentationLock.THEIRS, PresentationLock.UNKNOWN}

    async def _uncover(self) -> None:
        """Show the ending again if this process may have overwritten it with an older text."""
        ending = await self._store.find_ending(self.job.id)
        await self._posts.uncover(self._ending(ending) if ending else ())

    def _bucket(self) -> Bucket | None:
        """The bucket that the next call is counted in; None if there may be nothing to show."""
        if self._has_text:
            return self._posts.bucket(Rank.TEXT)
        has_nothing = not self._posts.is_empty or self._surface.placeholder(self.job) is None
        return None if has_nothing else self._posts.bucket(Rank.NOTICE)

    def _so_far(self, text: str) -> list[Piece]:
        pieces = self._pieces(text, buttons_for(self.job, is_over=False))
        is_notice = text is self._notice
        return [dataclasses.replace(piece, is_notice=is_notice) for piece in pieces]

    def _ending(self, reply: Final) -> list[Piece]:
        picture = reply.picture if isinstance(reply, Done) else None
        text = with_lateness(self.job.late_s, final_text(reply))
        has_thought = isinstance(reply, Done) and reply.has_thought
        controls = buttons_for(self.job, is_over=True, has_thought=has_thought)
        pieces = self._pieces(text, controls, picture)
        last = pieces[-1].text
        if not isinstance(last, Unfinished):
            return pieces
        if not self._surface.can_edit(self.job):  # an answer for one person has no file
            rest = [Piece(part) for part in last.rest()]
            return [
                *pieces[:-1],
                Piece(last),
                *rest[:-1],
                Piece(rest[-1].text, picture, controls=controls),
            ]
        note = self._surface.render(note_below_file(reply))[0]
        return [
            *pieces[:-1],
            Piece(last, picture),
            Piece(note, document=TextFile(text), controls=controls),
        ]

    def _pieces(
        self, text: str, controls: AnswerButtons, picture: Picture | None = None
    ) -> list[Piece]:
        """The text as messages; the last of them holds the picture and the buttons."""
        *parts, last = self._surface.render(text)
        return [*map(Piece, parts), Piece(last, picture, controls=controls)]

    async def _newest(self) -> str | None:
        """The text to be shown by now; None for nothing at all."""
        snapshot = await self._look_at_snapshot()
        if snapshot and (text := snapshot.text.strip()):
            return with_lateness(self.job.late_s, text)
        thinking_s = snapshot.thinking_s if snapshot else None
        if self._tools.notices and self._is_notice_due():
            await self._look_at_queue(self._tools.notices, thinking_s)
        elif self._tools.notices is None and thinking_s is not None:
            self._notice = thinking_notice(thinking_s)
        if self._is_thinking and self._shows_text:
            return None  # an answer that was taken over stays as it is
        if self._notice is None and not self._is_quiet:
            self._notice = self._surface.placeholder(self.job)
        return self._notice

    def _is_notice_due(self) -> bool:
        is_limited = self._tools.notices is not None
        return not is_limited or asyncio.get_running_loop().time() >= self._notice_at_s

    async def _look_at_snapshot(self) -> Snapshot | None:
        """Look up the newest text, and whether the model thinks before there is one."""
        snapshot = await self._store.find_snapshot(self.job.id)
        has_text = bool(snapshot and snapshot.text.strip())
        is_thinking = snapshot is not None and snapshot.thinking_s is not None
        self._is_thinking = is_thinking and not has_text
        self._has_text = has_text or (self._has_text and not self._is_thinking)
        return snapshot

    async def _look_at_queue(self, notices: RateAllowance, thinking_s: float | None) -> None:
        """Look up the question's queue position, and the notice about it or about the thinking."""
        place = await self._store.run(status.queue_position(self.job.id))
        if place is None or place.state not in OPEN:
            self._is_quiet = True
            return
        every_s = NOTICE_EVERY_S + place.num_ahead * NOTICE_S_PER_JOB
        every_s = min(every_s, LONGEST_NOTICE_EVERY_S)
        self._notice_at_s = asyncio.get_running_loop().time() + every_s
        notice = waiting_notice(place)
        if notice is None and thinking_s is not None:
            notice = thinking_notice(thinking_s)
        if notice and notice != self._notice and notices.take():
            self._notice = notice

    async def _show_ending(self, reply: Final) -> str | None:
        """Show the final text, with retries; returns as ``run`` does, None if it is given up."""
        if self.job.is_unasked and not (isinstance(reply, Done) and reply.text):
            return reply.code if isinstance(reply, Failed) else "done"
        parts = self._ending(reply)
        retry_s = FIRST_RETRY_S
        reach = self._tools.reach
        while not reach.is_given_up:
            try:
                bucket = self._posts.bucket(Rank.ENDING)
                async with self._tools.turns.turn(self._place, lambda: Rank.ENDING, bucket):
                    lock = await self._posts.show(parts, is_final=True)
                if lock is PresentationLock.GO:
                    reach.note_reached()
                    return reply.code if isinstance(reply, Failed) else "done"
                if lock is not PresentationLock.BUSY:
                    await self._posts.clear_strays()
                    return ""
                await asyncio.sleep(BUSY_WAIT_S)
            except UndeliverableError as error:
                log.warning("job_undeliverable", job=self.job.id, reason=str(error))
                reach.note_reached()
                return "undeliverable"
            except RateLimitedError as error:
                log.warning("final_delayed", job=self.job.id, error=type(error).__name__)
            except PASSING as error:
                log.warning("final_delayed", job=self.job.id, error=type(error).__name__)
                if isinstance(error, PlatformUnavailableError):
                    reach.note_missed()
                await reach.wait(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
        return None
