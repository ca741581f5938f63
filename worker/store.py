"""The worker's Redis client, which runs the ledger's calls: blocking, thread-safe."""

import contextlib
from typing import Any, TypeVar

import redis

from shared.connections.blocking import client_of
from shared.ledger.calls import Call
from shared.ledger.redis_health import (
    ANSWER_FAULTS,
    fault_of,
    require_healthy,
    require_redis,
    unreachable,
)
from shared.repeated_faults import FAULTS

T = TypeVar("T")
TIMEOUT_S = 5
MAX_CONNECTIONS = 64
"""More threads than that wait for a connection, each for a millisecond."""


class BlockingStore:
    """Runs the ledger's calls on a blocking client."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def run(self, call: Call[T]) -> T:
        """Run one atomic step.

        Raises:
            redis.RedisError: Redis is away or refuses; the step may or may not have happened.
        """
        raw: Any = self.client.register_script(call.script)(args=list(call.args))
        FAULTS.note_answer()
        return call.read(raw)


def open_store(redis_url: str, *, allow_volatile: bool) -> BlockingStore:
    """Connect and check that this Redis is safe for jobs.

    Raises:
        RedisUnavailableError: it does not answer, or could lose data.
    """
    with contextlib.ExitStack() as stack:
        try:
            client = client_of(
                redis_url,
                max_connections=MAX_CONNECTIONS,
                timeout=TIMEOUT_S,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
            )
        except (ValueError, OSError) as error:
            raise unreachable(redis_url, error) from error
        stack.callback(client.close)
        _check(client, redis_url, allow_volatile=allow_volatile)
        stack.pop_all()
        return BlockingStore(client)


def _check(client: redis.Redis, redis_url: str, *, allow_volatile: bool) -> None:
    try:
        info: Any = client.info()
    except ANSWER_FAULTS as error:
        raise fault_of(redis_url, error) from error
    require_redis(redis_url, info)
    require_healthy(info, allow_volatile=allow_volatile)
