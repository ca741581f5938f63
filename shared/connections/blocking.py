"""redis-py's blocking clients of an address, with or without Sentinel."""

from typing import Any

import redis
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.connections import tls
from shared.connections.address import RedisAddress, parse_address


class SentinelPool(redis.sentinel.SentinelConnectionPool):
    """Connections to the Redis that Sentinel names now."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """As redis-py's; at the end, which ends those in use too, also the Sentinels' own."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                sentinel.close()


class BlockingSentinelPool(redis.BlockingConnectionPool, SentinelPool):
    """The same; more callers than connections wait."""


def client_of(url: str, **limits: Any) -> redis.Redis:  # noqa: ANN401 - redis-py's own
    """A client of this address.

    Args:
        url: as ``parse_address`` reads it.
        limits: redis-py's arguments of a connection; with ``timeout``, callers wait so many
            seconds for a free one of ``max_connections``.

    Raises:
        ValueError: the address is none.
        SettingsError: it names a certificate that cannot be read.
    """
    return client_at(parse_address(url), **limits)


def client_at(address: RedisAddress, **limits: Any) -> redis.Redis:  # noqa: ANN401 - redis-py's own
    """As ``client_of``, of an address that was read."""
    return redis.Redis.from_pool(_pool(address, limits))


def _pool(address: RedisAddress, limits: dict[str, Any]) -> redis.ConnectionPool:
    tls.require_readable(address.tls)
    options = {**limits, **address.options, **address.tls}
    if address.service is not None:
        return _sentinel_pool(address, options)
    pool = redis.BlockingConnectionPool if "timeout" in options else redis.ConnectionPool
    return pool(connection_class=kind_of(address), **place_of(address), **options)


def kind_of(address: RedisAddress) -> type[redis.connection.AbstractConnection]:
    """redis-py's class of connections, without Sentinel."""
    if not address.hosts:
        return redis.UnixDomainSocketConnection
    return redis.SSLConnection if address.is_tls else redis.Connection


def place_of(address: RedisAddress) -> dict[str, Any]:
    """The host and port as redis-py's arguments; empty for a Unix socket."""
    return dict(zip(("host", "port"), address.hosts[0], strict=True)) if address.hosts else {}


def sentinel_options(address: RedisAddress, options: dict[str, Any]) -> dict[str, Any]:
    """redis-py's arguments of a connection to a Sentinel, whose login is its own.

    Without ``retry``: where one Sentinel is away, the next one is to be asked at once.
    """
    timeouts = {name: value for name, value in options.items() if name.startswith("socket_")}
    return {**timeouts, "ssl": address.is_tls, **address.tls, **(address.sentinel_login or {})}


def blocking_sentinel_options(address: RedisAddress, options: dict[str, Any]) -> dict[str, Any]:
    """The same for blocking clients."""
    return {**sentinel_options(address, options), "retry": Retry(NoBackoff(), 0)}


def _sentinel_pool(address: RedisAddress, options: dict[str, Any]) -> redis.ConnectionPool:
    sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]  # no types
        address.hosts, sentinel_kwargs=blocking_sentinel_options(address, options)
    )
    kinds = (
        redis.sentinel.SentinelManagedConnection,
        redis.sentinel.SentinelManagedSSLConnection,
    )
    blocking = "timeout" in options
    pool = BlockingSentinelPool if blocking else SentinelPool
    return pool(
        service_name=address.service,
        sentinel_manager=sentinel,
        connection_class=kinds[address.is_tls],
        **options,
    )
