"""Families of models: what runs by which batch, and what is refused in a sentence."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.errors import ModelUnavailableError
from shared.settings import read_settings
from tests.chaos.forward_passes import Reader, ids_of, load, texts, written_alone
from tests.fakes.tiny_model import save_tiny_model
from worker.commands import evaluations
from worker.engine.engine import BatchingEngine, EngineOptions
from worker.engine.factory import TRANSFORMERS, OwnEngine, around, build
from worker.engine.probe import open_proven
from worker.engine.protocol import GREEDY, ModelChoice, Request, Sampling
from worker.engine.transformers_engine.family_models import FAMILIES, save_model
from worker.engine.transformers_engine.loader import LoadedModel
from worker.engine.transformers_engine.simple_batch import SimpleBatch, SimpleBatches
from worker.evaluation.families import AT_ONCE, MANAGER, REFUSED, SIMPLE, try_family

NEW_TOKENS = 24
BY_NAME = {family.name: family for family in FAMILIES}


@pytest.mark.parametrize(
    ("name", "way"),
    [("Qwen3", MANAGER), ("Gemma 4", SIMPLE), ("LFM2", SIMPLE), ("Mamba", SIMPLE)],
)
def test_a_family_writes_at_once_what_it_writes_alone(name: str, way: str) -> None:
    result = try_family(BY_NAME[name])

    assert (result.way, result.num_same, result.sentence) == (way, AT_ONCE, "")


@pytest.mark.parametrize("name", ["T5", "BERT"])
def test_what_is_no_chat_model_is_refused_in_a_sentence(name: str) -> None:
    result = try_family(BY_NAME[name])

    assert result.way == REFUSED
    assert result.sentence.endswith("Set PARLEY_MODEL to a chat model.")
    assert result.is_right


def test_the_command_prints_its_families_for_programs() -> None:
    settings = read_settings({"PARLEY_DEVICE": "cpu"})

    outcome = CliRunner().invoke(
        evaluations, ["families", "--only", "T5", "--only", "GPT-2", "--json"], obj=settings
    )

    figures = json.loads(outcome.stdout.splitlines()[-1])
    assert [(one["family"], one["way"]) for one in figures["families"]] == [
        ("GPT-2", MANAGER),
        ("T5", REFUSED),
    ]
    assert figures["num_right"] == figures["num_families"] == 2


# the simple batch


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Half of its layers keep a state of three tokens, half keys and values."""
    return load(save_model(BY_NAME["LFM2"], tmp_path_factory.mktemp("models") / "lfm2"))


@pytest.fixture
def engine(loaded: LoadedModel) -> Iterator[BatchingEngine]:
    engine = around(loaded, EngineOptions(NEW_TOKENS, 4, 2048))
    assert isinstance(engine.batches, SimpleBatches)
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def test_requests_join_leave_and_sample_beside_each_other(
    loaded: LoadedModel, engine: BatchingEngine
) -> None:
    prompts = [ids_of(loaded, text) for text in texts(9)]  # more than run at once
    alone = [written_alone(loaded, prompt, NEW_TOKENS) for prompt in prompts]
    gone = engine.submit(Request("gone", prompts[0], 2000))
    next(iter(gone))  # the others join while it is written

    noise = engine.submit(Request("noise", prompts[2], NEW_TOKENS, Sampling(3.0, seed=5)))
    together = [
        Reader(engine.submit(Request(str(number), prompt, NEW_TOKENS, GREEDY)))
        for number, prompt in enumerate(prompts)
    ]
    engine.cancel("gone")
    again = engine.submit(Request("again", prompts[2], NEW_TOKENS, Sampling(3.0, seed=5)))

    written = [reader.wait().text for reader in together]
    assert [text.rstrip("\ufffd") for text in written] == [t.rstrip("\ufffd") for t in alone]
    assert "".join(noise) == "".join(again) != alone[2]
    assert gone.finish_reason is None


def test_too_many_tokens_wait_and_go_on_with_what_they_have(loaded: LoadedModel) -> None:
    prompts = [ids_of(loaded, text) for text in texts(4)]
    alone = [written_alone(loaded, prompt, 60).rstrip("\ufffd") for prompt in prompts]
    budget = max(map(len, prompts)) + 70  # for one of them and a part of another
    engine = around(loaded, EngineOptions(60, 4, budget))
    engine.open()
    try:
        readers = [
            Reader(engine.submit(Request(str(number), prompt, 60, GREEDY)))
            for number, prompt in enumerate(prompts)
        ]
        assert [reader.wait().text.rstrip("\ufffd") for reader in readers] == alone
    finally:
        engine.close()


