"""Documents come back as they went in, and what is not ours is refused without being repeated."""

import dataclasses
import json
import traceback
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CodecError, NewerDocumentError
from shared.jobs import Job, Kind, Origin, Platform, Turn
from shared.ledger import codec
from shared.ledger.codec import TYPES, Codec, DocumentType, Wire
from shared.preferences import Stored
from shared.replies import Done, Failed, FinishReason, Picture, Snapshot, Tagged
from shared.tasks import Quoted, Summarize, Task

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


MALFORMED: dict[str, str | bytes] = {
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


def test_every_type_is_still_read_by_the_version_before() -> None:
    """9732b2e reads version 1 of each type alone."""
    assert {name: kind.version for name, kind in TYPES.items()} == dict.fromkeys(TYPES, 1)


NEWER = {
    "a newer version": changed(codec.encode(JOB), v=2),
    "an unknown type": changed(codec.encode(JOB), type="poll"),
    "an unknown kind": json.dumps(
        {"v": 1, "type": "job", "body": {**json.loads(codec.encode(JOB))["body"], "kind": "draw"}}
    ),
    "an unknown task": json.dumps(
        {
            "v": 1,
            "type": "job",
            "body": {**json.loads(codec.encode(JOB))["body"], "task": {"type": "draw", "to": "fr"}},
        }
    ),
    "an unknown reason": json.dumps(
        {"v": 1, "type": "done", "body": {"text": CANARY, "finish_reason": "refused"}}
    ),
}


@pytest.mark.parametrize("document", NEWER.values(), ids=NEWER.keys())
def test_what_a_newer_process_wrote_is_told_from_what_is_broken(document: str) -> None:
    with pytest.raises(NewerDocumentError) as refusal:
        codec.decode_any(document)

    assert CANARY not in "".join(traceback.format_exception(refusal.value))


BROKEN = sorted(MALFORMED.keys() - {"unknown type", "an unknown kind"})


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_not_left_to_a_newer_process(name: str) -> None:
    with pytest.raises(CodecError) as refusal:
        codec.decode_any(MALFORMED[name])

    assert not isinstance(refusal.value, NewerDocumentError)


SUMMARY = dataclasses.replace(
    JOB, kind=Kind.SUMMARIZE, task=Summarize((Quoted("Ann", "hi"), Quoted("Bob", "ho")), "this")
)


def from_the_future() -> dict[str, Any]:
    """A job as a newer process might write it: with fields that are unknown here, at any depth."""
    body = json.loads(codec.encode(SUMMARY))["body"]
    body["mood"] = {"calm": [1, None]}
    body["nothing"] = None
    body["origin"]["room"] = "7"
    body["task"]["depth"] = 3
    body["task"]["messages"][1]["edited"] = True
    return {"v": 1, "type": "job", "body": body}


def test_what_is_unknown_here_is_kept_by_a_process_that_passes_a_job_on() -> None:
    job = codec.decode(json.dumps(from_the_future()), Job)
    assert job == SUMMARY, "it changes nothing for this process"

    again = dataclasses.replace(job, num_retries=1)

    expected = from_the_future()
    expected["body"]["num_retries"] = 1
    assert json.loads(codec.encode(again)) == expected


def test_what_is_unknown_goes_with_the_part_that_it_is_about() -> None:
    job = codec.decode(json.dumps(from_the_future()), Job)

    bare = json.loads(codec.encode(dataclasses.replace(job, text="", task=None, attachments=())))

    assert bare["body"]["task"] is None
    assert bare["body"]["mood"] == {"calm": [1, None]}


def test_what_is_unknown_in_preferences_is_kept_by_a_process_that_changes_them() -> None:
    written = json.loads(codec.encode(Stored(version=3)))
    written["body"]["preferences"]["voice"] = "deep"
    stored = codec.decode(json.dumps(written), Stored)

    changed_ = dataclasses.replace(stored, version=4)

    body = json.loads(codec.encode(changed_))["body"]
    assert (body["version"], body["preferences"]["voice"]) == (4, "deep")


def test_a_field_called_unknown_does_not_get_in() -> None:
    document = changed(
        codec.encode(JOB), body={**json.loads(codec.encode(JOB))["body"], "unknown": {"text": "x"}}
    )

    assert codec.decode(document, Job).unknown == {}
    assert "unknown" not in json.loads(codec.encode(JOB))["body"]


def renamed(body: dict[str, Any]) -> dict[str, Any]:
    """From version 1, in which a turn's role was called speaker."""
    return {**{k: v for k, v in body.items() if k != "speaker"}, "role": body["speaker"]}


def test_a_version_of_its_own_is_read_up_from_the_one_before() -> None:
    newer = Codec({**TYPES, "turn": DocumentType(Turn, 3, {1: renamed, 2: lambda body: body})})
    older = {"v": 1, "type": "turn", "body": {"speaker": "user", "text": "x"}}

    assert newer.decode(json.dumps(older), Turn) == Turn("user", "x")
    written = newer.encode(Turn("user", "x"))
    assert json.loads(written)["v"] == 3
    assert json.loads(newer.encode(Snapshot("x")))["v"] == 1, "of this type alone"
    with pytest.raises(NewerDocumentError, match="version 3; this process reads 1"):
        codec.decode(written, Turn)
    with pytest.raises(CodecError, match=r"version 0; this process reads 1, 2, 3\.") as refusal:
        newer.decode_any(changed(written, v=0))
    assert not isinstance(refusal.value, NewerDocumentError)
