"""From where to look, and that one channel's fault is its own."""

import pytest

from bots.incoming.backfill import BackfillWindow, look_through
from bots.incoming.read_marks import Seen, is_later
from shared.errors import PlatformUnavailableError, UndeliverableError

NOW_S = 10_000.0


def window(
    latest: dict[str, str] | None = None,
    alive_at_s: float | None = 9_900.0,
    lookback_s: float = 600.0,
) -> BackfillWindow:
    return BackfillWindow(Seen(NOW_S, alive_at_s, latest or {}), lookback_s, float)


@pytest.mark.parametrize(
    ("alive_at_s", "lookback_s", "is_open"),
    [
        (9_900.0, 600.0, True),
        (None, 600.0, False),  # the first start ever
        (9_900.0, 0.0, False),  # switched off
    ],
)
def test_there_is_something_to_look_for_after_somebody_listened(
    alive_at_s: float | None, lookback_s: float, *, is_open: bool
) -> None:
    assert window({}, alive_at_s, lookback_s).is_open is is_open


@pytest.mark.parametrize(
    ("latest", "start_s"),
    [
        ({"C": "9800"}, 9_740.0),  # the latest message - 60 s
        ({"C": "9000"}, 9_400.0),  # now - 600 s is later than 9000 - 60
        ({}, 9_840.0),  # a channel without a mark: when we were last alive - 60 s
        ({"D": "9999"}, 9_840.0),
    ],
)
def test_a_channel_is_looked_at_from_its_mark_and_not_too_far_back(
    latest: dict[str, str], start_s: float
) -> None:
    assert window(latest).start_s("C") == start_s


def test_a_channel_without_a_mark_is_not_looked_at_beyond_the_limit() -> None:
    assert window(alive_at_s=1_000.0).start_s("C") == 9_400.0


@pytest.mark.parametrize(
    ("seen", "latest", "has_news"),
    [
        ("9800", "9800", False),  # nothing since
        ("9800", "9801", True),
        ("9800", "9700", False),  # the latest was deleted
        (None, "9950", True),
        (None, "9000", False),  # before we were last alive
        ("1000", "2000", False),  # too long ago
    ],
)
def test_a_channel_is_looked_at_only_if_it_has_news(
    seen: str | None, latest: str, *, has_news: bool
) -> None:
    marks = {"C": seen} if seen else {}

    assert window(marks).has_news("C", latest) is has_news


@pytest.mark.parametrize(
    ("seen", "message", "is_held"),
    [
        ("9800", "9741", True),
        ("9800", "9740", True),
        ("9800", "9739", False),  # before the mark and its overlap: it was seen
        ("9000", "9399", False),  # before the time that is looked back
        (None, "9839", False),  # before we were last alive
    ],
)
def test_a_message_counts_only_if_it_is_of_the_time_that_is_looked_at(
    seen: str | None, message: str, *, is_held: bool
) -> None:
    """Whatever the platform returns."""
    assert window({"C": seen} if seen else {}).holds("C", message) is is_held


def test_what_is_older_than_the_installation_is_not_ours() -> None:
    seen = Seen(NOW_S, 9_900.0, {"C": "9000"}, installed_at_s=9_850.0)
    fresh = BackfillWindow(seen, 600.0, float)

    assert [fresh.holds("C", message) for message in ("9849", "9850")] == [False, True]
    assert fresh.start_s("D") == 9_850.0
    assert not fresh.has_news("C", "9849")


@pytest.mark.parametrize(
    ("message", "than", "later"),
    [
        ("2", "1", True),
        ("1", "1", False),
        ("10", "9", True),
        ("1574806679625662467", "1574806679625662466", True),  # more digits than a double holds
        ("1700000000.000200", "1700000000.000100", True),
        ("1", "", True),
    ],
)
def test_ids_grow_with_time(message: str, than: str, *, later: bool) -> None:
    assert is_later(message, than) is later


async def test_a_channel_that_is_refused_is_passed_over() -> None:
    looked: list[str] = []

    async def look(place: str) -> int:
        looked.append(place)
        if place == "closed":
            raise UndeliverableError("no access")
        if place == "away":
            raise PlatformUnavailableError("503")
        return 2

    found = await look_through(["a", "closed", "b", "away", "c"], look)

    assert found == 6
    assert sorted(looked) == ["a", "away", "b", "c", "closed"]
