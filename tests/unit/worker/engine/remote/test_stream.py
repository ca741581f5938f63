"""Streams as servers send them, however their bytes are cut."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from worker.engine.protocol import Thought
from worker.engine.remote.stream import Delta, StreamError, deltas_in, events_in


async def sent(data: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


def chunk(**delta: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


A, B = chunk(content="é\u2028 🎉"), chunk(content="b")
JSON_A, JSON_B = json.dumps(A, ensure_ascii=False), json.dumps(B)
STREAMS = {
    "as the protocol has it": f"data: {JSON_A}\n\ndata: {JSON_B}\n\ndata: [DONE]\n\n",
    "with carriage returns": f"data: {JSON_A}\r\n\r\ndata: {JSON_B}\r\n\r\ndata: [DONE]\r\n\r\n",
    "without a space": f"data:{JSON_A}\n\ndata:{JSON_B}\n\ndata:[DONE]\n\n",
    "without blank lines": f"data: {JSON_A}\ndata: {JSON_B}\ndata: [DONE]\n",
    "with comments": f": ping\n\ndata: {JSON_A}\n\n: ping\n\ndata: {JSON_B}\n\ndata: [DONE]\n\n",
    "with events, ids and empty data": (
        f"event: message\nid: 1\ndata: {JSON_A}\n\nevent: ping\ndata: \n\n"
        f"retry: 3\ndata: {JSON_B}\n\ndata: [DONE]\n\n"
    ),
    "an object over several lines": (
        "data: "
        + json.dumps(A, indent=1, ensure_ascii=False).replace("\n", "\ndata: ")
        + f"\n\ndata: {JSON_B}\n\ndata: [DONE]\n\n"
    ),
    "with what is no object": f"data: 1\n\ndata: {JSON_A}\n\ndata: {JSON_B}\n\ndata: [DONE]\n\n",
    "without a last line's end": f"data: {JSON_A}\n\ndata: {JSON_B}\n\ndata: [DONE]",
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
async def test_a_stream_is_its_objects_and_its_end(stream: str, step: int) -> None:
    assert [event async for event in events_in(sent(stream.encode(), step))] == [A, B, None]


async def test_a_stream_may_end_without_a_mark() -> None:
    data = f"data: {JSON_A}\n\ndata: {JSON_B}".encode()

    assert [event async for event in events_in(sent(data, 5))] == [A, B]


async def test_an_event_without_an_end_is_no_stream() -> None:
    with pytest.raises(StreamError):
        async for _ in events_in(sent(b"data: " + b"x" * 5_000_000, 1 << 20)):
            pass


DELTAS: dict[str, tuple[dict[str, Any], list[Delta]]] = {
    "a text": (chunk(content="a"), [Delta("a")]),
    "a role alone": (chunk(role="assistant"), []),
    "a role and an empty text": (chunk(role="assistant", content=""), []),
    "no text": (chunk(content=None), []),
    "no choices": ({"choices": []}, []),
    "choices of nothing": ({"choices": None}, []),
    "nothing at all": ({}, []),
    "no delta": ({"choices": [{"delta": None, "finish_reason": "stop"}]}, [Delta(finish="stop")]),
    "a choice of nothing": ({"choices": [None]}, []),
    "a usage alone": ({"choices": [], "usage": {"completion_tokens": 7}}, [Delta(num_written=7)]),
    "a usage of nothing": ({"choices": [], "usage": None}, []),
    "a text and a reason": (
        {"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]},
        [Delta("a"), Delta(finish="length")],
    ),
    "a thought": (chunk(reasoning_content="a"), [Delta(Thought("a"))]),
    "a thought by its other name": (chunk(reasoning="a"), [Delta(Thought("a"))]),
    "a thought by both names": (chunk(reasoning="a", reasoning_content="a"), [Delta(Thought("a"))]),
    "a thought and a text": (chunk(reasoning="a", content="b"), [Delta(Thought("a")), Delta("b")]),
    "no thought": (chunk(reasoning=None, content="b"), [Delta("b")]),
    "parts": (
        chunk(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        [Delta("a"), Delta("b")],
    ),
    "a part that is a thought": (
        chunk(
            content=[
                {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]},
                {"type": "text", "text": "b"},
            ]
        ),
        [Delta(Thought("a")), Delta("b")],
    ),
    "a part that is a thought in a text": (
        chunk(content=[{"type": "thinking", "thinking": "a"}]),
        [Delta(Thought("a"))],
    ),
    "parts that are texts": (chunk(content=["a", 1, None]), [Delta("a")]),
    "a refusal": (chunk(refusal="I cannot."), [Delta("I cannot.")]),
    "a call of a tool": (chunk(tool_calls=[{"function": {"name": "x"}}]), []),
    "a text of the older kind": ({"choices": [{"text": "a"}]}, [Delta("a")]),
    "a whole completion": (
        {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]},
        [Delta("a"), Delta(finish="stop")],
    ),
}


@pytest.mark.parametrize(("event", "deltas"), DELTAS.values(), ids=DELTAS)
def test_an_object_is_its_pieces(event: dict[str, Any], deltas: list[Delta]) -> None:
    found = list(deltas_in(event))

    assert found == deltas
    assert [type(each.text) for each in found] == [type(each.text) for each in deltas]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"error": "out of memory"}, 500),
        ({"error": {"message": "bad", "code": 400}}, 400),
        ({"error": {"message": "bad", "code": "429"}}, 429),
        ({"error": {"message": "bad", "code": "context_length_exceeded"}}, 500),
        ({"error": {"message": "bad"}, "status": 503}, 503),
        ({"error": True, "code": 12}, 500),
    ],
)
def test_an_error_in_a_stream_is_one(event: dict[str, Any], status: int) -> None:
    with pytest.raises(StreamError) as raised:
        list(deltas_in(event))

    assert raised.value.status == status
