import io
from datetime import UTC, datetime

import matplotlib.image
import pytest
from matplotlib.colors import to_rgb

from shared.ledger.ratings import Rated
from shared.replies import MAX_PICTURE_CHARS
from worker.sentiment.plot import COLOURS, draw
from worker.sentiment.ratings import LABELS, Label
from worker.sentiment.trend import trend_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def area(png: bytes, colour: str) -> int:
    """How many pixels have this colour."""
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
    assert pixels.shape[:2] == (600, 960)
    distance = abs(pixels[:, :, :3] - to_rgb(colour)).max(axis=2)
    return int((distance < 1 / 255).sum())


def rated(label: Label, days_ago: int) -> Rated:
    written_at_s = NOW.timestamp() - days_ago * 86_400
    return Rated("1", "U1", "ana", "", written_at_s, LABELS.index(label) - 1.0, label)


@pytest.mark.parametrize("num_days", [1, 30])
@pytest.mark.parametrize("label", LABELS)
def test_bars_have_the_colour_of_the_class_that_is_there(label: Label, num_days: int) -> None:
    mood = trend_of([rated(label, 0)] * 3, NOW.date(), num_days, num_strongest=1)
    assert mood is not None

    png = draw(mood)

    # The legend has all three colours, in small patches.
    areas = {each: area(png, COLOURS[each]) for each in LABELS}
    *others, largest = sorted(areas.values())
    assert areas[label] == largest
    assert max(others) < largest / 2


def test_picture_of_the_longest_time_and_many_messages_fits_into_an_answer() -> None:
    ratings = [rated(label, day) for label in LABELS for day in range(0, 400, 1 + len(label) % 3)]
    mood = trend_of(ratings, NOW.date(), 400, num_strongest=1)
    assert mood is not None

    assert len(draw(mood)) < MAX_PICTURE_CHARS * 3 / 4  # as base64


def test_picture_is_the_same_for_the_same_ratings() -> None:
    mood = trend_of([rated(Label.POSITIVE, 1)], NOW.date(), 30, num_strongest=1)
    assert mood is not None

    assert draw(mood) == draw(mood)
