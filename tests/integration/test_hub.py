"""A model of a hub: fetched over real sockets, found in the cache, or missed in a sentence."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.hub_server import HubServer
from tests.running import ROOT, clean_environment

MODEL = "house/tiny"
SOON_S = 20.0
"""Of which a slow machine imports for most; an unreachable hub was asked for half a minute."""
FETCH = """
import sys
from shared.errors import ModelUnavailableError
from worker.engine.hub import fetch_description, fetch_model
fetch = fetch_model if sys.argv[1] == "model" else fetch_description
for name in sys.argv[2:]:
    try:
        print(fetch(name, "PARLEY_MODEL"))
    except ModelUnavailableError as error:
        print(f"sentence: {error}")
"""


def run(*arguments: str, endpoint: str, home: Path, **others: str) -> tuple[str, float]:
    """What a Python program prints that asks this hub, and how many seconds it took."""
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT), "HF_ENDPOINT": endpoint}
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **others}
    begun_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.strip(), time.monotonic() - begun_s


@pytest.fixture(scope="module")
def sharded(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as hubs have them: shards, and the same weights in other forms beside them."""
    folder = tmp_path_factory.mktemp("hub") / "sharded"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "original").mkdir()
    for other in ("consolidated.safetensors", "original/model.safetensors", "model.bin"):
        (folder / other).write_bytes(b"the same again")
    return folder


def test_only_what_is_needed_is_fetched_and_kept(sharded: Path, tmp_path: Path) -> None:
    with HubServer({MODEL: sharded}) as hub:
        described, _ = run("-c", FETCH, "description", MODEL, endpoint=hub.url, home=tmp_path)
        assert {"config.json", "tokenizer.json"} <= set(hub.fetched)
        assert not [name for name in hub.fetched if "safetensors" in name and "json" not in name]

        fetched, _ = run("-c", FETCH, "model", MODEL, endpoint=hub.url, home=tmp_path)
        assert [name for name in hub.fetched if name.endswith((".safetensors", ".bin"))] == [
            "model-00001-of-00001.safetensors"
        ]
        num_fetched = len(hub.fetched)

        again, _ = run("-c", FETCH, "model", MODEL, endpoint=hub.url, home=tmp_path)
        assert len(hub.fetched) == num_fetched, "the cache is used"
    away, seconds = run("-c", FETCH, "model", MODEL, endpoint=hub.url, home=tmp_path)

    folders = {said.splitlines()[-1] for said in (described, fetched, again, away)}
    assert len(folders) == 1, "also while the hub is away"
    assert seconds < SOON_S


def test_what_a_hub_refuses_is_said_in_a_sentence(tmp_path: Path) -> None:
    refused = {"house/away": 503, "house/shut": 403, "house/mute": 0}
    with HubServer({}, refused) as hub:
        said, seconds = run(
            *("-c", FETCH, "model", "house/other", *refused), endpoint=hub.url, home=tmp_path
        )

        assert hub.num_requests <= 8, "no row of retries"
    sentences = said.splitlines()
    for sentence, words in zip(
        sentences,
        (
            "The hub has no model house/other",
            "answers with status 503",
            "answers with status 403",
            "does not answer (ReadTimeout)",
        ),
        strict=True,
    ):
        assert sentence.startswith("sentence: ")
        assert words in sentence
    assert seconds < SOON_S


@pytest.mark.parametrize(
    ("offline", "words"),
    [("0", "does not answer (ConnectError): check the network"), ("1", "HF_HUB_OFFLINE is 1")],
)
def test_a_model_that_is_not_here_is_said_at_once(offline: str, words: str, tmp_path: Path) -> None:
    said, seconds = run(
        *("-c", FETCH, "model", "house/other", "other", "a model of mine", "a/b/c"),
        endpoint="http://127.0.0.1:1",
        home=tmp_path,
        HF_HUB_OFFLINE=offline,
    )

    first, second, *unnamed = said.splitlines()
    assert first.startswith("sentence: The model house/other is not on this machine")
    assert words in first
    assert words in second
    assert len(unnamed) == 2
    for sentence in unnamed:
        assert "neither a file or folder of this machine nor a hub id" in sentence
    assert seconds < SOON_S


def test_a_model_without_safetensors_is_said(sharded: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(sharded, pickled, ignore=shutil.ignore_patterns("*.safetensors*"))
    with HubServer({MODEL: pickled}) as hub:
        said, _ = run("-c", FETCH, "model", MODEL, endpoint=hub.url, home=tmp_path)

        assert "has no file model.safetensors at the hub" in said
        assert "model.bin" not in hub.fetched


def test_a_half_fetched_model_is_no_model(sharded: Path, tmp_path: Path) -> None:
    with HubServer({MODEL: sharded}) as hub:
        run("-c", FETCH, "description", MODEL, endpoint=hub.url, home=tmp_path)
    said, _ = run("-c", FETCH, "model", MODEL, endpoint=hub.url, home=tmp_path)

    assert "does not answer" in said


@pytest.mark.parametrize("name", ["house/other", "house/other-ov", "house/other/file.gguf"])
def test_the_command_says_it_at_once(name: str, tmp_path: Path) -> None:
    words = ("-m", "worker", "model", "show", name)
    said, seconds = run(*words, endpoint="http://127.0.0.1:1", home=tmp_path)

    assert said.startswith("parley: The model house/other")
    assert "\n" not in said
    assert seconds < SOON_S
