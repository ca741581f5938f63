"""What the harness reads in the ledger: which jobs a killed worker left behind, and what became of
a job that failed. Nothing is judged by it: that is what users see.
"""

import contextlib
from typing import Any

import redis
import redis.asyncio

from bots.redis_client import client_of
from shared.ledger import keys

UNTOLD = frozenset({"job"})
"""Fields with a person's words."""


class LedgerView:
    """Reads a ledger that may be away."""

    def __init__(self, redis_url: str) -> None:
        self._client = client_of(redis_url, decode_responses=True)

    async def running_on(self, pid: int) -> list[str]:
        """The ids of the jobs whose lease a worker process holds; none while Redis is away."""
        with contextlib.suppress(redis.RedisError, OSError):
            ids: Any = await self._client.zrange(keys.OPEN, 0, -1)
            async with self._client.pipeline(transaction=False) as pipeline:
                for job_id in ids:
                    pipeline.hmget(keys.job(job_id), ["state", "worker"])
                jobs: Any = await pipeline.execute()
            return [
                job_id
                for job_id, (state, worker) in zip(ids, jobs, strict=True)
                if state == "running" and str(worker).endswith(f":{pid}")
            ]
        return []

    async def describe(self, job_id: str) -> dict[str, str]:
        """A job's hash without anybody's words; empty if there is none."""
        with contextlib.suppress(redis.RedisError, OSError):
            found: Any = await self._client.hgetall(keys.job(job_id))
            return {name: value for name, value in found.items() if name not in UNTOLD}
        return {}

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()
