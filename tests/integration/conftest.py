"""Stores for the tests of the ledger: a worker's, the bots', and a line that may be cut."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

import bots.store
from tests.fakes.tcp_proxy import TcpProxy
from worker.store import BlockingStore


@pytest.fixture
def store(quiet_redis: str) -> Iterator[BlockingStore]:
    with redis.Redis.from_url(quiet_redis) as client:
        yield BlockingStore(client)


@pytest.fixture
async def bots_store(quiet_redis: str) -> AsyncIterator[bots.store.AsyncStore]:
    store = await bots.store.open_store(quiet_redis, allow_volatile=False)
    yield store
    await store.close()


@pytest.fixture
def line(quiet_redis: str) -> Iterator[TcpProxy]:
    """What lies between the bots and their Redis."""
    with TcpProxy(int(quiet_redis.rpartition(":")[2].partition("/")[0])) as proxy:
        yield proxy
