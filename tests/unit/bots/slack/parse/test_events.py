"""What Slack sends, sound or not, in words that every platform shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.incoming.intake import intake
from bots.incoming.situation import may_be_ours, needs_lookup
from bots.slack.parse import automation, events
from bots.slack.parse.payloads import EVENT_FIELDS, Json, read_body
from bots.slack.parse.text import Identity
from shared.jobs import Origin, Platform, job_id

ME = Identity("U0ME", "T1")
MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "ts": "1700000000.000100", "text": "x"}


def body(**event: object) -> Json:
    known = read_body({"team_id": "T1", "event": {**MESSAGE, **event}})
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("event", "may_be", "asks"),
    [
        ({}, False, False),
        ({"text": "<@U0ME> hi"}, True, False),
        ({"type": "app_mention"}, True, False),
        ({"channel": "D1"}, True, False),
        ({"channel_type": "im"}, True, False),
        ({"thread_ts": "1699999999.000100"}, True, True),
        # said to somebody else, which makes a difference to what is said after it
        ({"thread_ts": "1699999999.000100", "text": "<@U2> hi"}, True, True),
        ({"thread_ts": MESSAGE["ts"]}, False, False),  # the thread's first message, in a history
        ({"channel": "D1", "subtype": "message_changed"}, False, False),
        ({"channel": "D1", "bot_id": "B1"}, False, False),
        ({"channel": "D1", "user": "U0ME"}, False, False),
        ({"channel": "D1", "subtype": "file_share"}, True, False),
    ],
)
def test_what_may_be_ours_is_known_without_the_ledger(
    event: dict[str, object], *, may_be: bool, asks: bool
) -> None:
    known = body(**event)
    origin = events.origin_of(known, ME)
    assert origin is not None

    incoming = events.to_incoming(known, origin, ME)

    assert (may_be_ours(incoming), needs_lookup(incoming)) == (may_be, asks)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "app_mention"},
        {"type": "app_mention", "team": "T1"},
        {"subtype": "file_share", "files": [{"id": "F1"}]},
        {"subtype": "bot_message", "bot_id": "B1"},
        {"thread_ts": "1699999999.000100"},
    ],
)
def test_events_that_tell_of_one_message_name_the_same(event: dict[str, object]) -> None:
    name = events.name_of({**body(**event), "event_id": "Ev1"})

    is_mention = event.get("type") == "app_mention"
    assert name == events.EventName("Ev1", "T1 C1 1700000000.000100", is_mention)


@pytest.mark.parametrize(
    "event",
    [
        {"subtype": "message_changed", "message": {"text": "y"}, "previous_message": {"text": "x"}},
        {"subtype": "message_deleted", "deleted_ts": "1699999999.000100"},
        {"type": "reaction_added"},
        {"type": "app_mention", "ts": None},
        {"channel": None},
    ],
)
def test_events_that_tell_of_no_new_message_name_none(event: dict[str, object]) -> None:
    assert events.name_of({**body(**event), "event_id": "Ev1"}) == events.EventName("Ev1")


def test_a_deletion_names_the_same_job_as_the_message() -> None:
    written = events.origin_of(body(thread_ts="1699999999.000100"), ME)
    deleted = events.deleted_origin(
        body(subtype="message_deleted", deleted_ts=MESSAGE["ts"], ts="1700000009.000100"), ME
    )

    assert written is not None
    assert deleted is not None
    assert job_id(written) == job_id(deleted)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        3,
        {"event": []},
        {"event": "message"},
        {"event": {**MESSAGE, "text": 3}},
        {"event": {**MESSAGE, "user": {"id": "U1"}}},
        {"event": {**MESSAGE, "channel": ["C1"]}},
        {"event": MESSAGE, "team_id": 5},
    ],
)
def test_what_slack_never_sends_is_none_of_its_events(document: object) -> None:
    assert read_body(document) is None


@pytest.mark.parametrize(
    "ts", ["", "soon", "1", "1.", "-1.0", "nan", "1e9.0", "1.0\n", "\u0661.\u0661"]
)
def test_a_message_without_a_proper_timestamp_is_no_message(ts: str) -> None:
    assert events.origin_of(body(ts=ts), ME) is None


def test_what_is_not_read_is_left_out() -> None:
    known = read_body({"team_id": "T1", "authorizations": 5, "event": {**MESSAGE, "blocks": [1]}})

    assert known == {"team_id": "T1", "event": MESSAGE}


@pytest.mark.parametrize(
    ("event", "is_persons"),
    [
        ({}, True),
        ({"type": "app_mention"}, True),
        ({"subtype": "file_share"}, True),
        ({"subtype": "message_deleted"}, False),
        ({"type": "reaction_added"}, False),
        ({"user": None}, False),
    ],
)
def test_only_what_a_person_writes_can_be_a_flood(
    event: dict[str, object], *, is_persons: bool
) -> None:
    assert events.is_persons_event(body(**event)) is is_persons


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(EVENT_FIELDS), JSON)


@given(st.fixed_dictionaries({"event": FIELDS | JSON}, optional={"team_id": JSON, "type": JSON}))
def test_no_body_trips_the_reader(document: dict[str, object]) -> None:
    known = read_body(document)
    if known is None:
        return
    events.is_persons_event(known)
    events.deleted_origin(known, ME)
    origin = events.origin_of(known, ME)
    if origin is not None:
        intake(events.to_incoming(known, origin, ME), max_chars=100)


@given(st.text(alphabet=st.characters()))
def test_no_text_trips_the_reader(text: str) -> None:
    known = body(text=text, channel="D1")
    origin = events.origin_of(known, ME)
    assert origin is not None

    assert intake(events.to_incoming(known, origin, ME), 100) is not None


def test_slacks_own_stop_names_the_messages_that_were_streamed() -> None:
    stop = {"type": "agent_session_stopped", "streaming_message_ts": ["1.000100", 5, "x"]}

    known = body(**stop)

    assert known["event"]["streaming_message_ts"] == ["1.000100"]
    assert read_body(known) == known, "what was read once can be read again"


CHANGE = {
    "subtype": "message_changed",
    "ts": "1700000009.000100",
    "user": None,
    "text": None,
    "message": {"type": "message", "user": "U1", "ts": MESSAGE["ts"], "text": "y", "blocks": []},
    "previous_message": {"user": "U1", "ts": MESSAGE["ts"], "text": "x"},
}


def test_a_changed_message_is_the_message_with_another_text() -> None:
    known = body(**CHANGE)
    again = read_body(known)
    found = events.edited(known)

    assert again == known, "what was read once can be read again"
    assert found is not None
    changed, edited_at_s = found
    assert (changed["event"]["text"], edited_at_s) == ("y", 1700000009.0001)
    assert events.is_from_person(changed["event"], ME)
    written, rewritten = events.origin_of(body(), ME), events.origin_of(changed, ME)
    assert written == rewritten


@pytest.mark.parametrize(
    "event",
    [
        {},
        {**CHANGE, "message": {**MESSAGE, "text": "x", "attachments": [{"text": "a link"}]}},
        {**CHANGE, "message": "y"},
        {**CHANGE, "message": {}},
        {**CHANGE, "previous_message": None},
        {**CHANGE, "previous_message": ["x"]},
        {**CHANGE, "ts": "now"},
        {**CHANGE, "subtype": "message_replied"},
    ],
)
def test_what_changes_no_text_is_no_change(event: dict[str, object]) -> None:
    assert events.edited(body(**event)) is None


def test_a_bots_change_is_no_persons() -> None:
    mine = {**CHANGE, "message": {**MESSAGE, "user": "U0ME", "bot_id": "B1", "text": "y"}}
    found = events.edited(body(**mine))

    assert found is not None
    assert not events.is_from_person(found[0]["event"], ME)


@pytest.mark.parametrize(
    ("fields", "bot"),
    [
        ({"bot_id": "B1"}, "U1"),
        ({"bot_id": "B1", "user": "U0ME"}, ""),
        ({}, ""),
    ],
)
def test_another_bot_is_named_and_we_are_not(fields: dict[str, object], bot: str) -> None:
    known = body(**fields)
    origin = events.origin_of(known, ME)
    assert origin is not None

    assert events.to_incoming(known, origin, ME).bot == bot


@pytest.mark.parametrize(
    ("reaction", "is_muted"),
    [("mute", True), ("loud_sound", False), ("speaker", False), ("flag-fr", None), ("", None)],
)
def test_a_sign_for_silence_is_read(reaction: str, *, is_muted: bool | None) -> None:
    event = {"reaction": reaction, "item_channel": "C1", "item_ts": "1.000100", "user": "U1"}

    sign = automation.silence(event, "T1")

    origin = Origin(Platform.SLACK, "T1", "C1", "", "1.000100", "U1")
    assert sign == (None if is_muted is None else (origin, is_muted))
    assert automation.silence({**event, "item_ts": None}, "T1") is None
