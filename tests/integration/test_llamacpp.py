"""llama.cpp's real server as an engine of the worker, and as a model server that dies."""

import base64
import dataclasses
import io
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from shared.errors import EngineError, ModelUnavailableError, UnreadablePictureError
from shared.replies import FinishReason
from shared.settings import read_settings
from tests.chaos.forward_passes import Reader, wait_until
from tests.fakes.tiny_gguf import save_tiny_gguf
from tests.fakes.tiny_model import CONTEXT_TOKENS, save_tiny_model
from tests.fakes.tiny_projector import save_tiny_projector
from worker import doctor
from worker.chat_model import chat_model_of
from worker.engine import factory
from worker.engine.description.model import describe
from worker.engine.engine import EngineOptions
from worker.engine.factory import OwnEngine, build
from worker.engine.llamacpp.engine import LlamaEngine
from worker.engine.llamacpp.server import MAX_DEATHS
from worker.engine.protocol import ModelChoice, Request, Sampling
from worker.engine.remote.tokenizer import PlainTokenizer
from worker.evaluation.model_facts import facts_of
from worker.prompts.chat import PromptInput, make_prompt

GREEDY = Sampling(temperature=0.0)
MANY = 300


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    model = save_tiny_model(folder / "tiny", ends=False)
    return save_tiny_gguf(model, folder / "tiny.gguf")


def choice_of(file: Path) -> ModelChoice:
    return ModelChoice(str(file), "cpu", "auto", file.parent)


def opened(file: Path) -> OwnEngine:
    return build("llamacpp", choice_of(file), EngineOptions(None, 4), lambda _: None)


@pytest.fixture
def own(file: Path) -> Iterator[OwnEngine]:
    own = opened(file)
    own.engine.open()
    yield own
    own.engine.close()


def pid_of(own: OwnEngine) -> int:
    assert isinstance(own.engine, LlamaEngine)
    process = own.engine._llama._process
    assert process is not None
    return process.pid


def request(own: OwnEngine, name: str, text: str, longest: int) -> Request:
    prompt = make_prompt(PromptInput("", (), text), PlainTokenizer(), own.engine.limits)
    return Request(name, prompt.token_ids, longest, GREEDY)


def test_answers_come_as_they_are_written_each_its_own(own: OwnEngine) -> None:
    names = ["one", "two", "three"]
    alone = ["".join(own.engine.submit(request(own, name, name, 40))) for name in names]

    together = [own.engine.submit(request(own, name, name, 40)) for name in names]

    assert ["".join(generation) for generation in together] == alone
    assert len(set(alone)) > 1
    assert [generation.num_tokens for generation in together] == [40] * 3
    assert {generation.finish_reason for generation in together} == {FinishReason.LENGTH}


def test_what_it_says_of_itself_is_known(own: OwnEngine, file: Path) -> None:
    assert own.info.name == "tiny"
    assert own.info.context_tokens == CONTEXT_TOKENS
    assert 100_000 < own.info.num_parameters < 1_000_000
    assert own.engine.weight_bytes == file.stat().st_size
    assert not own.can_see
    with pytest.raises(ModelUnavailableError, match="takes no tokens"):
        _ = own.batching


def test_a_server_that_dies_in_an_answer_is_started_again_and_nothing_is_doubled(
    own: OwnEngine,
) -> None:
    whole = "".join(own.engine.submit(request(own, "whole", "story", MANY)))
    first = pid_of(own)
    reader = Reader(own.engine.submit(request(own, "broken", "story", MANY)))
    wait_until(lambda: len(reader.text) > 20, "it has begun")

    os.kill(first, signal.SIGKILL)

    assert reader.wait().error is None
    assert pid_of(own) != first
    # what comes later may differ: a prompt is not computed in the same order as single tokens
    assert reader.text[:30] == whole[:30]
    assert len(reader.text) == len(whole) == MANY
    assert reader.text.count(whole[:15]) == 1


