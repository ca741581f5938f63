"""Which files are fetched, and what is said of the others."""

import pytest

from bots.incoming.attachments import (
    MAX_FILES,
    Bounds,
    Offered,
    fetched,
    not_fetched,
    refusal_of,
    within_bounds,
)
from shared.jobs import Attachment


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (Offered("cat.png", "image/png", 10), "cannot see pictures"),
        (Offered("song.mp3", "audio/mpeg", 10), "cannot play sound or film"),
        (Offered("clip.mp4", "video/mp4", 10), "cannot play sound or film"),
        (Offered("all.csv", "text/csv", 3_500_000), "has 3.5 MB and I read at most 2 MB"),
    ],
)
def test_what_is_not_fetched_is_named_in_a_sentence(file: Offered, told: str) -> None:
    refusal = refusal_of(file, Bounds(max_mb=2))

    assert refusal is not None
    assert told in refusal.note
    assert file.name in refusal.note
    assert not refusal.content


@pytest.mark.parametrize("media_type", ["text/csv", "application/pdf", "", "application/json"])
def test_everything_else_is_fetched(media_type: str) -> None:
    assert refusal_of(Offered("a", media_type, 10), Bounds(max_mb=2)) is None


def test_pictures_are_fetched_where_a_model_can_see() -> None:
    bounds = Bounds(max_mb=2, reads_pictures=True)

    assert refusal_of(Offered("cat.png", "image/png", 10), bounds) is None
    refusal = refusal_of(Offered("cat.png", "image/png", 3_000_000), bounds)
    assert refusal is not None
    assert "has 3.0 MB" in refusal.note


def test_a_file_that_is_here_is_carried_and_one_that_is_not_is_named() -> None:
    assert fetched("a.txt", b"abc") == Attachment("a.txt", content="YWJj")
    assert "is empty" in fetched("a.txt", b"").note
    assert "could not get the file a.txt" in not_fetched("a.txt").note


def test_more_files_than_are_read_at_a_time_are_named() -> None:
    files = [fetched(f"{number}.txt", b"x") for number in range(MAX_FILES + 2)]

    bounded = within_bounds(files)

    assert list(bounded[:MAX_FILES]) == files[:MAX_FILES]
    assert [each.name for each in bounded if each.note] == ["5.txt", "6.txt"]
