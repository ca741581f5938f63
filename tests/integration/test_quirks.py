"""Servers that are nearly OpenAI's: each quirk over a real connection, with the real client."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from shared.errors import (
    EngineLostError,
    ModelServerRefusesError,
    ModelUnavailableError,
    PromptTooLongError,
)
from shared.replies import FinishReason
from shared.settings import Settings, read_settings
from tests.e2e.conftest import free_port
from tests.fakes.quirky_server import DONE, QuirkyServer, Reply, end, refusal, stream, text
from worker.engine.protocol import Request, Sampling, Thinking, Thought
from worker.engine.remote.engine import RemoteEngine
from worker.engine.remote.server import Server, find_server
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.prompts.chat import PromptInput, make_prompt

STOP, LENGTH = FinishReason.STOP, FinishReason.LENGTH
LONGEST = 8
PATIENCE_S = 2.0
ANY = Sampling()
USAGE = {"choices": [], "usage": {"completion_tokens": 2}}
CUT = 'data: {"choices": [{"delta": {"content": "é"}, "finish_reason": "stop"}]}\n\n'.encode()
LONG = "The lighthouse stands on a rock"


@contextmanager
def engine_at(server: Server, patience_s: float = PATIENCE_S) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(server, LONGEST, 4, patience_s)
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def server_at(quirky: QuirkyServer, owner: str = "") -> Server:
    return Server(f"{quirky.url}/v1", "none", "m", 4096, owner)


def request(engine: RemoteEngine, sampling: Sampling = ANY, longest: int = LONGEST) -> Request:
    prompt = make_prompt(PromptInput("Be brief.", (), "Why?"), PlainTokenizer(), engine.limits)
    return Request("a", prompt.token_ids, longest, sampling)


@dataclass(frozen=True)
class Quirk:
    """What a server answers, and what comes of it."""

    replies: Sequence[Reply]
    text: str
    finish: FinishReason = STOP
    thought: str = ""
    num_requests: int = 1
    owner: str = ""
    sampling: Sampling = ANY


def whole(body: str, kind: str = "application/json") -> Reply:
    return Reply(kind=kind, pieces=(body.encode(),))


def many(count: int) -> list[object]:
    return [text("a ") for _ in range(count)]


QUIRKS = {
    "as the protocol has it": Quirk([stream(text("Hello."), end(), DONE)], "Hello."),
    "no end mark": Quirk([stream(text("Hello."), end())], "Hello."),
    "an end mark without a reason": Quirk([stream(text("Hello."), DONE)], "Hello."),
    "an end mark alone": Quirk([stream(DONE)], ""),
    "a reason alone": Quirk([stream(end(), DONE)], ""),
    "a role, an empty text and nothing": Quirk(
        [stream(text("", role="assistant"), {"choices": []}, {}, text("Hello."), end(), DONE)],
        "Hello.",
    ),
    "a usage at the end": Quirk([stream(text("Hello."), end(), USAGE, DONE)], "Hello."),
    "a usage in each": Quirk(
        [stream({**USAGE, "choices": [{"delta": {"content": "Hi."}}]}, end(), DONE)],
        "Hi.",
    ),
    "the reason twice": Quirk([stream(text("Hello."), end(), end(), DONE)], "Hello."),
    "text behind the reason": Quirk([stream(text("Hel"), end(), text("lo."), DONE)], "Hello."),
    "a reason of its own": Quirk([stream(text("Hello."), end("eos_token"), DONE)], "Hello."),
    "its longest": Quirk([stream(text("Hello"), end("length"), DONE)], "Hello", LENGTH),
    "its longest, by another name": Quirk(
        [stream(text("Hello"), end("max_tokens"), DONE)], "Hello", LENGTH
    ),
    "content that was filtered": Quirk([stream(text("I"), end("content_filter"), DONE)], "I"),
    "a call of a tool": Quirk([stream(end("tool_calls", tool_calls=[{"id": "1"}]), DONE)], ""),
    "thoughts beside the answer": Quirk(
        [stream(text(None, reasoning_content="They"), text("Hello."), end(), DONE)],
        "Hello.",
        thought="They",
    ),
    "thoughts by their other name": Quirk(
        [stream(text("", reasoning="They"), text("Hello."), end(), DONE)], "Hello.", thought="They"
    ),
    "thoughts alone": Quirk(
        [stream(text(None, reasoning_content="They"), end("length", content=None), DONE)],
        "",
        LENGTH,
        "They",
    ),
    "parts": Quirk(
        [
            stream(
                text([{"type": "thinking", "thinking": "They"}, {"type": "text", "text": "Hi."}]),
                end(),
                DONE,
            )
        ],
        "Hi.",
        thought="They",
    ),
    "a whole completion instead of a stream": Quirk(
        [whole('{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}')],
        "Hello.",
    ),
    "a stream that says that it is JSON": Quirk(
        [Reply(kind="text/plain", pieces=stream(text("Hello."), end(), DONE).pieces)], "Hello."
    ),
    "characters cut in two": Quirk(
        [Reply(pieces=tuple(bytes([byte]) for byte in CUT))],
        "é",
    ),
    "a connection that breaks": Quirk(
        [stream(text("Hello"), is_cut=True), stream(text(" world."), end(), DONE)],
        "Hello world.",
        num_requests=2,
    ),
    "a stream that stops without a word": Quirk(
        [stream(text("Hello")), stream(text(" world."), end(), DONE)],
        "Hello world.",
        num_requests=2,
    ),
    "one that begins again where it was to go on": Quirk(
        [stream(text(LONG), is_cut=True), stream(text(LONG), text(" in the sea."), end(), DONE)],
        f"{LONG} in the sea.",
        num_requests=2,
        owner="llamacpp",
    ),
    "an error in the stream that passes": Quirk(
        [
            stream(text("Hello"), {"error": {"message": "busy", "code": 503}}),
            stream(text("."), end(), DONE),
        ],
        "Hello.",
        num_requests=2,
    ),
    "an error of the server that passes": Quirk(
        [refusal(500, "out of memory"), stream(text("Hello."), end(), DONE)],
        "Hello.",
        num_requests=2,
    ),
    "a model that is being loaded": Quirk(
        [
            refusal(503, "Loading model"),
            refusal(503, "Loading model"),
            stream(text("Hello."), end(), DONE),
        ],
        "Hello.",
        num_requests=3,
    ),
    "too many requests": Quirk(
        [refusal(429, "slow down"), stream(text("Hello."), end(), DONE)], "Hello.", num_requests=2
    ),
    "the longest answer by its other name": Quirk(
        [refusal(400, "Use 'max_completion_tokens' instead."), stream(text("Hello."), end(), DONE)],
        "Hello.",
        num_requests=2,
    ),
    "no temperature": Quirk(
        [refusal(400, "no", param="temperature"), stream(text("Hello."), end(), DONE)],
        "Hello.",
        num_requests=2,
        sampling=Sampling(0.5),
    ),
    "no system turn": Quirk(
        [refusal(400, "System role not supported"), stream(text("Hello."), end(), DONE)],
        "Hello.",
        num_requests=2,
    ),
    "one after the other refused": Quirk(
        [
            refusal(400, "no", param="temperature"),
            refusal(422, "top_k: extra fields not permitted"),
            refusal(400, "System role not supported"),
            stream(text("Hello."), end(), DONE),
        ],
        "Hello.",
        num_requests=4,
        sampling=Sampling(0.5, top_k=5),
    ),
    "no end at all": Quirk([stream(*many(5))], "a " * LONGEST, LENGTH, num_requests=2),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_a_quirk_costs_no_answer(quirk: Quirk) -> None:
    with QuirkyServer(quirk.replies) as quirky, engine_at(server_at(quirky, quirk.owner)) as engine:
        generation = engine.submit(request(engine, quirk.sampling))
        pieces = list(generation)

    said = "".join(piece for piece in pieces if not isinstance(piece, Thought))
    assert said[: len(quirk.text)] == quirk.text
    assert len(said) <= len(quirk.text) + 4, "at most what one connection has more"
    assert "".join(piece for piece in pieces if isinstance(piece, Thought)) == quirk.thought
    assert generation.finish_reason is quirk.finish
    assert len(quirky.bodies) == quirk.num_requests


def test_what_was_learned_is_not_asked_again() -> None:
    replies = [refusal(400, "no", param="temperature"), stream(text("Hello."), end(), DONE)]
    with QuirkyServer(replies) as quirky, engine_at(server_at(quirky)) as engine:
        for _ in range(2):
            assert "".join(engine.submit(request(engine, Sampling(0.5)))) == "Hello."

    assert ["temperature" in body for body in quirky.bodies] == [True, False, False]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(400, "Your account is suspended."), ModelServerRefusesError),
        (refusal(401, "No such key."), ModelServerRefusesError),
        (refusal(403, "Not yours."), ModelServerRefusesError),
        (refusal(404, "No such model."), ModelServerRefusesError),
        (refusal(400, "This model's maximum context length is 4096 tokens."), PromptTooLongError),
        (refusal(400, "the request exceeds the available context size"), PromptTooLongError),
        (stream({"error": {"message": "bad request", "code": 400}}), ModelServerRefusesError),
        (Reply(kind="text/html", pieces=(b"<html>Welcome</html>",)), ModelServerRefusesError),
        (stream(text("a"), is_cut=True), EngineLostError),
        (refusal(500, "out of memory"), EngineLostError),
    ],
)
def test_a_refusal_for_good_ends_the_answer(reply: Reply, error: type[Exception]) -> None:
    with QuirkyServer([reply]) as quirky, engine_at(server_at(quirky)) as engine:
        with pytest.raises(error):
            list(engine.submit(request(engine, longest=100)))
        assert engine.num_running == 0

    assert len(quirky.bodies) <= 6


def test_a_server_that_is_away_for_a_moment_is_waited_for() -> None:
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}/v1", "none", "m", 4096)
    with engine_at(server, patience_s=20) as engine:
        generation = engine.submit(request(engine))
        pieces: list[str] = []
        reader = threading.Thread(target=lambda: pieces.extend(generation))
        reader.start()
        time.sleep(1.0)  # it is away for so long
        with QuirkyServer([stream(text("Hello."), end(), DONE)], port=port):
            reader.join(20)

    assert pieces == ["Hello."]


def test_a_first_token_may_take_its_time() -> None:
    reply = stream(text("Hello."), end(), DONE, pause_s=0.4)
    with QuirkyServer([reply]) as quirky, engine_at(server_at(quirky), 0.1) as engine:
        assert "".join(engine.submit(request(engine))) == "Hello."

    assert len(quirky.bodies) == 1


def test_all_tokens_of_an_answer_count_together() -> None:
    broken = stream(text("a"), text("b"), text("c"), is_cut=True)
    with QuirkyServer([broken]) as quirky, engine_at(server_at(quirky)) as engine:
        generation = engine.submit(request(engine))
        assert "".join(generation) == "abcabcab"

    assert [body["max_tokens"] for body in quirky.bodies] == [8, 5, 2]
    assert generation.finish_reason is LENGTH


def test_thoughts_have_tokens_of_their_own() -> None:
    with (
        QuirkyServer([stream(text("Hello."), end(), DONE)]) as quirky,
        engine_at(server_at(quirky)) as engine,
    ):
        asked = request(engine)
        list(engine.submit(Request("b", asked.prompt_ids, 8, thinking=Thinking(max_tokens=30))))

    assert quirky.bodies[0]["max_tokens"] == 38


def settings_of(url: str, **others: str) -> Settings:
    environ = {"PARLEY_ENGINE": "openai", "PARLEY_OPENAI_BASE_URL": url, **others}
    return read_settings(environ, env_file=None)


def listing(body: str, kind: str = "application/json", status: int = 200) -> Reply:
    return Reply(status, kind, (body.encode(),))


@pytest.mark.parametrize(
    ("body", "context", "owner"),
    [
        ('{"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 512}]}', 512, "vllm"),
        (
            '{"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 256}}]}',
            256,
            "llamacpp",
        ),
        ('{"data": [{"id": "m", "context_length": 1024}]}', 1024, ""),
        ('[{"id": "m"}]', 8192, ""),
        ('{"models": [{"name": "m"}]}', 8192, ""),
        (
            '{"data": [{"id": "m", "parent": "base"}, {"id": "base", "max_model_len": 640}]}',
            640,
            "",
        ),
        ('{"data": [{"id": "m", "max_model_len": null, "meta": null}]}', 8192, ""),
    ],
)
def test_a_server_says_its_context(body: str, context: int, owner: str) -> None:
    with QuirkyServer([], models=listing(body)) as quirky:
        server = find_server(settings_of(f"{quirky.url}/v1", PARLEY_MODEL="m"))

    assert (server.model, server.context_tokens, server.owner) == ("m", context, owner)


@pytest.mark.parametrize(
    ("models", "path", "said"),
    [
        (listing('{"data": [{"id": "m"}]}'), "", "set PARLEY_OPENAI_BASE_URL to http://.*/v1"),
        (listing("<html>", "text/html"), "/v1", "something else than JSON"),
        (listing("{", "application/json"), "/v1", "something else than JSON"),
        (listing('{"data": 7}'), "/v1", "something else than JSON"),
        (listing("no", status=500), "/v1", "answers 500"),
        (listing("no", status=401), "/v1", "does not accept PARLEY_OPENAI_API_KEY"),
        (listing('{"data": []}'), "/v1", "lists no model"),
    ],
)
def test_what_is_no_model_server_is_said_in_a_sentence(models: Reply, path: str, said: str) -> None:
    with (
        QuirkyServer([], models=models) as quirky,
        pytest.raises(ModelUnavailableError, match=said),
    ):
        find_server(settings_of(f"{quirky.url}{path}"))


def test_a_model_that_is_not_listed_may_be_there_all_the_same() -> None:
    with QuirkyServer([whole("{}")]) as quirky:
        assert find_server(settings_of(f"{quirky.url}/v1", PARLEY_MODEL="x")).model == "x"
    with QuirkyServer([refusal(400, "Use 'max_completion_tokens', not 'max_tokens'")]) as quirky:
        assert find_server(settings_of(f"{quirky.url}/v1", PARLEY_MODEL="x")).model == "x"
