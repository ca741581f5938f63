from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from shared.ledger.ratings import Rated
from worker.sentiment.ratings import Boundaries, Label, label_of
from worker.sentiment.report import alternative_text, drop_text, report_text, signed
from worker.sentiment.trend import DAY_S, MIN_BASE, MIN_HALF_DAY, drop_of, trend_of

TODAY = date(2026, 11, 24)
NOON_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


def rated(score: float, days_ago: float = 0, link: str = "", author: str = "ana") -> Rated:
    return Rated(
        message="1",
        user="U1",
        author=author,
        link=link,
        written_at_s=NOON_S - days_ago * DAY_S,
        score=score,
        label=label_of(score, Boundaries()),
    )


def test_mood_sums_up_by_day_and_by_class() -> None:
    mood = trend_of([rated(2), rated(-1), rated(0, 1)], TODAY, num_days=3, num_strongest=3)

    assert mood is not None
    assert [day.day.day for day in mood.days] == [22, 23, 24]
    assert [day.mean for day in mood.days] == [None, 0, 0.5]
    assert mood.counts == {Label.POSITIVE: 1, Label.NEUTRAL: 1, Label.NEGATIVE: 1}
    assert mood.mean == pytest.approx(1 / 3)
    assert mood.num_rated == 3


def test_mood_leaves_other_days_out() -> None:
    assert trend_of([rated(2, 3), rated(2, -1)], TODAY, num_days=3, num_strongest=3) is None


def test_mood_names_the_strongest_of_each_side_and_no_neutral_one() -> None:
    scores = [0.2, 1, 3, 2, -0.4, -2]

    mood = trend_of([rated(score) for score in scores], TODAY, num_days=1, num_strongest=2)

    assert mood is not None
    assert [each.score for each in mood.most_positive] == [3, 2]
    assert [each.score for each in mood.most_negative] == [-2]


def week(mean: float, number: int = MIN_BASE) -> list[Rated]:
    return [rated(mean, 2 + place * 5 / number) for place in range(number)]


def day(latest: float, earlier: float, number: int = MIN_HALF_DAY) -> list[Rated]:
    """The last twelve hours and the twelve before."""
    return [rated(latest, 0.1)] * number + [rated(earlier, 0.7)] * number


@pytest.mark.parametrize(
    ("ratings", "is_drop"),
    [
        (week(1) + day(-1, -1), True),
        (week(1) + day(0, 0), True),  # by exactly as much as is asked for
        (week(1) + day(0.1, 0.1), False),
        (week(1) + day(-3, 0.5), False),  # half a day is not sustained
        (week(1) + day(0.5, -3), False),  # it is over
        (week(1) + day(2, 2), False),
        (week(1, MIN_BASE - 1) + day(-1, -1), False),
        (week(1) + day(-1, -1, MIN_HALF_DAY - 1), False),
        (week(1) + [rated(-4, 9)] * 500 + day(0.1, 0.1), False),  # too old to count
        ([], False),
    ],
)
def test_drop_is_sustained_and_rests_on_enough_messages(
    ratings: Sequence[Rated], *, is_drop: bool
) -> None:
    assert (drop_of(ratings, NOON_S, least=1.0) is not None) is is_drop


def test_drop_says_from_where_to_where() -> None:
    drop = drop_of(week(1) + day(-1, -2), NOON_S, least=1.0)

    assert drop is not None
    assert (drop.before, drop.after, drop.num_rated) == (1, -1.5, 2 * MIN_HALF_DAY)
    assert "20 messages of the last 24 hours are rated -1.5 on average" in drop_text(drop)
    assert "those of the week before +1.0" in drop_text(drop)


def test_report_lists_counts_shares_and_links() -> None:
    ratings = [rated(3, link="https://example.org/1"), rated(-2, 1), rated(0), rated(1)]
    mood = trend_of(ratings, TODAY, num_days=7, num_strongest=1)
    assert mood is not None

    text = report_text(mood, 7)

    assert "4 messages rated: 50% positive, 25% neutral, 25% negative." in text
    assert "1. +3.0, ana, [24 November](https://example.org/1)" in text
    assert "1. -2.0, ana, 23 November" in text


def test_report_shows_a_name_as_text_whatever_it_looks_like() -> None:
    name = "[click](https://evil.example) *me*"
    mood = trend_of([rated(3, author=name)], TODAY, num_days=1, num_strongest=1)
    assert mood is not None

    assert "](https://evil" not in report_text(mood, 1)
    assert "Most negative" not in report_text(mood, 1)


def test_alternative_text_says_what_the_picture_shows() -> None:
    mood = trend_of([rated(2), rated(-1, 1)], TODAY, num_days=30, num_strongest=1)
    assert mood is not None

    text = alternative_text(mood)

    assert "from 26 October to 24 November, between -1.0 and +2.0" in text
    assert "50% positive, 0% neutral, 50% negative" in text


@pytest.mark.parametrize(("score", "shown"), [(1.26, "+1.3"), (-0.4, "-0.4"), (-0.04, "0.0")])
def test_score_is_written_with_its_sign(score: float, shown: str) -> None:
    assert signed(score) == shown
