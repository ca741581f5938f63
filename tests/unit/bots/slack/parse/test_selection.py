"""Which messages a task works on, where files may come from, and how a message holds a picture."""

from typing import Any

import pytest

from bots.slack.files import is_slacks
from bots.slack.parse import automation, selection
from bots.slack.parse.payloads import SharedFile, read_body, read_file, read_files
from bots.slack.parse.text import Identity, permalink
from bots.slack.views.buttons import name_of_emoji
from bots.slack.views.components import MAX_SECTION_CHARS, cut, with_image
from shared.jobs import Audience
from shared.replies import Picture
from shared.tasks import Translate

ME = Identity("U0PARLEY", "T1", "https://team.slack.com/")
API = "http://127.0.0.1:8080/api/"


def said(ts: float, user: str = "U1", text: str = "words", **more: object) -> dict[str, Any]:
    return {"ts": f"{ts:.6f}", "user": user, "text": text, **more}


def times(messages: list[Any]) -> list[float]:
    return [float(message["ts"]) for message in messages]


def test_what_is_before_and_since_a_message_is_told_by_time() -> None:
    messages = [said(1), said(2), said(10)]

    assert times(selection.before(messages, "10.000000")) == [1, 2]
    assert times(selection.since(messages, "2.000000")) == [2, 10]


def test_since_somebody_spoke_is_what_came_after_or_all() -> None:
    messages = [said(1, "U1"), said(2, "U2"), said(3, "U1"), said(4, "U2")]

    assert times(selection.since_last_of(messages, "U1")) == [4]
    assert times(selection.since_last_of(messages, "U9")) == [1, 2, 3, 4]


def test_bots_we_notices_and_who_opted_out_are_left_out() -> None:
    messages = [
        said(1),
        said(2, "U0PARLEY"),
        said(3, bot_id="B1"),
        said(4, subtype="channel_join"),
        said(5, "UOUT"),
        said(6, text=""),
        said(7, subtype="file_share"),
    ]

    assert times(selection.by_people(messages, ME, {"UOUT"})) == [1, 7]


def test_the_message_that_is_meant_is_the_last_that_is_not_ours() -> None:
    messages = [said(1), said(2, bot_id="B1"), said(3, "U0PARLEY"), said(4, text="")]

    assert times(selection.one(messages, ME, set(), "U1")) == [2]


def test_who_opted_out_is_read_for_their_own_questions_alone() -> None:
    messages = [said(1), said(2, "UOUT")]

    assert selection.one(messages, ME, {"UOUT"}, "U1") == []
    assert times(selection.one(messages, ME, {"UOUT"}, "UOUT")) == [2]


def test_of_many_messages_the_latest_are_kept_in_order_and_once() -> None:
    many = [said(number) for number in range(selection.MAX_MESSAGES + 50, 0, -1)]

    kept = selection.latest([*many, *many])

    # 550 messages, of which the first 50 go
    assert times(kept) == list(range(51, selection.MAX_MESSAGES + 51))


