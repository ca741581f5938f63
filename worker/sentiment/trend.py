"""The trend of a channel's ratings: by day, by class, the strongest ones, a drop. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from shared.ledger.ratings import Rated
from worker.sentiment.ratings import LABELS, Label

DAY_S = 86_400.0
BASE_DAYS = 7
"""The days before a day that it is compared with: a week, so that every weekday is in it."""
MIN_HALF_DAY = 10
"""Ratings in each half of the day: fewer are two people's bad morning."""
MIN_BASE = 50


@dataclass(frozen=True, slots=True)
class Day:
    """One day's messages, by UTC."""

    day: date
    counts: Mapping[Label, int]
    mean: float | None
    """Of the scores; None for a day without messages."""

    @property
    def num_rated(self) -> int:
        """The number of its messages."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Trend:
    """A channel over some days."""

    days: tuple[Day, ...]
    """Every day, the oldest first, today last."""
    counts: Mapping[Label, int]
    mean: float
    most_positive: tuple[Rated, ...]
    most_negative: tuple[Rated, ...]

    @property
    def num_rated(self) -> int:
        """The number of messages it is based on."""
        return sum(self.counts.values())

    def share(self, label: Label) -> float:
        """The share of the messages of this class, from 0 to 1."""
        return self.counts[label] / self.num_rated


def trend_of(
    ratings: Iterable[Rated], today: date, num_days: int, num_strongest: int
) -> Trend | None:
    """Aggregate ratings.

    Args:
        ratings: in any order; those of other days are left out.
        today: the last day, by UTC.
        num_days: how many, that one included.
        num_strongest: how many of the strongest messages are named on each side.

    Returns:
        None if nothing was rated in these days.
    """
    first = today - timedelta(days=num_days - 1)
    kept = [rated for rated in ratings if first <= _day_of(rated) <= today]
    if not kept:
        return None
    by_day: dict[date, list[Rated]] = {}
    for rated in kept:
        by_day.setdefault(_day_of(rated), []).append(rated)
    days = [first + timedelta(days=number) for number in range(num_days)]
    return Trend(
        days=tuple(_day(day, by_day.get(day, ())) for day in days),
        counts=_counts(kept),
        mean=_mean(kept),
        most_positive=_strongest(kept, Label.POSITIVE, num_strongest),
        most_negative=_strongest(kept, Label.NEGATIVE, num_strongest),
    )


@dataclass(frozen=True, slots=True)
class Drop:
    """A day that is worse than the week before it."""

    before: float
    """The mean of that week."""
    after: float
    """The mean of the day."""
    num_rated: int
    """The day's messages."""


def drop_of(ratings: Iterable[Rated], now_s: float, least: float) -> Drop | None:
    """The last 24 hours' sustained drop, or None.

    It is one if the mean of each half of them lies below that of the seven days before by ``least``
    or
    more. With less than ``MIN_HALF_DAY`` or ``MIN_BASE`` messages the result is None.

    Args:
        ratings: of the last eight days, in any order; others are left out.
        now_s: in seconds since 1970.
        least: on the scale from -4 to 4.
    """
    base: list[Rated] = []
    halves: tuple[list[Rated], list[Rated]] = ([], [])
    for rated in ratings:
        age_s = now_s - rated.written_at_s
        if 0 <= age_s < DAY_S:
            halves[int(age_s // (DAY_S / 2))].append(rated)
        elif DAY_S <= age_s < (1 + BASE_DAYS) * DAY_S:
            base.append(rated)
    if len(base) < MIN_BASE or min(map(len, halves)) < MIN_HALF_DAY:
        return None
    before = _mean(base)
    if any(_mean(half) > before - least for half in halves):
        return None
    whole = [*halves[0], *halves[1]]
    return Drop(before, _mean(whole), len(whole))


def _day_of(rated: Rated) -> date:
    return datetime.fromtimestamp(rated.written_at_s, UTC).date()


def _day(day: date, ratings: Sequence[Rated]) -> Day:
    return Day(day, _counts(ratings), _mean(ratings) if ratings else None)


def _counts(ratings: Iterable[Rated]) -> Mapping[Label, int]:
    counts = Counter(rated.label for rated in ratings)
    return {label: counts[label] for label in LABELS}


def _mean(ratings: Sequence[Rated]) -> float:
    return sum(rated.score for rated in ratings) / len(ratings)


def _strongest(ratings: Iterable[Rated], label: Label, most: int) -> tuple[Rated, ...]:
    of_label = [rated for rated in ratings if rated.label == label]
    return tuple(sorted(of_label, key=lambda rated: (-abs(rated.score), rated.written_at_s))[:most])
