"""Answers by a model server that is not ours: ``transformers serve`` with a small real model."""

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import yarl

from shared.errors import (
    EngineLostError,
    ModelServerSilentError,
    ModelUnavailableError,
    PromptTooLongError,
)
from shared.jobs import Attachment, Turn
from shared.replies import FinishReason
from shared.settings import Settings, read_settings
from tests.chaos.forward_passes import load, written_alone
from tests.e2e.conftest import free_port
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.tiny_model import save_tiny_model
from tests.fakes.tiny_seer import picture, save_tiny_seer
from tests.model_server import model_server
from worker import doctor
from worker.engine.protocol import Request
from worker.engine.remote.engine import RemoteEngine
from worker.engine.remote.server import find_server
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.prompts.chat import PromptInput, make_continuation, make_prompt
from worker.tasks.attachments import pictures_of

NEW_TOKENS = 40
ENDLESS = 1000
COLORS = ("red", "blue")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "served", ends=False)


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with model_server(model, tmp_path_factory.mktemp("served") / "home") as url:
        yield url


@pytest.fixture
def proxy(url: str) -> Iterator[TcpProxy]:
    with TcpProxy(yarl.URL(url).port or 0) as proxy:
        yield proxy


def settings_of(url: str, model: str = "default", **others: str) -> Settings:
    environ = {
        "PARLEY_ENGINE": "openai",
        "PARLEY_OPENAI_BASE_URL": url,
        "PARLEY_MODEL": model,
        **others,
    }
    return read_settings(environ, env_file=None)


@pytest.fixture
def engine(proxy: TcpProxy, model: Path) -> Iterator[RemoteEngine]:
    yield from opened(f"http://127.0.0.1:{proxy.port}/v1", model)


def opened(url: str, model: Path, max_requests: int = 4) -> Iterator[RemoteEngine]:
    server = find_server(settings_of(url, str(model)))
    engine = RemoteEngine(server, ENDLESS, max_requests, patience_s=2)
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def request(engine: RemoteEngine, name: str, text: str, longest: int = NEW_TOKENS) -> Request:
    question = PromptInput("Be brief.", (Turn("user", "one"), Turn("assistant", "two")), text)
    prompt = make_prompt(question, PlainTokenizer(), engine.limits)
    return Request(name, prompt.token_ids, longest)


def test_an_answer_is_what_the_model_writes(engine: RemoteEngine, model: Path) -> None:
    generation = engine.submit(request(engine, "a", "three"))

    pieces = list(generation)

    loaded = load(model)
    layout = "system: Be brief.<|end|>user: one<|end|>assistant: two<|end|>user: three<|end|>"
    ids = loaded.tokenizer.encode(f"{layout}assistant: ", add_special_tokens=False)
    assert "".join(pieces) == written_alone(loaded, tuple(ids), NEW_TOKENS)
    assert len(pieces) > 1, "it comes as it is written"
    assert generation.num_tokens == NEW_TOKENS
    assert generation.finish_reason is FinishReason.LENGTH
    assert engine.num_running == 0


def test_a_text_is_continued_without_a_conversation(engine: RemoteEngine, model: Path) -> None:
    prompt = make_continuation("Once upon", PlainTokenizer(), engine.limits, NEW_TOKENS)

    generation = engine.submit(Request("a", prompt.token_ids, NEW_TOKENS))

    loaded = load(model)
    ids = loaded.tokenizer.encode("Once upon", add_special_tokens=True)
    assert "".join(generation) == written_alone(loaded, tuple(ids), NEW_TOKENS)


def test_many_are_answered_at_once_and_each_gets_its_own(engine: RemoteEngine) -> None:
    names = [f"question {number}" for number in range(6)]
    alone = ["".join(engine.submit(request(engine, name, name))) for name in names]

    together = [engine.submit(request(engine, name, name)) for name in names]

    assert ["".join(generation) for generation in together] == alone
    assert len(set(alone)) > 1


def test_what_is_cancelled_ends_and_the_server_is_free_for_the_next(engine: RemoteEngine) -> None:
    endless = engine.submit(request(engine, "endless", "three", ENDLESS))
    pieces = iter(endless)
    next(pieces)

    engine.cancel("endless")
    rest = list(pieces)

    assert endless.finish_reason is None
    assert endless.num_tokens < ENDLESS
    assert len(rest) < ENDLESS
    following = engine.submit(request(engine, "next", "three"))
    assert len("".join(following)) == NEW_TOKENS


