"""The bots' asyncio Redis clients of an address, with or without Sentinel."""

import asyncio
from typing import Any

import redis.asyncio
import redis.asyncio.sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.connections import tls
from shared.connections.address import RedisAddress, parse_address
from shared.connections.blocking import place_of, sentinel_options


class RedisClient(redis.asyncio.Redis):
    """redis-py's client; in Python 3.11 it may lose a cancellation that arrives while it sends.

    It sends through ``asyncio.wait_for`` (github.com/python/cpython/issues/86296). A task that went
    on would be cancelled again only after ``tasks.ASK_AGAIN_S``.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - its own
        """As redis-py's, but cancelled if cancellation was requested."""
        task = asyncio.current_task()
        num_before = task.cancelling() if task else 0
        answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # no types
        if task and task.cancelling() > num_before:
            raise asyncio.CancelledError
        return answer


class FollowingPool(redis.asyncio.sentinel.SentinelConnectionPool):
    """Connections to the Redis that Sentinel names now."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """As redis-py's; at the end, which ends those in use too, also the Sentinels' own."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


class WaitingFollowingPool(redis.asyncio.BlockingConnectionPool, FollowingPool):
    """The same; more callers than connections wait."""


def client_of(url: str, **limits: Any) -> RedisClient:  # noqa: ANN401 - redis-py's own
    """A client of this address.

    Args:
        url: as ``parse_address`` reads it.
        limits: redis-py's arguments of a connection; with ``timeout``, callers wait so many
            seconds for a free one of ``max_connections``.

    Raises:
        ValueError: the address is none.
        SettingsError: it names a certificate that cannot be read.
    """
    address = parse_address(url)
    tls.require_readable(address.tls)
    options = {**limits, **address.options, **address.tls}
    pool = _sentinel_pool if address.service is not None else _pool
    client: Any = RedisClient.from_pool(pool(address, options))  # typed as its parent
    return client  # type: ignore[no-any-return]  # see above


def _pool(address: RedisAddress, options: dict[str, Any]) -> redis.asyncio.ConnectionPool:
    kind: Any = redis.asyncio.UnixDomainSocketConnection
    if address.hosts:
        kind = redis.asyncio.SSLConnection if address.is_tls else redis.asyncio.Connection
    waits = "timeout" in options
    pool = redis.asyncio.BlockingConnectionPool if waits else redis.asyncio.ConnectionPool
    return pool(connection_class=kind, **place_of(address), **options)


def _sentinel_pool(address: RedisAddress, options: dict[str, Any]) -> redis.asyncio.ConnectionPool:
    sentinel = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]  # no types
        address.hosts,
        sentinel_kwargs={**sentinel_options(address, options), "retry": Retry(NoBackoff(), 0)},
    )
    kinds = (
        redis.asyncio.sentinel.SentinelManagedConnection,
        redis.asyncio.sentinel.SentinelManagedSSLConnection,
    )
    waits = "timeout" in options
    pool = WaitingFollowingPool if waits else FollowingPool
    return pool(
        service_name=address.service,
        sentinel_manager=sentinel,
        connection_class=kinds[address.is_tls],
        **options,
    )