def test_a_simple_batch_that_dies_is_replaced(loaded: LoadedModel, engine: BatchingEngine) -> None:
    prompt = ids_of(loaded, "question")
    alone = written_alone(loaded, prompt, NEW_TOKENS).rstrip("\ufffd")
    generation = engine.submit(Request("one", prompt, NEW_TOKENS, GREEDY))
    pieces = iter(generation)
    begun = next(pieces)
    first = engine._batch
    assert isinstance(first, SimpleBatch)

    def fail_once(*_: object) -> None:
        handle.remove()
        raise RuntimeError("of a step")

    handle = loaded.model.register_forward_pre_hook(fail_once)
    assert (begun + "".join(pieces)).rstrip("\ufffd") == alone
    assert engine._batch is not first


def test_a_repetition_penalty_holds_in_both_batches(
    loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """So strong that no token is written twice, nor one of the prompt."""
    managed = load(save_tiny_model(tmp_path_factory.mktemp("models") / "llama", ends=False))
    hard = Sampling(temperature=0.0, repetition_penalty=1e6)
    changed = 0
    for model in (loaded, managed):
        prompt = ids_of(model, "AB")
        engine = around(model, EngineOptions(NEW_TOKENS, 4, 2048, sampling=hard))
        engine.open()
        try:
            text = "".join(engine.submit(Request("one", prompt, 16, hard)))
            plain = "".join(engine.submit(Request("two", prompt, 16, GREEDY)))
        finally:
            engine.close()
        kept = [char for char in text if char != "\ufffd"]
        assert len(kept) == len(set(kept))
        assert not {"A", "B"} & set(kept)
        assert plain.rstrip("\ufffd") == written_alone(model, prompt, 16).rstrip("\ufffd")
        changed += plain != text
    assert changed


# what cannot be loaded or computed


def break_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama", ')


def name_no_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama-of-next-year"}')


def name_nothing(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def list_instead(folder: Path) -> None:
    (folder / "config.json").write_text("[1, 2]")


def ask_for_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))


def lose_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_weights(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def add_a_layer(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config))


def change_a_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] += 8
    (folder / "config.json").write_text(json.dumps(config))


def lose_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def break_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 3}')


def quantize(method: str) -> object:
    def write(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["quantization_config"] = {
            "quant_method": method,
            "bits": 4,
            "group_size": 128,
            "load_in_4bit": True,
        }
        (folder / "config.json").write_text(json.dumps(config))

    write.__name__ = f"quantize_{method}"
    return write


BROKEN = [
    break_json,
    name_no_family,
    name_nothing,
    list_instead,
    ask_for_code,
    lose_weights,
    cut_weights,
    add_a_layer,
    change_a_size,
    lose_tokenizer,
    break_tokenizer,
    *map(quantize, ("awq", "gptq", "bitsandbytes", "compressed-tensors")),
]


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
def test_a_model_that_cannot_run_is_refused_in_one_sentence(spoil: object, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "broken")
    assert callable(spoil)
    spoil(folder)
    choice = ModelChoice(str(folder), "cpu", "float32", tmp_path)

    with pytest.raises(ModelUnavailableError) as caught:
        build(TRANSFORMERS, choice, EngineOptions(8, 2, 1024), lambda _: None)

    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("The model broken ")
    assert len(sentence) < 700
    assert caught.value.exit_code == 66


def test_a_model_that_loads_but_cannot_compute_is_refused_before_it_is_ready(
    tmp_path: Path,
) -> None:
    loaded = load(save_tiny_model(tmp_path / "model"))
    engine = around(loaded, EngineOptions(8, 2, 1024))
    lost: list[bool] = []

    def refuse(*_: object) -> None:
        raise RuntimeError("no kernel image is available for execution on the device")

    loaded.model.register_forward_pre_hook(refuse)

    own = OwnEngine(engine, loaded.info, TRANSFORMERS, "cpu")
    try:
        with pytest.raises(ModelUnavailableError, match="writes no token"):
            open_proven(own, on_lost=lambda: lost.append(True))
    finally:
        engine.close()
    assert lost == []


def test_an_engine_that_is_proven_has_written_its_token(tmp_path: Path) -> None:
    choice = ModelChoice(str(save_tiny_model(tmp_path / "model")), "cpu", "float32", tmp_path)
    own = build(TRANSFORMERS, choice, EngineOptions(8, 2, 1024), lambda _: None)
    try:
        open_proven(own)
        assert own.engine.num_running == 0
        assert "".join(own.engine.submit(Request("one", (72, 73), 8, GREEDY)))
    finally:
        own.engine.close()
