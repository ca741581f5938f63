"""``/sentiment``: a channel's recent sentiment, in words and as a picture.

Reads a channel's ratings from Redis, page by page.
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from shared.errors import RefusedError
from shared.jobs import Origin
from shared.ledger import ratings
from shared.ledger.ratings import Rated
from shared.replies import Done, Picture
from shared.tasks import Report
from worker.handler import Outcome
from worker.leases import HeldLease
from worker.sentiment.ratings import LABELS
from worker.sentiment.trend import DAY_S, Drop, Trend, trend_of
from worker.store import BlockingStore

NOTHING_RATED = (
    "No message of this channel was rated in the last {days} days. Ratings begin when whoever runs "
    "Parley names the channel in PARLEY_SENTIMENT_CHANNELS."
)
CAUTION = (
    "*A small model rated these messages, and is wrong about one in four. It says nothing about "
    "anybody who wrote them.*"
)
MARKUP = re.compile(r"([\\`*_~\[\]()<>|#])")


def report_text(trend: Trend, num_days: int) -> str:
    """Markdown that stands above the picture."""
    shares = ", ".join(f"{trend.share(label):.0%} {label}" for label in reversed(LABELS))
    summary = (
        f"{_messages(trend.num_rated)} rated: {shares}. On average {signed(trend.mean)} on a scale "
        "from -4 to +4."
    )
    parts = [
        f"**How this channel sounded in the last {num_days} days**",
        summary,
        _listed("Most positive", trend.most_positive),
        _listed("Most negative", trend.most_negative),
        CAUTION,
    ]
    return "\n\n".join(part for part in parts if part)


def alternative_text(trend: Trend) -> str:
    """The alternative text of the picture, for people who do not see it."""
    means = [day.mean for day in trend.days if day.mean is not None]
    first, last = trend.days[0].day, trend.days[-1].day
    shares = ", ".join(f"{trend.share(label):.0%} {label}" for label in reversed(LABELS))
    return (
        f"Mean sentiment by day from {first:%-d %B} to {last:%-d %B}, between {signed(min(means))} "
        f"and {signed(max(means))}, and below it the number of messages by day: {shares}."
    )


def drop_text(drop: Drop) -> str:
    """Markdown that alerts a channel of a drop."""
    return (
        f"The mood in this channel has dropped: {_messages(drop.num_rated)} of the last 24 hours "
        f"are rated {signed(drop.after)} on average, those of the week before "
        f"{signed(drop.before)} (the scale is -4 to +4). `/sentiment` shows more.\n\n{CAUTION}"
    )


def signed(score: float) -> str:
    """A score with its sign, such as ``+1.3`` and ``-0.4``."""
    rounded = round(score, 1)
    if rounded == 0:
        return "0.0"
    return f"{rounded:+.1f}"


def _messages(number: int) -> str:
    return "1 message" if number == 1 else f"{number:,} messages"


def _listed(heading: str, ratings: Sequence[Rated]) -> str:
    lines = [f"{number}. {_line(rated)}" for number, rated in enumerate(ratings, 1)]
    return "\n".join([f"{heading}:", "", *lines]) if lines else ""


def _line(rated: Rated) -> str:
    day = f"{datetime.fromtimestamp(rated.written_at_s, UTC):%-d %B}"
    author = MARKUP.sub(r"\\\1", " ".join(rated.author.split()))
    where = f"[{day}]({rated.link})" if rated.link else day
    return f"{signed(rated.score)}, {author}, {where}"


def read_ratings(store: BlockingStore, origin: Origin, since_s: float) -> Iterator[Rated]:
    """The ratings in the origin's channel from then on, without people who opted out.

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
"""No rating is kept for longer."""


class NothingRatedError(RefusedError):
    """There is nothing to draw."""

    code = "nothing_rated"


class Reporter:
    """Reports a channel's sentiment."""

    def __init__(self, store: BlockingStore, now_s: Callable[[], float]) -> None:
        """Store the dependencies; ``now_s`` gives the seconds since 1970."""
        self._store = store
        self._now_s = now_s

    def report(self, held: HeldLease) -> Outcome:
        """Report a channel's sentiment. See ``handler.Handler``.

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
        trend = trend_of(found, today, num_days, NUM_STRONGEST)
        if trend is None:
            raise NothingRatedError(NOTHING_RATED.format(days=num_days))
        picture = Picture(
            name=f"sentiment-{today}.png",
            content=base64.b64encode(draw(trend)).decode(),
            description=alternative_text(trend),
        )
        return Outcome(Done(report_text(trend, num_days), picture=picture))
