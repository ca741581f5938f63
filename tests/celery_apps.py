"""Celery's client in tests, whose connections would otherwise outlive it."""

import contextlib
from collections.abc import Iterator

import celery
import kombu.pools

from shared.ledger.celery import build_celery


@contextlib.contextmanager
def celery_at(redis_url: str) -> Iterator[celery.Celery]:
    """An app that wakes workers on this Redis, for as long as the block runs."""
    app = build_celery(redis_url)
    try:
        yield app
    finally:
        close(app)


def close(app: celery.Celery) -> None:
    """End an app with its connections."""
    own = (app.amqp.producer_pool, app.pool)
    for pools in (kombu.pools.producers, kombu.pools.connections):
        for key in [key for key, pool in pools.items() if pool in own]:
            pools.pop(key).force_close_all()  # not to be given to the next app on this Redis
    app.close()
