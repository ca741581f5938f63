"""The bots' asyncio Redis client, and how it runs the ledger's calls."""

import asyncio
import contextlib
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript

from bots.redis_client import client_of
from shared.errors import NewerDocumentError
from shared.jobs import Job, Origin
from shared.ledger import codec, keys
from shared.ledger import status as operating
from shared.ledger.calls import Call, Steps
from shared.ledger.presentation import read_final
from shared.ledger.redis_health import (
    ANSWER_FAULTS,
    fault_of,
    require_healthy,
    require_redis,
    unreachable,
)
from shared.ledger.status import WorkerState
from shared.repeated_faults import FAULTS
from shared.replies import Final, Snapshot

T = TypeVar("T")
MAX_CONNECTIONS = 64
TIMEOUT_S = 2
"""Slack wants its acknowledgement within 3 s."""
REPLICA_WAIT_MS = 500


class AsyncStore:
    """Runs the ledger's calls on an asyncio client."""

    def __init__(self, client: redis.asyncio.Redis, num_replicas: int = 0) -> None:
        self.client = client
        self._num_replicas = num_replicas
        self._scripts: dict[str, AsyncScript] = {}
        """By their text, so that each is hashed once."""

    async def run_confirmed(self, call: Call[T]) -> T:
        """Run one atomic step and wait until the number of replicas in the settings has it.

        Raises:
            redis.RedisError: as for ``run``, or too few replicas confirmed in time.
        """
        if self._num_replicas == 0:
            return await self.run(call)
        # WAIT covers what its own connection wrote, so both use the same connection.
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.eval(call.script, 0, *call.args)
            # A known message writes nothing here; waiting also covers the earlier write of it.
            pipe.set(keys.WAITED, 1)
            pipe.execute_command("WAIT", self._num_replicas, REPLICA_WAIT_MS)
            async with asyncio.timeout(TIMEOUT_S):
                raw, _, num_confirmed = await pipe.execute()
        self._require_confirmed(num_confirmed)
        return call.read(raw)

    async def confirm(self) -> None:
        """Wait until the number of replicas in the settings has all that was written so far.

        Raises:
            redis.RedisError: too few of them, or Redis is away.
        """
        if self._num_replicas == 0:
            return
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.set(keys.WAITED, 1)  # after it, on its connection, come all writes before
            pipe.execute_command("WAIT", self._num_replicas, REPLICA_WAIT_MS)
            async with asyncio.timeout(TIMEOUT_S):
                _, num_confirmed = await pipe.execute()
        self._require_confirmed(num_confirmed)

    def _require_confirmed(self, num_replicas: int) -> None:
        if num_replicas < self._num_replicas:
            raise redis.RedisError(f"{num_replicas} of {self._num_replicas} replicas confirmed")

    async def run(self, call: Call[T]) -> T:
        """Run one atomic step.

        Raises:
            redis.RedisError: Redis is away or refuses; the step may or may not have run.
        """
        script = self._scripts.get(call.script)
        if script is None:
            script = self._scripts[call.script] = self.client.register_script(call.script)
        # Not wait_for: it makes a task each time, and in Python 3.11 may lose a cancellation.
        async with asyncio.timeout(TIMEOUT_S):
            raw: Any = await script(args=list(call.args))
        FAULTS.note_answer()
        return call.read(raw)

    async def run_steps(self, steps: Steps[T]) -> T:
        """Run steps one after the other.

        Raises:
            redis.RedisError: as for ``run``; the steps so far have run.
        """
        try:
            call = next(steps)
            while True:
                call = steps.send(await self.run(call))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def close(self) -> None:
        """Close the connections while the event loop still runs."""
        with contextlib.suppress(redis.RedisError, TimeoutError, OSError):
            await self.client.aclose(close_connection_pool=True)

    async def find_job(self, job_id: str) -> Job | None:
        """The job of this id; None if the ledger does not know it."""
        document: Any = await self.client.hget(keys.job(job_id), "job")
        return codec.decode(document, Job) if document else None

    async def state_of(self, job_id: str) -> str | None:
        """The state of a job; None if the ledger does not know it."""
        state: Any = await self.client.hget(keys.job(job_id), "state")
        return state.decode() if state is not None else None

    async def find_part(self, job_id: str, part: int) -> str | None:
        """The message that holds a part of an answer, if it is recorded."""
        message: Any = await self.client.hget(keys.job(job_id), f"part:{part}")
        return message.decode() if message is not None else None

    async def posted(self, job_id: str) -> frozenset[str]:
        """The messages that hold the parts of an answer."""
        fields: Any = await self.client.hgetall(keys.job(job_id))
        return frozenset(
            value.decode() for name, value in fields.items() if name.startswith(b"part:")
        )

    async def find_snapshot(self, job_id: str) -> Snapshot | None:
        """The text so far of a running job."""
        document: Any = await self.client.get(keys.snapshot(job_id))
        with contextlib.suppress(NewerDocumentError):  # its final text will be left to others too
            return codec.decode(document, Snapshot) if document else None
        return None

    async def find_ending(self, job_id: str) -> Final | None:
        """The final reply of a recently ended job."""
        document: Any = await self.client.get(keys.ending(job_id))
        with contextlib.suppress(NewerDocumentError):
            return read_final(document) if document else None
        return None

    async def find_thread(self, origin: Origin, message: str) -> str | None:
        """The thread that one of the bot's own messages belongs to; None if it is not the bot's."""
        key = keys.answer(origin.platform, origin.team, origin.channel, message)
        thread: Any = await self.client.get(key)
        return thread.decode() if thread is not None else None

    async def opted_out(self, tenant: str) -> frozenset[str]:
        """The people of a tenant who opted out: only their own questions are read."""
        members: Any = await self.client.smembers(keys.opted_out(tenant))
        return frozenset(member.decode() for member in members)

    async def pinned(self, tenant: str, channel: str) -> frozenset[str]:
        """The pinned messages of a channel that have been learned."""
        members: Any = await self.client.smembers(keys.pins(tenant, channel))
        return frozenset(member.decode() for member in members)

    async def note_pin(self, origin: Origin, *, is_pinned: bool) -> None:
        """Record that a pinned message was learned, or forgotten."""
        change: Any = self.client.sadd if is_pinned else self.client.srem
        await change(keys.pins(origin.tenant, origin.channel), origin.message)

    async def has_worker(self) -> bool:
        """Whether any worker has sent a heartbeat lately."""
        status = await self.run(operating.status())
        return any(worker.state is WorkerState.READY for worker in status.workers)


async def open_store(redis_url: str, *, allow_volatile: bool, num_replicas: int = 0) -> AsyncStore:
    """Connect, and check that this Redis may be trusted with jobs.

    Raises:
        RedisUnavailableError: it does not answer, or is configured so that it could lose data.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            # A flood waits for a connection instead of failing for want of one.
            client = client_of(
                redis_url,
                max_connections=MAX_CONNECTIONS,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                # One immediate retry, for a connection that died unnoticed. Callers retry
                # everything else; redis-py's own retries take seconds and do not stop when
                # cancelled.
                retry=Retry(NoBackoff(), 1),
            )
        except (ValueError, OSError) as error:
            raise unreachable(redis_url, error) from error
        store = AsyncStore(client, num_replicas)
        stack.push_async_callback(store.close)
        await _check(client, redis_url, allow_volatile=allow_volatile)
        stack.pop_all()
        return store


async def _check(client: redis.asyncio.Redis, redis_url: str, *, allow_volatile: bool) -> None:
    try:
        info: Any = await client.info()
    except ANSWER_FAULTS as error:
        raise fault_of(redis_url, error) from error
    require_redis(redis_url, info)
    require_healthy(info, allow_volatile=allow_volatile)