def test_a_server_that_dies_again_and_again_ends_the_worker(file: Path) -> None:
    own = opened(file)
    is_lost = threading.Event()
    own.engine.open(on_lost=is_lost.set)
    try:
        killed: set[int] = set()
        while len(killed) <= MAX_DEATHS:
            wait_until(lambda: pid_of(own) not in killed, "it is there again")
            killed.add(pid := pid_of(own))
            os.kill(pid, signal.SIGKILL)
        assert is_lost.wait(20)
    finally:
        own.engine.close()


def killing_whenever(own: OwnEngine, name: str, is_over: threading.Event) -> None:
    """Kill the server whenever this request is at it, as a prompt does that it cannot compute."""
    engine = own.engine
    assert isinstance(engine, LlamaEngine)
    while not is_over.wait(0.005):
        pid = engine._in_flight.get(name)
        if pid is not None and pid == engine._llama.pid:
            os.kill(pid, signal.SIGKILL)


def test_a_prompt_that_kills_the_server_each_time_is_found_and_its_neighbours_go_on(
    file: Path,
) -> None:
    own = opened(file)
    is_lost, is_over = threading.Event(), threading.Event()
    own.engine.open(on_lost=is_lost.set)
    killer = threading.Thread(target=killing_whenever, args=(own, "poison", is_over))
    try:
        neighbours = [
            Reader(own.engine.submit(request(own, name, name, MANY))) for name in ("one", "two")
        ]
        wait_until(lambda: all(each.text for each in neighbours), "they have begun")
        killer.start()
        first = pid_of(own)
        poison = Reader(own.engine.submit(request(own, "poison", "poison", MANY)))

        error = poison.wait().error

        assert isinstance(error, EngineError)
        assert "alone in it" in str(error)
        assert pid_of(own) != first
        assert [each.wait().error for each in neighbours] == [None, None]
        assert [len(each.text) for each in neighbours] == [MANY, MANY]
        assert len("".join(own.engine.submit(request(own, "next", "story", 20)))) == 20
        assert not is_lost.is_set()
    finally:
        is_over.set()
        killer.join()
        own.engine.close()


def test_what_is_cancelled_ends_and_the_slot_is_free(own: OwnEngine) -> None:
    endless = own.engine.submit(request(own, "endless", "story", MANY))
    pieces = iter(endless)
    next(pieces)

    own.engine.cancel("endless")

    assert sum(map(len, pieces)) < MANY
    assert endless.finish_reason is None
    assert len("".join(own.engine.submit(request(own, "next", "story", 20)))) == 20


def test_a_family_that_openvino_does_not_read_is_computed_by_llama_cpp(
    file: Path, tmp_path: Path
) -> None:
    model = save_tiny_model(tmp_path / "tiny", ends=False)
    other = save_tiny_gguf(model, tmp_path / "other.gguf", architecture="mistral3")
    settings = read_settings(
        {"PARLEY_MODEL": str(other), "PARLEY_DEVICE": "cpu", "PARLEY_CONCURRENCY": "2"},
        env_file=None,
    )

    with chat_model_of(settings, 60, lambda: None) as (name, chat_model):
        assert name == "other"
        assert chat_model.notation.may_think, "its thoughts are told apart as a server's"
        prompt = make_prompt(PromptInput("", (), "hello"), chat_model.tokenizer, chat_model.limits)
        text = "".join(chat_model.engine.submit(Request("a", prompt.token_ids, 30)))

    assert len(text) == 30
    assert factory.find_engine("auto", choice_of(file))[0] == "openvino"


