"""``parley model show``: what is in force for a model of each kind, and from where."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import pytest

from shared.errors import ModelServerSilentError, ModelUnavailableError
from shared.settings import read_settings
from tests.fakes.quirky_server import QuirkyServer, Reply
from tests.fakes.tiny_gguf import save_tiny_gguf
from tests.fakes.tiny_model import CONTEXT_TOKENS, save_tiny_model
from tests.forks import OFFLINE
from tests.running import RunningModule
from worker import commands
from worker.console import say
from worker.engine.description.model import describe
from worker.evaluation.model_facts import facts_of, show_facts

Shown = Mapping[str, tuple[Any, str]]
CARD = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1}


@pytest.fixture(scope="module")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that thinks, with values of its own and a second end of text."""
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "carded")
    card = {"do_sample": True, "eos_token_id": [1, 2], **CARD}
    (folder / "generation_config.json").write_text(json.dumps(card))
    file = folder / "chat_template.jinja"
    file.write_text(
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
        "{% if enable_thinking %}<think>{% else %}<think></think>{% endif %}"
    )
    return folder


def shown(model: Path | str, **others: str) -> Shown:
    """What is shown of a model: name -> value and source."""
    environ = {"PARLEY_MODEL": str(model), "PARLEY_DEVICE": "cpu", **others}
    settings = read_settings(environ, None)
    return {
        fact.name: (fact.value, fact.source) for fact in facts_of(settings, describe(settings, say))
    }


def test_a_models_own_values_are_in_force(carded: Path) -> None:
    facts = shown(carded)

    assert facts["model"] == ("carded", "PARLEY_MODEL")
    assert facts["engine"] == ("transformers", "Parley's default")
    assert facts["device"] == ("cpu", "PARLEY_DEVICE")
    assert facts["number format"] == ("float32", "Parley's default")
    assert facts["context tokens"] == (CONTEXT_TOKENS, "the model's config")
    assert facts["longest answer"] == (CONTEXT_TOKENS - 1, "what the context leaves")
    for name, value in CARD.items():
        assert facts[name.replace("_", " ")] == (value, "the model's generation_config")
    assert facts["model thinks"] == ("<think>, enable_thinking", "the model's chat template")
    ids, source = facts["end-of-text ids"]
    assert {1, 2} < set(ids), "the tokenizer's own is joined"
    assert source == "the model's config and its tokenizer"
    assert facts["model sees"] == (False, "the model's config")


def test_a_setting_goes_before_the_models_value(carded: Path) -> None:
    facts = shown(
        carded,
        PARLEY_TEMPERATURE="0.2",
        PARLEY_TOP_K="5",
        PARLEY_MAX_NEW_TOKENS="100",
        PARLEY_CACHE_TOKENS="1024",
        PARLEY_THINKING="off",
        PARLEY_MAX_THINKING_TOKENS="7",
        PARLEY_DTYPE="bfloat16",
        PARLEY_ENGINE="transformers",
    )

    assert facts["engine"] == ("transformers", "PARLEY_ENGINE")
    assert facts["temperature"] == (0.2, "PARLEY_TEMPERATURE")
    assert facts["top k"] == (5, "PARLEY_TOP_K")
    assert facts["top p"] == (0.95, "the model's generation_config")
    assert facts["longest answer"] == (100, "PARLEY_MAX_NEW_TOKENS")
    assert facts["cache tokens"] == (1024, "PARLEY_CACHE_TOKENS")
    assert facts["thinking"] == ("off", "PARLEY_THINKING")
    assert facts["longest thought"] == (7, "PARLEY_MAX_THINKING_TOKENS")
    assert facts["number format"] == ("bfloat16", "PARLEY_DTYPE")


def test_a_model_that_names_nothing_is_greedy_by_our_default(tiny_model: Path) -> None:
    facts = shown(tiny_model)

    assert facts["temperature"] == (0.0, "Parley's default")
    assert facts["top p"] == (None, "Parley's default")
    assert facts["model thinks"] == ("no", "the model's chat template")


def test_weights_are_counted_without_being_there(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())

    number, source = shown(tmp_path)["parameters"]

    assert source == "the model's config"
    assert number == shown(tiny_model)["parameters"][0] > 10_000


