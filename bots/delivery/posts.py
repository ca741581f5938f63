"""The posted messages of one answer: posted, found again, edited and deleted.

The ledger says which parts are posted, and whether this process may change them now. Platform calls
go through a ``Surface``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import redis

from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.surface import Piece, Surface
from bots.delivery.turns import Rank
from bots.store import AsyncStore
from bots.tasks import end
from shared.errors import (
    MessageGoneError,
    PlatformError,
    PlatformSilentError,
    PlatformUnavailableError,
    RateLimitedError,
    UndeliverableError,
)
from shared.jobs import Job
from shared.ledger import keys, presentation
from shared.ledger.lifecycle import JobLimits
from shared.ledger.presentation import PartState, PresentationLock
from shared.ledger.rate_budget import Bucket
from shared.logs import get_logger

log = get_logger(__name__)

MS = 1000
TURN_S = keys.PRESENTER_LOCK_MS / MS - 1
"""How long after the ledger's permission a call to the platform may be started."""


@dataclass(frozen=True, slots=True)
class PostContext:
    """What all answers of one platform are posted with."""

    store: AsyncStore
    surface: Surface
    limits: JobLimits
    name: str
    """This process's name for the ledger."""
    remove: Callable[[Job, str], None]
    """Have a message deleted, some time soon."""
    budget: SharedRateBudget
    """The calls that all processes together may make to the platform."""


class _PostIsTooLateError(Exception):
    """While a part was being posted, its question was deleted or another process posted it."""