@pytest.fixture(scope="module")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a family that OpenVINO reads too, with a projector beside it."""
    folder = tmp_path_factory.mktemp("seers")
    save_tiny_projector(folder / "tiny-mmproj-f16.gguf")
    return save_tiny_gguf(save_tiny_model(folder / "tiny", ends=False), folder / "tiny.gguf")


def encoded(kind: str, color: str = "red", size: tuple[int, int] = (40, 40)) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind, lossless=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def test_pictures_change_the_answer_whatever_their_form(seer: Path) -> None:
    own = build(
        "auto",
        ModelChoice(str(seer), "cpu", "auto", seer.parent, reads_pictures=True),
        EngineOptions(None, 4),
        lambda _: None,
    )
    own.engine.open()
    try:
        assert (own.kind, own.can_see, own.why_blind) == ("llamacpp", True, "")
        asked = {
            "none": (),
            "red": (encoded("PNG"),),
            "blue": (encoded("PNG", "blue"),),
            "two": (encoded("PNG"), encoded("PNG", "blue")),
            "gif": (encoded("GIF"),),
            "webp": (encoded("WEBP"),),
            "dot": (encoded("PNG", size=(1, 1)),),
        }
        plain = request(own, "", "What is it?", 20)
        # One by one: beside others llama.cpp computes in another order, which decides near ties.
        none, red, blue, two, gif, webp, _ = (
            "".join(own.engine.submit(dataclasses.replace(plain, id=name, pictures=pictures)))
            for name, pictures in asked.items()
        )
        with pytest.raises(UnreadablePictureError, match="is damaged"):
            own.engine.submit(
                dataclasses.replace(plain, id="bad", pictures=("data:x;base64,eA==",))
            )
    finally:
        own.engine.close()

    assert len({none, red, blue, two}) == 4
    assert red == gif == webp


def test_without_a_word_of_pictures_no_projector_is_loaded(seer: Path) -> None:
    assert factory.find_engine("auto", choice_of(seer))[0] == "openvino"
    own = opened(seer)
    try:
        assert not own.can_see
        assert own.why_blind
    finally:
        own.engine.close()


def test_a_worker_whose_llama_cpp_model_sees_says_so(seer: Path) -> None:
    settings = read_settings(
        {"PARLEY_MODEL": str(seer), "PARLEY_DEVICE": "cpu", "PARLEY_READ_PICTURES": "1"},
        env_file=None,
    )

    with chat_model_of(settings, 60, lambda: None) as (_, chat_model):
        assert chat_model.can_see
    _, pictures = doctor._check_model(settings)
    facts = {fact.name: fact for fact in facts_of(settings, describe(settings, lambda _: None))}

    assert pictures.finding == "seen by tiny on llamacpp"
    assert (facts["engine"].value, facts["model sees"].value) == ("llamacpp", True)


@pytest.mark.parametrize("width", [None, 96], ids=["damaged", "of another model"])
def test_a_projector_that_cannot_be_loaded_is_named(width: int | None, tmp_path: Path) -> None:
    model = save_tiny_gguf(save_tiny_model(tmp_path / "tiny"), tmp_path / "tiny.gguf")
    projector = tmp_path / "mmproj.gguf"
    if width:
        save_tiny_projector(projector, width)
    else:
        projector.write_bytes(b"GGUF and nothing else")

    with pytest.raises(
        ModelUnavailableError, match=r"with its projector mmproj\.gguf .* PARLEY_READ_PICTURES=0"
    ):
        build(
            "llamacpp",
            ModelChoice(str(model), "cpu", "auto", tmp_path, reads_pictures=True),
            EngineOptions(None, 4),
            lambda _: None,
        )


def test_doctor_opens_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor.report(
        read_settings(
            {"PARLEY_MODEL": str(file), "PARLEY_ENGINE": "llamacpp", "PARLEY_DEVICE": "cpu"},
            env_file=None,
        )
    )

    said = " ".join(capsys.readouterr().out.split())
    assert "llamacpp on cpu" in said


def test_what_it_cannot_load_is_said_in_a_sentence(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny", ends=False)
    strange = save_tiny_gguf(model, tmp_path / "strange.gguf", architecture="nonesuch")

    with pytest.raises(ModelUnavailableError, match="cannot be loaded by llama"):
        opened(strange)


def test_it_computes_gguf_files_alone(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="computes GGUF files"):
        opened(save_tiny_model(tmp_path / "tiny"))
