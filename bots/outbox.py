"""Reads one platform's outbox: nudges about partial texts, and the stream of final replies.

Final replies stay pending in the consumer group until they are shown; those of a process that died
are claimed by whoever lives. Nudges may be lost: the next one, or the final reply, makes up for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from bots.delivery import Delivery, Entry
from shared import keys, showing
from shared.errors import CodecError
from shared.logs import get_logger

log = get_logger(__name__)

READ_COUNT = 64
BLOCK_MS = 1000
CLAIM_AFTER_MS = 5_000
"""A reply that was read and not shown for so long is taken over. Harmless if its reader lives: the
ledger lets one process show a job at a time, and the other finds it delivered."""
CLAIM_EVERY_S = 2.0
RETRY_S = 0.5
READ_TIMEOUT_S = 10


class Outbox:
    """One platform's replies on their way to its delivery."""

    def __init__(self, redis_url: str, name: str, delivery: Delivery) -> None:
        self._name = name
        self._stream = keys.outbox(name)
        self._channel = keys.nudge(name)
        self._delivery = delivery
        # A client of its own: its reads block for longer than others may take.
        self._client = redis.asyncio.Redis.from_url(
            redis_url, socket_timeout=READ_TIMEOUT_S, socket_keepalive=True, health_check_interval=5
        )

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for step in (self._listen, self._read, self._claim):
                    group.create_task(self._forever(step))
        finally:
            await self._client.aclose()

    async def open(self) -> None:
        """Make the consumer group, from the stream's beginning, unless it is there."""
        try:
            await self._client.xgroup_create(self._stream, keys.OUTBOX_GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Redis may be away for a while: go on when it is back."""
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
            while not _is_cancelled():
                message: Any = await pubsub.get_message(
                    ignore_subscribe_messages=True, timeout=BLOCK_MS / 1000
                )
                if message:
                    self._delivery.nudge(message["data"].decode())

    async def _read(self) -> None:
        while not _is_cancelled():
            streams: Any = await self._client.xreadgroup(
                keys.OUTBOX_GROUP,
                self._delivery.name,
                {self._stream: ">"},
                count=READ_COUNT,
                block=BLOCK_MS,
            )
            for _, entries in _pairs(streams):
                await self._take(entries)

    async def _claim(self) -> None:
        while not _is_cancelled():
            answer: Any = await self._client.xautoclaim(
                self._stream,
                keys.OUTBOX_GROUP,
                self._delivery.name,
                CLAIM_AFTER_MS,
                count=READ_COUNT,
            )
            if answer[2]:
                log.error("outbox_entries_deleted", num_entries=len(answer[2]))
            await self._take(answer[1])
            await asyncio.sleep(CLAIM_EVERY_S)

    async def _take(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for entry_id, fields in entries:
            job_id = fields[b"job"].decode()
            try:
                reply = showing.read_final(fields[b"reply"])
            except CodecError:
                log.exception("reply_unreadable", job=job_id)
                continue
            self._delivery.conclude(job_id, Entry(entry_id.decode(), self._name, reply))


def _is_cancelled() -> bool:
    """Whether this task has been asked to end.

    redis-py turns a cancellation that meets it while it connects into a timeout, and goes on.
    """
    task = asyncio.current_task()
    return bool(task and task.cancelling())


def _pairs(streams: Any) -> Any:  # noqa: ANN401 - a list of pairs in RESP2, a dict in RESP3
    if isinstance(streams, dict):
        return [(name, [e for chunk in chunks for e in chunk]) for name, chunks in streams.items()]
    return streams or []