def test_a_gguf_file_is_read_without_its_weights(tiny_model: Path, tmp_path: Path) -> None:
    file = save_tiny_gguf(tiny_model, tmp_path / "tiny.gguf")

    facts = shown(file)

    assert facts["engine"] == ("openvino", "Parley's default")
    assert facts["context tokens"] == (CONTEXT_TOKENS, "the GGUF file")
    weights = sum(int(tensor.n_elements) for tensor in gguf.GGUFReader(file).tensors)
    assert facts["parameters"] == (weights, "the GGUF file")
    assert facts["number format"] == ("auto, weights in F16, F32", "the GGUF file")
    assert not (tmp_path / "models").exists(), "nothing was prepared"


def test_a_servers_values_are_left_to_it() -> None:
    listed = {"data": [{"id": "big", "object": "model", "max_model_len": 32_768}]}
    models = Reply(kind="application/json", pieces=(json.dumps(listed).encode(),))
    with QuirkyServer([], models) as server:
        served = {
            "PARLEY_ENGINE": "openai",
            "PARLEY_OPENAI_BASE_URL": f"{server.url}/v1",
            "PARLEY_TOP_P": "0.5",
            "PARLEY_READ_PICTURES": "1",
        }
        facts = shown("default", **served)
        told = shown("default", **served, PARLEY_OPENAI_CONTEXT_TOKENS="4096")

    assert facts["model"] == ("big", "PARLEY_MODEL")
    assert facts["engine"] == ("openai", "PARLEY_ENGINE")
    assert facts["device"] == (f"{server.url}/v1", "PARLEY_OPENAI_BASE_URL")
    assert facts["context tokens"][0] == 32_768
    assert told["context tokens"] == (4096, "PARLEY_OPENAI_CONTEXT_TOKENS")
    assert facts["temperature"] == (None, "the model server")
    assert facts["top p"] == (0.5, "PARLEY_TOP_P")
    assert facts["pictures are read"] == (True, "PARLEY_READ_PICTURES")
    assert facts["model thinks"] == (None, "the model server, whose template is not seen")


def test_a_server_that_is_silent_is_said_in_a_sentence() -> None:
    with pytest.raises(ModelServerSilentError, match="No model server answers"):
        shown("m", PARLEY_ENGINE="openai", PARLEY_OPENAI_BASE_URL="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nowhere/at/all", "no model in that folder"),
        ("README.md", "not in GGUF"),
        ("unknown-family", "cannot be read"),
        ("two-files", "several GGUF files"),
        ("seeing", "an OpenVINO model that sees"),
    ],
)
def test_a_model_that_is_not_there_is_said_in_a_sentence(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("no model")
    family, two = Path("unknown-family"), Path("two-files")
    family.mkdir()
    (family / "config.json").write_text('{"model_type": "nothing"}')
    two.mkdir()
    seeing = Path("seeing")
    seeing.mkdir()
    for file in ("config.json", "openvino_language_model.xml"):
        (seeing / file).write_text("{}")
    for file in ("a.gguf", "b.gguf"):
        (two / file).write_bytes(b"GGUF")

    with pytest.raises(ModelUnavailableError, match=words) as raised:
        shown(name)

    assert raised.value.exit_code == 66
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nobody/no/such.gguf", "/nowhere"])
def test_the_command_ends_in_a_sentence(name: str) -> None:
    with RunningModule("worker", "model", "show", name, settings=OFFLINE) as show:
        assert show.process.wait() == 66

    assert [line[:8] for line in show.lines] == ["parley: "], show.output


def test_the_command_prints_a_table_or_json(
    carded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings({**os.environ, "PARLEY_DEVICE": "cpu"}, None)

    assert commands.run(settings, ["model", "show", str(carded), "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert commands.run(settings, ["model", "show", str(carded)]) == 0
    table = capfd.readouterr().out

    assert figures["model"] == {"value": "carded", "from": "the command"}
    assert figures["top p"] == {"value": 0.95, "from": "the model's generation_config"}
    lines = [line.split() for line in table.splitlines()]
    assert ["top", "p", "0.95", "the", "model's", "generation_config"] in lines
    assert next(line[:8] for line in lines if line[:1] == ["cache"]) == [
        "cache",
        "tokens",
        "as",
        "many",
        "as",
        "fit",
        "the",
        "free",
    ]


def test_what_a_model_names_is_no_markup(tiny_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "[bold]"
    copy.mkdir()
    for file in tiny_model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    settings = read_settings({"PARLEY_MODEL": str(copy), "PARLEY_DEVICE": "cpu"}, None)
    out = io.StringIO()

    show_facts(facts_of(settings, describe(settings, say)), out, as_json=False)

    assert "[bold]" in out.getvalue()
