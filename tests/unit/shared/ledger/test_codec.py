"""Documents come back as they went in, and what is not ours is refused without being repeated."""

import json
import traceback
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CodecError
from shared.jobs import Job, Kind, Origin, Platform, Turn
from shared.ledger import codec
from shared.ledger.codec import Wire
from shared.replies import Done, Failed, FinishReason, Picture, Snapshot, Tagged
from shared.tasks import Task

CANARY = "canary-7f3a"
ORIGINS = st.builds(
    Origin,
    platform=st.sampled_from(Platform),
    team=st.text(),
    channel=st.text(),
    thread=st.text(),
    message=st.text(),
    user=st.text(),
)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))  # as in JSON
TASKS = st.one_of(st.none(), *(st.builds(task) for task in get_args(Task)))
VALUES: st.SearchStrategy[Wire] = st.one_of(
    st.builds(
        Job,
        id=st.text(),
        kind=st.sampled_from(Kind),
        origin=ORIGINS,
        text=st.text(),
        task=TASKS,
    ),
    st.builds(Tagged, label=st.text(), reaction=st.text()),
    st.builds(Done, text=st.text(), picture=st.builds(Picture)),
    st.builds(Turn, role=st.text(), text=st.text()),
    st.builds(Snapshot, text=st.text()),
    st.builds(Done, text=st.text(), finish_reason=st.sampled_from(FinishReason)),
    st.builds(Failed, code=st.text(), sentence=st.text(), text=st.text()),
)
JOB = Job("a" * 20, Kind.CHAT, Origin(Platform.SLACK, "T1", "C1", "1.0", "2.0", "U1"), CANARY)


def changed(document: str, **fields: object) -> str:
    """The document with other fields in its envelope."""
    return json.dumps({**json.loads(document), **fields})


@given(VALUES)
def test_decode_any_gives_back_what_was_encoded(value: Wire) -> None:
    decoded = codec.decode_any(codec.encode(value))

    assert decoded == value
    assert type(decoded) is type(value)


@given(VALUES)
def test_decode_takes_bytes_as_redis_gives_them(value: Wire) -> None:
    document = codec.encode(value).encode()

    assert codec.decode_any(document) == value


def test_decode_gives_enums_back_as_enums() -> None:
    job = codec.decode(codec.encode(JOB), Job)
    done = codec.decode(codec.encode(Done("x", FinishReason.LENGTH)), Done)

    assert job.kind is Kind.CHAT
    assert job.origin.platform is Platform.SLACK
    assert done.finish_reason is FinishReason.LENGTH


def test_decode_refuses_a_document_of_another_type() -> None:
    with pytest.raises(CodecError, match=r"Expected a job, got a snapshot\."):
        codec.decode(codec.encode(Snapshot(CANARY)), Job)


@pytest.mark.parametrize("version", [0, 2, 999])
def test_decode_refuses_another_version_and_names_both(version: int) -> None:
    document = changed(codec.encode(JOB), v=version)

    with pytest.raises(CodecError, match=f"version {version}; this process reads 1"):
        codec.decode_any(document)


MALFORMED = {
    "no JSON": CANARY,
    "empty": "",
    "cut short": codec.encode(JOB)[:-10],
    "no UTF-8": b'{"v":1,"type":"turn","body":{"role":"\xff","text":"' + CANARY.encode() + b'"}}',
    "a list": json.dumps([CANARY]),
    "a word": json.dumps(CANARY),
    "no version": json.dumps({"type": "snapshot", "body": {"text": CANARY}}),
    "a version in words": json.dumps({"v": CANARY, "type": "snapshot", "body": {"text": CANARY}}),
    "unknown type": changed(codec.encode(JOB), type=CANARY),
    "no type": json.dumps({"v": 1, "body": {"text": CANARY}}),
    "a body that is text": changed(codec.encode(JOB), body=CANARY),
    "an empty body": changed(codec.encode(JOB), body={}),
    "a field of another type": changed(codec.encode(Snapshot("")), body={"text": [CANARY]}),
    "an unknown kind": changed(
        codec.encode(JOB), body={**json.loads(codec.encode(JOB))["body"], "kind": CANARY}
    ),
    "a lone surrogate": '{"v":1,"type":"snapshot","body":{"text":"' + CANARY + '\\ud800"}}',
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED.keys())
def test_decode_refuses_what_is_not_ours_and_never_repeats_it(document: str | bytes) -> None:
    with pytest.raises(CodecError) as refusal:
        codec.decode_any(document)

    assert CANARY not in str(refusal.value)
    assert CANARY not in "".join(traceback.format_exception(refusal.value))


def test_decode_names_the_field_that_is_missing() -> None:
    document = changed(codec.encode(Turn("user", CANARY)), body={"text": CANARY})

    with pytest.raises(CodecError, match=r"A turn document is malformed at .*role"):
        codec.decode_any(document)


def test_decode_ignores_a_field_that_a_newer_process_added() -> None:
    document = changed(codec.encode(Snapshot("x")), body={"text": "x", "mood": "calm"})

    assert codec.decode(document, Snapshot) == Snapshot("x")
