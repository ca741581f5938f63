"""Hears at once that something has happened to a job that may run here: it was stopped, or changed.

Word that gets lost does no harm: each renewal of a lease tells the same, a little later.
"""

from typing import Any

import redis
import redis.client

from shared.ledger import keys
from worker.leases import LeaseKeeper
from worker.store import Store

LISTEN_S = 0.5
"""A turn's longest time, which is also how long the end of a worker may wait for it."""
PAUSE_S = 0.01


def _pubsub(client: redis.Redis) -> redis.client.PubSub:
    pubsub: redis.client.PubSub = client.pubsub(  # type: ignore[no-untyped-call]  # no types
        ignore_subscribe_messages=True
    )
    return pubsub


class Listener:
    """Listens on one connection; ``listen`` is to be called again and again, by one thread."""

    def __init__(self, store: Store, keeper: LeaseKeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._pubsub: redis.client.PubSub | None = None

    def listen(self) -> None:
        """Wait a little for word of one job, and let its run look at its lease.

        Raises:
            redis.RedisError, OSError: Redis is away; the next call begins anew.
        """
        try:
            if self._pubsub is None:
                self._pubsub = _pubsub(self._store.client)
                self._pubsub.subscribe(keys.LOOK)
            message: Any = self._pubsub.get_message(timeout=LISTEN_S)
            if message:
                self._keeper.look(message["data"].decode(errors="replace"))
        except (redis.RedisError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None