def test_a_stop_text_ends_an_answer(engine: RemoteEngine) -> None:
    whole = "".join(engine.submit(request(engine, "a", "three")))
    stop = whole[20:23]
    asked = request(engine, "b", "three")

    generation = engine.submit(Request("b", asked.prompt_ids, NEW_TOKENS, stop=(stop,)))

    assert "".join(generation) == whole[: whole.index(stop)]
    assert generation.finish_reason is FinishReason.STOP


def test_no_more_are_asked_for_at_once_than_the_operator_wants(url: str, model: Path) -> None:
    for engine in opened(url, model, max_requests=1):
        first = engine.submit(request(engine, "first", "three", ENDLESS))
        second = engine.submit(request(engine, "second", "three"))
        pieces = iter(first)
        for _ in range(5):
            next(pieces)

        assert second.num_tokens == 0
        engine.cancel("first")
        assert len("".join(second)) == NEW_TOKENS


def test_an_answer_whose_connection_breaks_is_gone_on_with(
    engine: RemoteEngine, proxy: TcpProxy
) -> None:
    generation = engine.submit(request(engine, "a", "three", 300))
    pieces = iter(generation)
    begun = [next(pieces) for _ in range(5)]

    proxy.reset()
    text = "".join([*begun, *pieces])

    assert generation.finish_reason is FinishReason.LENGTH
    assert len(text) == generation.num_tokens == 300
    assert proxy.num_accepted > 1


def test_a_server_that_is_gone_is_nobodys_fault(engine: RemoteEngine, proxy: TcpProxy) -> None:
    proxy.target_port = free_port()
    proxy.reset()

    with pytest.raises(EngineLostError, match="does not answer"):
        list(engine.submit(request(engine, "a", "three")))

    assert engine.num_running == 0


def test_what_can_never_fit_is_refused(engine: RemoteEngine) -> None:
    asked = request(engine, "a", "three")

    with pytest.raises(PromptTooLongError):
        engine.submit(Request("a", asked.prompt_ids, engine.limits.max_total_tokens))


def test_closing_ends_what_is_being_written(url: str, model: Path) -> None:
    for engine in opened(url, model):
        generation = engine.submit(request(engine, "a", "three", ENDLESS))
        pieces = iter(generation)
        next(pieces)
        engine.close()

        assert len(list(pieces)) < ENDLESS
        assert generation.finish_reason is None


def test_pictures_are_seen_beside_their_question(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    seer = save_tiny_seer(tmp_path_factory.mktemp("models") / "seer")
    shown = [Attachment("a.png", base64.b64encode(picture(color)).decode()) for color in COLORS]

    with model_server(seer, tmp_path_factory.mktemp("seer") / "home") as url:
        for engine in opened(url, seer):
            asked = request(engine, "a", "What is it?")
            alike, red, blue = (
                "".join(engine.submit(dataclasses.replace(asked, pictures=pictures_of(beside))))
                for beside in ([shown[0]], [shown[0]], [shown[1]])
            )

    assert len(red) == NEW_TOKENS
    assert red == alike
    assert red != blue


def test_a_model_that_the_server_does_not_have_is_named(url: str) -> None:
    with pytest.raises(ModelUnavailableError, match="PARLEY_MODEL is gpt-99, which the model"):
        find_server(settings_of(url, "gpt-99"))


def test_a_server_that_lists_nothing_wants_a_name(url: str) -> None:
    with pytest.raises(ModelUnavailableError, match="lists no model"):
        find_server(settings_of(url))


def test_an_address_without_its_end_is_said_to_be_wrong(url: str, model: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"set PARLEY_OPENAI_BASE_URL to .*/v1"):
        find_server(settings_of(url.removesuffix("/v1"), str(model)))


def test_no_server_is_said_in_a_sentence(model: Path) -> None:
    with pytest.raises(ModelServerSilentError, match="No model server answers"):
        find_server(settings_of(f"http://127.0.0.1:{free_port()}/v1", str(model)))


def test_doctor_says_where_messages_go(
    url: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor.report(settings_of(url, str(model), PARLEY_OPENAI_CONTEXT_TOKENS="2048"))

    said = " ".join(capsys.readouterr().out.split())
    assert f"at {url}, 2,048 tokens; what people write is sent there" in said