class Posts:
    """The messages of one answer, as far as this process has shown them."""

    def __init__(self, job: Job, context: PostContext) -> None:
        self._job = job
        self._context = context
        self._surface = context.surface
        self._store = context.store
        self._shown: dict[int, Piece] = {}
        """Part number -> what is posted there."""
        self._held_at_s = 0.0
        """When the ledger last granted permission to change these messages, by the loop's clock."""
        self._doubtful_posts: dict[int, Piece] = {}
        """Part number -> a post that may have reached the platform."""
        self.is_in_doubt = False
        """An edit has failed in a way in which it may still take effect, and overwrite a later
        one."""
        self.may_cover = False
        """This process was frozen while it edited: another may have shown the ending before
        that."""

    @property
    def is_empty(self) -> bool:
        """Whether no part has been shown."""
        return not self._shown

    @property
    def num_parts(self) -> int:
        """How many parts have been shown."""
        return len(self._shown)

    @property
    def has_doubtful_posts(self) -> bool:
        """Whether a post may have succeeded although no confirmation arrived."""
        return bool(self._doubtful_posts)

    def bucket(self, rank: Rank) -> Bucket | None:
        """The bucket that the platform counts the next call for this answer in."""
        return self._surface.bucket(self._job, rank, is_begun=not self.is_empty)

    def forget(self) -> None:
        """Show everything once more the next time, whatever is posted there."""
        self._shown.clear()
        self.is_in_doubt = False

    async def show(
        self, parts: Sequence[Piece], *, is_final: bool, is_paid: bool = True
    ) -> PresentationLock:
        """Post or edit every part that differs from what is posted, if the ledger allows it.

        Args:
            parts: the texts to show.
            is_final: whether no further text follows.
            is_paid: whether the first call has been counted in the platform's budget.

        Raises:
            UndeliverableError: the bot may not post in this place.
            PlatformUnavailableError: it was done in part, or not at all.
            redis.RedisError, TimeoutError: likewise.
        """
        job_id, name = self._job.id, self._context.name
        asked_at_s = asyncio.get_running_loop().time()
        show = await self._store.run(
            presentation.show(job_id, name, is_final=is_final, num_parts=len(parts))
        )
        if show.lock is not PresentationLock.GO:
            return show.lock
        self._held_at_s = asked_at_s
        try:
            async with self._holding():
                states = list(show.parts)
                await self._confirm_posts(states)
                await self._show_parts(states, parts, is_final=is_final, is_paid=is_paid)
        except _PostIsTooLateError:
            return PresentationLock.BUSY  # the next reply of the ledger says what is posted there
        return PresentationLock.GO

    async def _confirm_posts(self, states: Sequence[str]) -> None:
        """Wait until replicas know which posts begin: forgotten by a failover, they would repeat.

        Raises:
            redis.RedisError, TimeoutError: they do not, and nothing was posted.
        """
        if PartState.NEW not in states and PartState.DOUBT not in states:
            return
        try:
            await self._store.confirm()
        except (redis.RedisError, TimeoutError):
            for number, state in enumerate(states):
                if state == PartState.NEW:
                    await self._store.run(presentation.note_not_posted(self._job.id, number))
            raise

    async def _show_parts(
        self, states: list[str], parts: Sequence[Piece], *, is_final: bool, is_paid: bool
    ) -> None:
        """Show what differs; ``states`` are the ledger's, and are replaced by the messages' ids."""
        number = 0
        try:
            for number, piece in enumerate(parts):
                if self._shown.get(number) != piece:
                    bucket = self.bucket(Rank.ENDING if is_final else Rank.TEXT)
                    if bucket and not is_paid:
                        await self._context.budget.spend(bucket)
                    is_paid = False
                    await self._show_part(states, number, piece, is_final=is_final)
                    self._shown[number] = piece
        except (PlatformError, _PostIsTooLateError):
            for later in range(number + 1, len(parts)):
                if states[later] == PartState.NEW:  # not even tried
                    await self._store.run(presentation.note_not_posted(self._job.id, later))
            raise
        if is_final:
            await self._clear_surplus(len(parts))

    async def _show_part(
        self, states: list[str], number: int, piece: Piece, *, is_final: bool
    ) -> None:
        """Show one part; afterwards its state is its message's id."""
        if states[number] == PartState.DOUBT:
            states[number] = await self._find(states, number, piece.text)
        if states[number] == PartState.NEW:
            states[number] = await self._post(number, piece)
            return
        try:
            await self._edit(states[number], piece, is_final=is_final)
        except MessageGoneError:
            if not is_final:
                raise
            # A person deleted the earlier message; the answer is owed all the same.
            await self._store.run(presentation.note_gone(self._job.id, number))
            states[number] = await self._post(number, piece)

    def _require_turn(self) -> None:
        """Stop a process that was frozen: another may have shown the ending meanwhile."""
        if self._is_overdue():
            raise _PostIsTooLateError

    def _is_overdue(self) -> bool:
        return asyncio.get_running_loop().time() - self._held_at_s > TURN_S

    async def _edit(self, message: str, piece: Piece, *, is_final: bool) -> None:
        self._require_turn()
        try:
            await self._surface.edit(self._job, message, piece)
        except PlatformSilentError:
            self.is_in_doubt = True
            raise
        finally:
            self.may_cover |= not is_final and self._is_overdue()

    async def uncover(self, parts: Sequence[Piece]) -> None:
        """Write an ending again that was overwritten, even if another process may show this job.

        Raises:
            PlatformError, redis.RedisError, TimeoutError: it may still be overwritten.
        """
        for number, piece in enumerate(parts):
            if message := await self._store.find_part(self._job.id, number):
                with contextlib.suppress(MessageGoneError):
                    await self._surface.edit(self._job, message, piece)
        self.may_cover = False

    async def _find(self, states: list[str], number: int, text: str) -> str:
        """Look for a part that a process may have posted before it died; else it is new."""
        before = states[number - 1] if number else None
        try:
            found = await self._surface.find(self._job, number, text, before)
        except UndeliverableError as error:
            # We may not look. A second beginning is better than no answer.
            log.warning("search_refused", job=self._job.id, reason=str(error))
            return PartState.NEW
        for message in found:
            # Messages that the ledger knows are parts of other answers, or other parts of this one.
            if await self._store.find_thread(self._job.origin, message) is None:
                await self._note_posted(number, message)
                return message
        return PartState.NEW

    async def clear_strays(self) -> None:
        """Delete our own unconfirmed posts where another process's post is recorded.

        Posts in doubt are found when they are shown again. A process that was frozen before it
        posted does not show again: another process has continued the answer.

        Raises:
            PlatformError, redis.RedisError, TimeoutError: some may be left.
        """
        for number, piece in list(self._doubtful_posts.items()):
            noted = await self._store.find_part(self._job.id, number)
            if noted is None:
                continue
            for message in await self._surface.find(self._job, number, piece.text, None):
                is_known = await self._store.find_thread(self._job.origin, message) is not None
                if message != noted and not is_known:
                    self._context.remove(self._job, message)
            del self._doubtful_posts[number]

    async def _post(self, number: int, piece: Piece) -> str:
        self._require_turn()
        try:
            message = await self._surface.post(self._job, number, piece)
        except (UndeliverableError, RateLimitedError):
            await self._store.run(presentation.note_not_posted(self._job.id, number))
            raise
        except PlatformUnavailableError:
            self._doubtful_posts[number] = piece
            raise
        await self._note_posted(number, message)
        return message

    async def _note_posted(self, number: int, message: str) -> None:
        call = presentation.note_posted(self._job, number, message, self._context.limits)
        self._doubtful_posts.pop(number, None)
        if not await self._store.run(call):
            self._context.remove(self._job, message)
            raise _PostIsTooLateError

    async def _clear_surplus(self, num_parts: int) -> None:
        """Delete parts of an earlier text that was longer than the final one."""
        for message in await self._store.run(presentation.surplus(self._job.id, num_parts)):
            self._context.remove(self._job, message)

    @contextlib.asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        """Hold the right to call the platform, however slow it is; release it afterwards."""
        renewal = asyncio.create_task(self._keep_holding())
        try:
            yield
        finally:
            await end([renewal])
            with contextlib.suppress(redis.RedisError, TimeoutError):
                await self._store.run(presentation.free(self._job.id, self._context.name))

    async def _keep_holding(self) -> None:
        while True:
            await asyncio.sleep(keys.PRESENTER_LOCK_MS / MS / 3)
            asked_at_s = asyncio.get_running_loop().time()
            with contextlib.suppress(redis.RedisError, TimeoutError):
                if await self._store.run(presentation.hold(self._job.id, self._context.name)):
                    self._held_at_s = asked_at_s
