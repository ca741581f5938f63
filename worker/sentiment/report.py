"""``/sentiment``: how a channel has sounded lately, in words and as a picture.

A channel's ratings read from Redis, page by page.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from shared.errors import RefusedError
from shared.jobs import Origin
from shared.ledger import ratings
from shared.ledger.ratings import Rated
from shared.replies import Done, Picture
from shared.tasks import Report
from worker.handler import Outcome
from worker.leases import Held
from worker.sentiment.trend import DAY_S, mood_of
from worker.sentiment.wording import NOTHING_RATED, alternative_text, report_text
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


NUM_STRONGEST = 3
MAX_DAYS = 400
"""Longer than that nothing is kept."""


class NothingRatedError(RefusedError):
    """There is nothing to draw."""

    code = "nothing_rated"


class Reporter:
    """Draws a channel's mood."""

    def __init__(self, store: Store, now_s: Callable[[], float]) -> None:
        """Store what is needed; ``now_s`` tells the seconds since 1970."""
        self._store = store
        self._now_s = now_s

    def report(self, held: Held) -> Outcome:
        """Draw a channel's mood. See ``works.Work``.

        Raises:
            NothingRatedError: nothing was rated there.
        """
        from worker.sentiment.plot import draw  # noqa: PLC0415 - half a second, when it is needed

        job = held.lease.job
        task = job.task if isinstance(job.task, Report) else Report()
        num_days = max(1, min(MAX_DAYS, task.days))
        now_s = self._now_s()
        today = datetime.fromtimestamp(now_s, UTC).date()
        found = read_ratings(self._store, job.origin, now_s - num_days * DAY_S)
        mood = mood_of(found, today, num_days, NUM_STRONGEST)
        if mood is None:
            raise NothingRatedError(NOTHING_RATED.format(days=num_days))
        picture = Picture(
            name=f"sentiment-{today}.png",
            content=base64.b64encode(draw(mood)).decode(),
            description=alternative_text(mood),
        )
        return Outcome(Done(report_text(mood, num_days), picture=picture))