def test_of_long_messages_the_latest_are_kept_within_the_bound() -> None:
    long = [said(number, text="x" * 40_000) for number in (1, 2, 3)]

    # two of 40,000 fit into 100,000
    assert times(selection.latest(long)) == [2, 3]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://files.slack.com/files-pri/T1-F1/plan.pdf", True),
        ("https://slack-files.com/T1-F1", True),
        ("http://127.0.0.1:8080/files-pri/T1-F1/plan.pdf", True),
        ("http://files.slack.com/plan.pdf", False),
        ("https://files.slack.com.evil.example/plan.pdf", False),
        ("https://evilslack.com/plan.pdf", False),
        ("http://127.0.0.1:9090/plan.pdf", False),
        ("https://127.0.0.1:8080/plan.pdf", False),
        ("file:///etc/passwd", False),
        ("plan.pdf", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_the_token_goes_to_slacks_own_addresses_alone(*, url: str, expected: bool) -> None:
    assert is_slacks(url, API) is expected


def test_a_picture_stands_below_its_text_which_is_cut_for_sections() -> None:
    text = "word " * 1000
    content = with_image(text, "F1", Picture("mood.png", "", "A line that rises"))

    *sections, image = content["blocks"]
    # 5,000 characters at 3,000 a section
    assert [section["type"] for section in sections] == ["section", "section"]
    assert "".join(section["text"]["text"] for section in sections) == text
    assert image["slack_file"] == {"id": "F1"}
    assert image["alt_text"] == "A line that rises"
    assert content["text"] == text


def test_without_its_file_a_picture_is_described_and_missed_openly() -> None:
    content = with_image("text", None, Picture("mood.png", "", "A line that rises"))

    assert "blocks" not in content
    assert "A line that rises" in content["text"]
    assert "files:write" in content["text"]


@pytest.mark.parametrize("text", ["", "a", "x" * 7000, "line\n" * 900, "word " * 601])
def test_a_text_that_is_cut_is_whole(text: str) -> None:
    pieces = cut(text, MAX_SECTION_CHARS)

    assert "".join(pieces) == text
    assert all(len(piece) <= MAX_SECTION_CHARS for piece in pieces)


@pytest.mark.parametrize(
    ("emoji", "name"), [("👍", "thumbsup"), ("❤️", "heart"), (":tada:", "tada"), ("tada", "tada")]
)
def test_emoji_have_slacks_names(emoji: str, name: str) -> None:
    assert name_of_emoji(emoji) == name


def test_a_flag_asks_for_a_translation_for_who_put_it_there() -> None:
    event = {
        "type": "reaction_added",
        "user": "U1",
        "reaction": "flag-fr",
        "item_channel": "C1",
        "item_ts": "1.5",
        "event_ts": "2.5",
    }

    incoming = automation.flagged(event, "T1")

    assert incoming is not None
    assert incoming.task == Translate("fr")
    assert incoming.origin.audience is Audience.ASKER
    assert automation.flagged({**event, "reaction": "tada"}, "T1") is None
    again = automation.flagged({**event, "event_ts": "3.5"}, "T1")
    assert again is not None
    assert again.origin != incoming.origin


def test_a_reactions_and_a_pins_message_is_read() -> None:
    item = {"type": "message", "channel": "C1"}
    bodies = [
        read_body({"event": {"type": "reaction_added", "item": {**item, "ts": "1.5"}}}),
        read_body({"event": {"type": "pin_added", "item": {**item, "message": {"ts": "1.5"}}}}),
    ]

    for body in bodies:
        assert body is not None
        assert (body["event"]["item_channel"], body["event"]["item_ts"]) == ("C1", "1.5")
        assert read_body(body) == body


@pytest.mark.parametrize("item", [None, 7, {}, {"type": "file"}, {"type": "message", "ts": 1}])
def test_an_item_that_is_no_message_is_left_out(item: object) -> None:
    body = read_body({"event": {"type": "reaction_added", "item": item}})

    assert body == {"event": {"type": "reaction_added"}}


def test_files_are_read_with_what_is_needed_of_them() -> None:
    files: list[object] = [
        {"id": "F1", "name": "plan.pdf", "size": 7, "url_private": "https://u", "x": 1},
        {"name": "no id"},
        7,
    ]

    (kept,) = read_files(files)

    assert read_file(kept) == SharedFile("F1", "plan.pdf", "https://u", 7, is_html=False)


@pytest.mark.parametrize(
    ("thread", "expected"),
    [
        ("", "https://team.slack.com/archives/C1/p1700000000000100"),
        ("1700000000.000100", "https://team.slack.com/archives/C1/p1700000000000100"),
        (
            "1.0",
            "https://team.slack.com/archives/C1/p1700000000000100?thread_ts=1.0&cid=C1",
        ),
    ],
)
def test_permalinks_are_slacks(thread: str, expected: str) -> None:
    assert permalink(ME, "C1", "1700000000.000100", thread) == expected
