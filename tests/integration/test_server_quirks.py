"""What nearly compatible model servers send and refuse, each by a real server that does it."""

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from shared.errors import EngineLostError, ModelServerRefusesError, PromptTooLongError
from shared.jobs import Effort, Turn
from shared.replies import FinishReason
from tests.fakes.scripted_server import (
    CUT,
    DONE,
    Script,
    ScriptedServer,
    WholeReply,
    choice,
    delta,
    end,
    event,
    events,
    reply,
)
from worker.engine.protocol import Request, Sampling, Thinking, Thought
from worker.engine.remote.engine import RemoteEngine
from worker.engine.remote.request_body import GO_ON
from worker.engine.remote.retries import MAX_BREAKS
from worker.engine.remote.server import Server
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.prompts.chat import PromptInput, make_prompt

NEW_TOKENS = 20
STOP, LENGTH = FinishReason.STOP, FinishReason.LENGTH
PATIENCE_S, SILENT_S = 1.0, 5.0
HELLO = [event(delta("Hello")), event(delta(" you"))]
PAGE = WholeReply(200, b"<!doctype html><html><body>Welcome</body></html>", "text/html")
WHOLE = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"content": "Hello you"}, "finish_reason": "stop"}],
    "usage": {"completion_tokens": 2},
}
LINES = b'{"choices":[{"delta":{"content":"Hello"}}]}\n{"choices":[{"delta":{"content":" you"}}]}\n'
ERROR = {"error": {"message": "CUDA out of memory", "type": "server_error", "code": 500}}


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as its reader got it."""

    text: str
    reason: FinishReason | None
    thought: str = ""


@contextmanager
def opened(
    script: Script, owner: str = "", silent_s: float = SILENT_S
) -> Iterator[tuple[RemoteEngine, ScriptedServer]]:
    with ScriptedServer(script) as server:
        described = Server(server.url, "none", "quirky", 8192, owner)
        engine = RemoteEngine(described, None, 4, PATIENCE_S, silent_s)
        try:
            engine.open()
            yield engine, server
        finally:
            engine.close()


def request(engine: RemoteEngine, **others: object) -> Request:
    asked = PromptInput("Be brief.", (Turn("user", "one"), Turn("assistant", "two")), "three")
    prompt = make_prompt(asked, PlainTokenizer(), engine.limits)
    fields: dict[str, Any] = others
    return dataclasses.replace(Request("a", prompt.token_ids, NEW_TOKENS), **fields)


def heard(engine: RemoteEngine, **others: object) -> Heard:
    generation = engine.submit(request(engine, **others))
    pieces = list(generation)
    thought = "".join(piece for piece in pieces if isinstance(piece, Thought))
    text = "".join(piece for piece in pieces if not isinstance(piece, Thought))
    return Heard(text, generation.finish_reason, thought)


def cut_bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def without_blank_lines(*chunks: object) -> list[bytes]:
    return [event(chunk).replace(b"data: ", b"data:").rstrip() + b"\n" for chunk in chunks]


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
    {"type": "text", "text": "Hello"},
]
STREAMS: dict[str, tuple[Iterable[bytes | WholeReply], Heard]] = {
    "usage in a chunk without choices": (
        [*HELLO, *events(end(), {"choices": [], "usage": {"completion_tokens": 2}})],
        Heard("Hello you", STOP),
    ),
    "a role without content": (
        [event(choice(delta={"role": "assistant", "content": None})), *HELLO, *events(end())],
        Heard("Hello you", STOP),
    ),
    "a role with empty content": (
        [event(delta("", role="assistant")), *HELLO, *events(end())],
        Heard("Hello you", STOP),
    ),
    "empty chunks": (
        [event({}), event({"choices": None}), event(None), *HELLO, *events(end())],
        Heard("Hello you", STOP),
    ),
    "nothing behind the finish reason": ([*HELLO, event(end())], Heard("Hello you", STOP)),
    "[DONE] without a finish reason": ([*HELLO, DONE], Heard("Hello you", STOP)),
    "[DONE] and nothing else": ([DONE], Heard("", STOP)),
    "[DONE] after all tokens": (
        [*(event(delta("x")) for _ in range(NEW_TOKENS)), DONE],
        Heard("x" * NEW_TOKENS, LENGTH),
    ),
    "a finish reason without a delta": (
        [*HELLO, *events(choice(delta=None, finish_reason="stop"))],
        Heard("Hello you", STOP),
    ),
    "the finish reason beside the last text": (
        [HELLO[0], *events(delta(" you", "stop"))],
        Heard("Hello you", STOP),
    ),
    "the finish reason twice": ([*HELLO, *events(end(), end())], Heard("Hello you", STOP)),
    "full length": ([*HELLO, *events(end("length"))], Heard("Hello you", LENGTH)),
    "full length in other words": (
        [*HELLO, *events(end("max_tokens"))],
        Heard("Hello you", LENGTH),
    ),
    "tools are called": (
        [*HELLO, *events(delta(None, "tool_calls", tool_calls=[]))],
        Heard("Hello you", STOP),
    ),
    "filtered": ([*HELLO, *events(end("content_filter"))], Heard("Hello you", STOP)),
    "eos": ([*HELLO, *events(end("eos"))], Heard("Hello you", STOP)),
    "stop_sequence": ([*HELLO, *events(end("stop_sequence"))], Heard("Hello you", STOP)),
    "the finish reason as an object": (
        [*HELLO, *events(end({"type": "length"}))],
        Heard("Hello you", LENGTH),
    ),
    "comments and other fields": (
        [b": ping\n\n", HELLO[0], b"event: message\nid: 7\nretry: 10\n", *HELLO[1:], DONE],
        Heard("Hello you", STOP),
    ),
    "CRLF": ([b"".join([*HELLO, DONE]).replace(b"\n", b"\r\n")], Heard("Hello you", STOP)),
    "CRLF, byte by byte": (
        cut_bytes(b"".join([*HELLO, DONE]).replace(b"\n", b"\r\n")),
        Heard("Hello you", STOP),
    ),
    "CR": ([b"".join([*HELLO, DONE]).replace(b"\n", b"\r")], Heard("Hello you", STOP)),
    "no blank lines": (
        without_blank_lines(delta("Hello"), delta(" you"), end()),
        Heard("Hello you", STOP),
    ),
    "characters cut in the middle": (
        cut_bytes(b"".join(events(delta("Grüße 👋"), end()))),
        Heard("Grüße 👋", STOP),
    ),
    "line separators within a text": (
        events(delta("a\u2028b\u0085c"), end()),
        Heard("a\u2028b\u0085c", STOP),
    ),
    "a document over several lines": (
        [b'data: {"choices":\ndata: [{"delta": {"content": "Hello"}}]}\n\n', DONE],
        Heard("Hello", STOP),
    ),
    "text in place of a delta": (
        events(choice(text="Hello"), choice(text="", finish_reason="stop")),
        Heard("Hello", STOP),
    ),
    "a message in place of a delta": (
        events(choice(message={"content": "Hello"}, finish_reason="stop")),
        Heard("Hello", STOP),
    ),
    "a refusal of the model": (
        events(choice(delta={"refusal": "I will not."}), end()),
        Heard("I will not.", STOP),
    ),
    "another choice": (
        [*HELLO, event({"choices": [{"index": 1, "delta": {"content": "no"}}]}), DONE],
        Heard("Hello you", STOP),
    ),
    "a whole answer": ([reply(200, WHOLE)], Heard("Hello you", STOP)),
    "a whole answer over several lines": (
        [b'{\n  "choices": [\n{"message":\n{"content": "Hello you"}}\n]\n}\n'],
        Heard("Hello you", STOP),
    ),
    "a document a line": ([LINES], Heard("Hello you", STOP)),
    "reasoning_content": (
        events(delta(None, reasoning_content="Hm."), delta("Hello"), end()),
        Heard("Hello", STOP, "Hm."),
    ),
    "reasoning": (
        events(delta("", reasoning="Hm."), delta("Hello"), end()),
        Heard("Hello", STOP, "Hm."),
    ),
    "both of them": (
        events(delta(None, reasoning="Hm.", reasoning_content="Hm."), delta("Hello"), end()),
        Heard("Hello", STOP, "Hm."),
    ),
    "a thought alone": (
        events(delta(None, reasoning_content="Hm."), end("length")),
        Heard("", LENGTH, "Hm."),
    ),
    "content in parts": (events(delta(PARTS), end()), Heard("Hello", STOP, "Hm.")),
    "tags of thoughts in the text": (
        events(delta("<think>Hm.</think>Hello"), end()),
        Heard("<think>Hm.</think>Hello", STOP),
    ),
    "no limit is kept to": (
        (event(delta("x")) for _ in itertools.count()),
        Heard("x" * NEW_TOKENS, LENGTH),
    ),
}


@pytest.mark.parametrize(("sent", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_an_answer_is_read_as_it_is_sent(
    sent: Iterable[bytes | WholeReply], expected: Heard
) -> None:
    with opened(lambda _body, _number: sent) as (engine, server):
        assert heard(engine) == expected
        assert len(server.bodies) == 1


BROKEN: dict[str, tuple[Sequence[bytes | WholeReply], Sequence[bytes | WholeReply], str]] = {
    "reset": ([*HELLO, CUT], events(delta(", bye"), end()), "Hello you, bye"),
    "reset in a chunk": (
        [HELLO[0], HELLO[1][:20], CUT],
        events(delta(", bye"), end()),
        "Hello, bye",
    ),
    "aborted by the server": (
        [*HELLO, event(end("abort"))],
        events(delta(", bye"), end()),
        "Hello you, bye",
    ),
    "an error in the stream": (
        [*HELLO, event(ERROR), DONE],
        events(delta(", bye"), end()),
        "Hello you, bye",
    ),
    "an error as a string": (
        [*HELLO, event({"error": "busy"})],
        events(delta(", bye"), end()),
        "Hello you, bye",
    ),
    "an error as an object of its own": (
        [*HELLO, event({"object": "error", "message": "busy", "code": 500})],
        events(delta(", bye"), end()),
        "Hello you, bye",
    ),
    "its beginning is repeated": (
        [*HELLO, CUT],
        events(delta("Hel"), delta("lo you, "), delta("bye"), end()),
        "Hello you, bye",
    ),
    "its beginning is repeated, and nothing more": (
        [*HELLO, CUT],
        events(delta("Hello you"), end("length")),
        "Hello you",
    ),
    "it begins alike, by chance": (
        [*HELLO, CUT],
        events(delta(" Hello"), delta(" world"), end()),
        "Hello you Hello world",
    ),
    "nothing was sent": ([b": ping\n\n", CUT], events(delta("Hello"), end()), "Hello"),
    "it is loading": (
        [reply(503, {"error": {"message": "Loading model", "code": 503}})],
        events(delta("Hello"), end()),
        "Hello",
    ),
    "too many requests": (
        [reply(429, {"error": "slow down"}, ("Retry-After", "0"))],
        events(delta("Hello"), end()),
        "Hello",
    ),
    "its system is overloaded": (
        [reply(503, {"error": {"message": "The system is overloaded: no role for you"}})],
        events(delta("Hello"), end()),
        "Hello",
    ),
    "too many requests, in the stream": (
        [event({"error": {"message": "slow down", "code": 429}})],
        events(delta("Hello"), end()),
        "Hello",
    ),
    "a proxy without a server": (
        [WholeReply(502, b"<html>Bad Gateway</html>", "text/html")],
        events(delta("Hello"), end()),
        "Hello",
    ),
    "accepted and closed": ([CUT], events(delta("Hello"), end()), "Hello"),
}


@pytest.mark.parametrize(("first", "then", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_gone_on_with(
    first: Sequence[bytes | WholeReply], then: Sequence[bytes | WholeReply], expected: str
) -> None:
    with opened(lambda _body, number: then if number else first) as (engine, server):
        assert heard(engine).text == expected
        assert len(server.bodies) == 2
        if first[: len(HELLO)] == HELLO:
            *_, begun, last = server.bodies[1]["messages"]
            assert begun == {"role": "assistant", "content": "Hello you"}
            assert last == {"role": "user", "content": GO_ON}


def test_the_requests_for_an_answer_have_one_limit_of_tokens_and_breaks() -> None:
    def script(_body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        return [event(delta("x")), CUT]

    with opened(script) as (engine, server):
        with pytest.raises(EngineLostError, match="again and again"):
            heard(engine)
        asked = [body["max_tokens"] for body in server.bodies]
    assert asked == [NEW_TOKENS - number for number in range(MAX_BREAKS + 1)]


def test_no_tokens_are_asked_for_that_were_written_before() -> None:
    def script(_body: dict[str, Any], number: int) -> Iterable[bytes | WholeReply]:
        return [*(event(delta(str(number))) for _ in range(8)), CUT]

    with opened(script) as (engine, server):
        assert heard(engine) == Heard("0" * 8 + "1" * 8 + "2" * 4, LENGTH)
        assert [body["max_tokens"] for body in server.bodies] == [20, 12, 4]


def test_the_count_of_the_server_goes_before_that_of_its_chunks() -> None:
    used = {**delta("eight tokens"), "usage": {"completion_tokens": 8}}

    with opened(lambda _body, number: events(end()) if number else [event(used), CUT]) as (
        engine,
        server,
    ):
        heard(engine)

        assert server.bodies[1]["max_tokens"] == NEW_TOKENS - 8


def openai_refusal(parameter: str) -> WholeReply:
    message = f"Unsupported parameter: '{parameter}' is not supported with this model."
    kind = {"type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter"}
    return reply(400, {"error": {"message": message, **kind}})


def fastapi_refusal(parameter: str) -> WholeReply:
    fault = {"type": "extra_forbidden", "loc": ["body", parameter], "msg": "Extra inputs"}
    return reply(422, {"detail": [{**fault, "input": {"temperature": 1, "top_p": 1}}]})


def mistral_refusal(parameter: str) -> WholeReply:
    detail = [{"type": "extra_forbidden", "loc": ["body", parameter], "msg": "Not permitted"}]
    return reply(422, {"object": "error", "message": {"detail": detail}, "code": None})


def sglang_refusal(parameter: str) -> WholeReply:
    fault = f"1 validation error:\n  {{'loc': ('body', '{parameter}'), 'input': 'temperature'}}"
    return reply(400, {"object": "error", "message": fault, "param": None, "code": 400})


def plain_refusal(parameter: str) -> WholeReply:
    return WholeReply(400, f"{parameter} is not known here".encode(), "text/plain")


def in_the_stream(parameter: str) -> bytes:
    return event({"error": {"message": f"bad {parameter}", "type": "BadRequestError", "code": 400}})


Refuse = Callable[[str], bytes | WholeReply]
REFUSALS: dict[str, Refuse] = {
    "OpenAI": openai_refusal,
    "FastAPI": fastapi_refusal,
    "Mistral": mistral_refusal,
    "SGLang": sglang_refusal,
    "plain": plain_refusal,
    "in the stream": in_the_stream,
}
SET = Sampling(0.7, 0.9, 40, 0.1, 1.1, 7)
OPTIONAL = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "seed",
    "stream_options",
    "cache_salt",
    "chat_template_kwargs",
)


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("parameter", OPTIONAL)
def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    parameter: str, refuse: Refuse
) -> None:
    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        return [refuse(parameter)] if parameter in body else events(delta("Hello"), end())

    with opened(script, "vllm") as (engine, server):
        assert heard(engine, sampling=SET).text == "Hello"
        assert heard(engine, id="b", sampling=SET).text == "Hello"

    first, *others = server.bodies
    assert len(others) == 2, "asked again once, and never again"
    for body in others:
        assert first.keys() - body.keys() == {parameter}


def test_several_are_found_out_one_after_the_other() -> None:
    refused = {"temperature", "cache_salt", "stream_options", "max_tokens"}

    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        wrong = sorted(refused & body.keys())
        return [openai_refusal(wrong[0])] if wrong else events(delta("Hello"), end())

    with opened(script, "vllm") as (engine, server):
        assert heard(engine, sampling=SET).text == "Hello"
        assert heard(engine, id="b", sampling=SET).text == "Hello"

    assert len(server.bodies) == len(refused) + 2
    assert server.bodies[-1]["max_completion_tokens"] == NEW_TOKENS
    assert server.bodies[-1]["top_p"] == 0.9


def test_a_server_without_a_word_for_least_effort_gets_the_least_that_it_knows() -> None:
    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        if body.get("reasoning_effort") == "none":
            return [sglang_refusal("reasoning_effort")]
        return events(delta("Hello"), end())

    with opened(script) as (engine, server):
        heard(engine)
        heard(engine, id="b", thinking=Thinking(Effort.HARD, 5))

    assert [body["reasoning_effort"] for body in server.bodies] == ["none", "low", "high"]
    assert [body["max_tokens"] for body in server.bodies] == [NEW_TOKENS, NEW_TOKENS, 25]


def test_a_model_that_cannot_think_is_not_told_to() -> None:
    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        if "reasoning_effort" in body:  # Ollama
            return [reply(400, {"error": {"message": '"smol" does not support thinking'}})]
        return events(delta("Hello"), end())

    with opened(script) as (engine, server):
        heard(engine, thinking=Thinking(Effort.HARD, 5))
        heard(engine, id="b", thinking=Thinking(Effort.HARD, 5))

    assert ["reasoning_effort" in body for body in server.bodies] == [True, False, False]


def test_what_is_refused_without_a_name_is_found_by_leaving_all_out() -> None:
    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        known = body.keys() <= {"model", "messages", "stream", "max_tokens"}
        return events(delta("Hello"), end()) if known else [WholeReply(400, b"")]

    with opened(script) as (engine, server):
        assert heard(engine, sampling=SET).text == "Hello"
        assert heard(engine, id="b", sampling=SET).text == "Hello"

    assert len(server.bodies) == 3


OF_TURNS = {
    "Gemma 2 at vLLM": reply(400, {"error": {"message": "System role not supported"}}),
    "Mistral at vLLM": reply(
        400, {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}
    ),
    "llama.cpp": reply(
        500, {"error": {"message": "Jinja Exception: Only user and assistant roles", "code": 500}}
    ),
    "in the stream": event({"error": {"message": "System role not supported", "code": 400}}),
}


@pytest.mark.parametrize("refused", OF_TURNS.values(), ids=OF_TURNS.keys())
def test_a_template_without_system_turns_gets_their_text_before_the_first_question(
    refused: WholeReply | bytes,
) -> None:
    def script(body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        has_system = body["messages"][0]["role"] == "system"
        return [refused] if has_system else events(delta("Hello"), end())

    with opened(script) as (engine, server):
        assert heard(engine).text == "Hello"
        assert heard(engine, id="b").text == "Hello"

    assert len(server.bodies) == 3
    for body in server.bodies[1:]:
        assert body["messages"][0] == {"role": "user", "content": "Be brief.\n\none"}
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_a_server_that_refuses_to_continue_is_asked_to_go_on_in_words() -> None:
    said = "Assistant response prefill is incompatible with enable_thinking."

    def script(body: dict[str, Any], number: int) -> Iterable[bytes | WholeReply]:
        if number == 0:
            return [*HELLO, CUT]
        is_begun = body["messages"][-1]["role"] == "assistant"
        return [reply(400, {"error": {"message": said}})] if is_begun else events(delta("!"), end())

    with opened(script, "llamacpp") as (engine, server):
        assert heard(engine).text == "Hello you!"

    assert server.bodies[1]["continue_final_message"] is True
    assert server.bodies[1]["chat_template_kwargs"]["enable_thinking"] is False
    assert "continue_final_message" not in server.bodies[2]
    assert server.bodies[2]["messages"][-1]["content"] == GO_ON


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_for_good_is_told_at_once(status: int) -> None:
    said = [reply(status, {"error": {"message": "no"}})]

    with opened(lambda _body, _number: said) as (engine, server):
        with pytest.raises(ModelServerRefusesError, match="asking again does not help"):
            heard(engine)
        assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [400, 422])
def test_what_no_adaptation_helps_against_is_a_refusal_for_good(status: int) -> None:
    said = [reply(status, {"error": {"message": "temperature role top_p template"}})]

    with opened(lambda _body, _number: said, "vllm") as (engine, server):
        with pytest.raises(ModelServerRefusesError, match=f"error {status}"):
            heard(engine, sampling=SET)
        num_tried = len(server.bodies)
        assert num_tried < 6
        with pytest.raises(ModelServerRefusesError):
            heard(engine, id="b", sampling=SET)
        assert "temperature" in server.bodies[num_tried], "what did not help is not kept"


@pytest.mark.parametrize("said", [PAGE, WholeReply(200, b"hello"), reply(200, "hello")])
def test_a_page_is_no_answer(said: WholeReply) -> None:
    with opened(lambda _body, _number: [said]) as (engine, server):
        with pytest.raises(ModelServerRefusesError, match="error 404"):
            heard(engine)
        assert len(server.bodies) == 1


def test_a_prompt_that_the_server_finds_too_long_is_said_to_be() -> None:
    said = {"type": "exceed_context_size_error", "message": "exceeds the available context size"}

    with (
        opened(lambda _body, _number: [reply(400, {"error": said})]) as (engine, _server),
        pytest.raises(PromptTooLongError),
    ):
        heard(engine)


def test_a_template_that_fails_whatever_is_sent_is_a_fault_of_the_server() -> None:
    said = [reply(500, {"error": {"message": "Jinja Exception: no such filter"}})]

    with opened(lambda _body, _number: said) as (engine, server):
        with pytest.raises(EngineLostError, match="answers 500"):
            heard(engine)
        assert server.bodies[0]["messages"][0]["role"] == "system"
        assert server.bodies[1]["messages"][0]["role"] == "user"


def test_a_server_that_is_always_busy_is_given_up_in_the_end() -> None:
    with opened(lambda _body, _number: [reply(500, {})]) as (engine, server):
        with pytest.raises(EngineLostError, match="answers 500"):
            heard(engine)
        assert len(server.bodies) < 10


def test_a_first_token_may_take_as_long_as_it_likes_but_not_the_next_one() -> None:
    may_begin = threading.Event()

    def script(_body: dict[str, Any], number: int) -> Iterable[bytes | WholeReply]:
        if number:
            yield from events(delta("!"), end())
            return
        yield b": loading\n\n"
        may_begin.wait(0.5)  # longer than it may be silent afterwards
        yield event(delta("Hello"))
        may_begin.wait()
        yield CUT

    with opened(script, silent_s=0.1) as (engine, server):
        assert heard(engine).text == "Hello!"
        assert len(server.bodies) == 2
        may_begin.set()


def test_an_answer_is_over_with_its_finish_reason_though_the_connection_stays() -> None:
    is_over = threading.Event()

    def script(_body: dict[str, Any], _number: int) -> Iterable[bytes | WholeReply]:
        yield event(delta("Hello", "stop"))
        is_over.wait()

    with opened(script) as (engine, server):
        assert heard(engine) == Heard("Hello", STOP)
        assert len(server.bodies) == 1
        is_over.set()


def test_an_outage_of_some_seconds_is_survived() -> None:
    with ScriptedServer(lambda _body, _number: events(delta("Hello"), end())) as gone:
        port = gone.port
    engine = RemoteEngine(Server(gone.url, "none", "quirky", 8192), None, 4)
    engine.open()
    try:
        generation = engine.submit(request(engine))
        pieces: list[str] = []
        reader = threading.Thread(target=lambda: pieces.extend(generation))
        reader.start()
        reader.join(2)  # the outage
        assert reader.is_alive()
        with ScriptedServer(lambda _body, _number: events(delta("Hello"), end()), port=port):
            reader.join()
    finally:
        engine.close()

    assert pieces == ["Hello"]


def test_a_server_that_never_says_that_it_is_done_is_known_to_after_one_answer() -> None:
    with opened(lambda _body, _number: HELLO) as (engine, server):
        assert heard(engine) == Heard("Hello you", STOP)
        assert len(server.bodies) == 2, "it may have been cut"
        assert heard(engine, id="b") == Heard("Hello you", STOP)
        assert len(server.bodies) == 3
