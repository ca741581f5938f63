"""A channel's ratings read from Redis, page by page."""

from collections.abc import Iterator

from shared.jobs import Origin
from shared.ledger import ratings
from shared.ledger.ratings import Rated
from worker.store import Store


def read_ratings(store: Store, origin: Origin, since_s: float) -> Iterator[Rated]:
    """What was rated in the origin's channel from then on, without people who opted out.

    Args:
        store: the ledger's Redis.
        origin: anything in the channel.
        since_s: in seconds since 1970.
    """
    start = ratings.start_at(since_s)
    while start:
        page = store.run(ratings.page(origin, start))
        yield from page.ratings
        start = page.next_start
