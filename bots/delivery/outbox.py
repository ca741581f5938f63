"""Reader of one platform's outbox: nudges about partial texts, and the stream of final replies.

Final replies stay pending in the consumer group until they are shown; those of a process that died
are claimed by a living one. No more are read than there is room for: the others wait in the stream,
which is never trimmed. Nudges may be lost: the next one, or the final reply, makes up for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from bots.delivery.manager import Delivery
from bots.delivery.surface import OutboxEntry
from bots.redis_client import client_of
from shared.connections.silence import Silence, text_of
from shared.errors import CodecError, NewerDocumentError
from shared.ledger import keys, presentation
from shared.logs import get_logger
from shared.replies import Failed, Final

log = get_logger(__name__)

READ_COUNT = 64
BLOCK_MS = 1000
CLAIM_EVERY_S = 2.0
"""How often a reader refreshes its entries, and looks for those of dead readers."""
LOOK_EVERY_S = 3.0
"""How often to look for waiting jobs whose queue notices no process shows."""
UNREADABLE = Failed("unreadable", "Something went wrong with this answer. Please ask again.")
RETRY_S = 0.5
READ_TIMEOUT_S = 10


class Outbox:
    """Reads one platform's replies and hands them to its delivery."""

    def __init__(self, redis_url: str, name: str, delivery: Delivery) -> None:
        self._name = name
        self._stream = keys.outbox(name)
        self._channel = keys.nudge(name)
        self._delivery = delivery
        self._left: set[str] = set()
        """Entries that a newer process wrote and this one could not read."""
        # A client of its own: its blocking reads would hold up other callers.
        self._client = client_of(
            redis_url, socket_timeout=READ_TIMEOUT_S, socket_keepalive=True, health_check_interval=5
        )

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._steps():
                    group.create_task(self._forever(step))
        finally:
            await self._client.aclose()

    def _steps(self) -> list[Callable[[], Awaitable[None]]]:
        steps: list[Callable[[], Awaitable[None]]] = [self._listen, self._read, self._claim]
        return [*steps, self._look] if self._delivery.tells_to_wait else steps

    async def open(self) -> None:
        """Create the consumer group, from the stream's beginning, unless it exists."""
        try:
            await self._client.xgroup_create(self._stream, keys.OUTBOX_GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat until cancelled; when Redis has been away, go on once it is back."""
        while not _is_cancelled():
            try:
                await self.open()
                await step()
            except (redis.RedisError, OSError, TimeoutError) as error:
                log.warning("outbox_interrupted", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        async with self._client.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            silence = Silence()
            while not _is_cancelled():
                message: Any = await pubsub.get_message(
                    ignore_subscribe_messages=True, timeout=BLOCK_MS / 1000
                )
                if silence.note(message):
                    await pubsub.ping()
                if job_id := text_of(message):
                    await self._delivery.nudge(job_id)

    async def _read(self) -> None:
        # First the entries read before Redis went away, so that they keep their order.
        await self._read_from("0")
        while not _is_cancelled():
            await self._delivery.wait_for_room()
            await self._read_from(">")

    async def _read_from(self, start: str) -> None:
        streams: Any = await self._client.xreadgroup(
            keys.OUTBOX_GROUP,
            self._delivery.name,
            {self._stream: start},
            count=min(READ_COUNT, self._delivery.num_free) if start == ">" else None,
            block=BLOCK_MS,
        )
        for _, entries in _pairs(streams):
            await self._take(entries)

    async def _claim(self) -> None:
        while not _is_cancelled():
            await self._keep()
            if num_free := self._delivery.num_free:
                await self._take_over(min(READ_COUNT, num_free))
            await _pause(CLAIM_EVERY_S)

    async def _take_over(self, most: int) -> None:
        answer: Any = await self._client.xautoclaim(
            self._stream, keys.OUTBOX_GROUP, self._delivery.name, keys.CLAIM_AFTER_MS, count=most
        )
        if answer[2]:
            log.error("outbox_entries_deleted", num_entries=len(answer[2]))
        await self._take(answer[1])

    async def _keep(self) -> None:
        """Keep other processes from claiming entries in hand, however slow the platform is."""
        in_hand: list[Any] = [entry.id for entry in self._delivery.entries]
        if in_hand:
            await self._client.xclaim(
                self._stream, keys.OUTBOX_GROUP, self._delivery.name, 0, in_hand, justid=True
            )

    async def _look(self) -> None:
        while not _is_cancelled():
            await self._delivery.pick_up_waiting(self._name)
            await _pause(LOOK_EVERY_S)

    async def _take(self, entries: list[tuple[bytes, dict[bytes, bytes] | None]]) -> None:
        for entry_id, fields in entries:
            if fields is None:
                log.error("outbox_entries_deleted", num_entries=1)
                continue
            job_id = fields.get(b"job", b"").decode(errors="replace")
            try:
                entry = OutboxEntry(entry_id.decode(), self._name, _read_reply(job_id, fields))
                job = await self._delivery.require_job(job_id)
            except NewerDocumentError as error:
                await self._leave(entry_id.decode(), job_id, str(error))
                continue
            if job:
                self._delivery.conclude(job, entry)
            else:
                log.error("reply_without_job", job=job_id)
                await self._delivery.close_job(job_id, entry)

    async def _leave(self, entry: str, job_id: str, reason: str) -> None:
        """Leave an entry to a process of the version that wrote it; log each once."""
        if entry not in self._left:
            self._left = {*list(self._left)[-READ_COUNT:], entry}
            log.warning("newer_document", job=job_id, reason=reason)
        call = presentation.leave(self._name, self._delivery.name, entry, job_id)
        await self._delivery.store.run(call)


def _read_reply(job_id: str, fields: dict[bytes, bytes]) -> Final:
    """The reply of an entry; an error sentence in its place if it is broken.

    Raises:
        NewerDocumentError: a newer process wrote it.
    """
    try:
        return presentation.read_final(fields.get(b"reply", b""))
    except NewerDocumentError:
        raise
    except CodecError:
        log.exception("reply_unreadable", job=job_id)
        return UNREADABLE


def _is_cancelled() -> bool:
    """Whether this task's cancellation was requested.

    redis-py turns a cancellation that arrives while it connects into a timeout, and goes on.
    """
    task = asyncio.current_task()
    return bool(task and task.cancelling())


async def _pause(seconds: float) -> None:
    """Wait, unless this task's cancellation was requested."""
    if not _is_cancelled():
        await asyncio.sleep(seconds)


def _pairs(streams: Any) -> Any:  # noqa: ANN401 - a list of pairs in RESP2, a dict in RESP3
    if isinstance(streams, dict):
        return [(name, [e for chunk in chunks for e in chunk]) for name, chunks in streams.items()]
    return streams or []
