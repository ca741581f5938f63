"""A store for the tests of the ledger."""

from collections.abc import Iterator

import pytest
import redis

from worker.store import Store


@pytest.fixture
def store(quiet_redis: str) -> Iterator[Store]:
    with redis.Redis.from_url(quiet_redis) as client:
        yield Store(client)
