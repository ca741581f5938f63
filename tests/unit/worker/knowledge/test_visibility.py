"""Which documents answer whom: by place, and for guests by their very channel alone."""

import pytest

from shared.jobs import Origin, Platform
from worker.knowledge.visibility import (
    EVERYWHERE,
    DocumentPlace,
    channel_of,
    filter_for,
    parse_place,
    view_of,
)

HERE = Origin(Platform.DISCORD, "11", "21", "", "1", "51")
THREAD = Origin(Platform.DISCORD, "11", "22", "", "1", "51", parent="21")


@pytest.mark.parametrize(
    ("place", "of_member", "of_guest"),
    [
        ("everyone", True, False),
        ("discord:11", True, False),
        ("discord:11:21", True, True),
        ("discord:11:29", False, False),
        ("discord:12:21", False, False),
        ("slack:11:21", False, False),
    ],
)
@pytest.mark.parametrize("origin", [HERE, THREAD])
def test_a_guest_sees_the_documents_of_the_channel_alone(
    origin: Origin, place: str, *, of_member: bool, of_guest: bool
) -> None:
    document = parse_place(place)

    assert document.is_seen_from(view_of(origin)) is of_member
    assert document.is_seen_from(view_of(origin, is_confined=True)) is of_guest


def test_a_thread_sees_its_own_documents_and_a_channel_none_of_its_threads() -> None:
    for is_confined in (False, True):
        assert channel_of(THREAD).is_seen_from(view_of(THREAD, is_confined=is_confined))
        assert not channel_of(THREAD).is_seen_from(view_of(HERE, is_confined=is_confined))


def test_the_search_of_a_guest_names_no_wider_place() -> None:
    assert filter_for(view_of(THREAD, is_confined=True)) == (
        '(.platform == "discord") and (.team == "11") and (.channel == "21" or .channel == "22")'
    )
    assert '"*"' in filter_for(view_of(THREAD))


def test_everyone_is_a_word_that_is_written() -> None:
    assert parse_place("everyone") == EVERYWHERE
    assert str(EVERYWHERE) == "everyone"
    for text in ("", "*", "everybody", "Everyone", "everywhere", "slack", "slack:*"):
        with pytest.raises(ValueError, match="is no place: write slack:TEAM"):
            parse_place(text)
    assert str(DocumentPlace("slack", "T1")) == "slack:T1"
