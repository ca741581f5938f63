"""The packaged encoder on OpenVINO beside the same on torch."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from safetensors.numpy import load_file, save_file

from shared.errors import ModelUnavailableError
from worker.engine.encoders.common import DEFAULT_ENCODER
from worker.engine.encoders.embedder import Embedder, load_embedder
from worker.engine.encoders.files import (
    ENCODER_WEIGHTS,
    SENTENCE,
    EncoderUse,
    encoder_folder,
    ensure_encoder,
)
from worker.engine.encoders.torch_embedder import load_torch_embedder
from worker.evaluation.sentiment import held_out_texts
from worker.sentiment.classifier import DATA, ClassifierChoice, load_classifier

CACHE = platformdirs.user_cache_path("parley")
WEIGHTS = DATA / "sentiment.safetensors"
TEXTS = (
    "How do I reset my password?",
    "",
    " \n\t",
    "[MASK] [CLS] [SEP] [PAD]",
    "Grüße aus Köln 🎉 — 東京都 שלום",
    "x" * 3000,
    "word " * 600,
    "\x00\ufeff\u202e",
    "A first sentence. A second one, with numbers: 3.14 and 42!",
    *(each.text for each in held_out_texts()[::200]),
)
USE = """
import json, sys
from pathlib import Path
from worker.engine.encoders.embedder import load_embedder
from worker.sentiment.classifier import ClassifierChoice, load_classifier

cache = Path(sys.argv[1])
width = load_embedder("default", "auto", cache).embed(["a text"]).shape[1]
label = load_classifier(ClassifierChoice(cache)).rate(["I love it!"])[0].label
heavy = sorted({"torch", "transformers"} & set(sys.modules))
print(json.dumps([width, label, heavy]))
"""


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    embedder = load_embedder("default", "cpu", CACHE)
    assert isinstance(embedder, Embedder)
    return embedder


def test_vectors_are_those_of_torch(embedder: Embedder) -> None:
    """Documents that were learned by torch are found as before: they stay in one index."""
    torchs = load_torch_embedder("default", DEFAULT_ENCODER, "cpu", max_tokens=256)

    ours, theirs = embedder.embed(TEXTS), torchs.embed(TEXTS)

    assert embedder.name == torchs.name
    cosines = (ours * theirs).sum(axis=1)
    assert cosines.min() > 0.9999
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_vector_does_not_depend_on_the_texts_beside_it(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)

    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])

    assert np.abs(together - alone).max() < 1e-5


def test_threads_get_the_vectors_of_their_own_texts(embedder: Embedder) -> None:
    expected, found = embedder.embed(TEXTS), {}

    def embed(number: int) -> None:
        found[number] = embedder.embed([*TEXTS[number:], *TEXTS[:number]])

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(4):
        assert np.abs(found[number] - np.roll(expected, -number, axis=0)).max() < 1e-5


def test_nothing_has_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.width)


def test_a_worker_imports_no_torch_for_vectors_and_ratings(
    embedder: Embedder,
) -> None:
    load_classifier(ClassifierChoice(CACHE, device="cpu"))  # both are in the cache now
    assert embedder.width

    run = subprocess.run(
        [sys.executable, "-c", USE, str(CACHE)], capture_output=True, check=True, cwd=Path.cwd()
    )

    assert json.loads(run.stdout) == [384, "positive", []]


def test_a_processor_without_products_of_int8_rates_too() -> None:
    load_classifier(ClassifierChoice(CACHE, device="cpu"))  # both are in the cache now
    load_embedder("default", "cpu", CACHE)
    env = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}

    run = subprocess.run(
        [sys.executable, "-c", USE, str(CACHE)], env=env, capture_output=True, check=True
    )

    assert json.loads(run.stdout) == [384, "positive", []]


def test_a_damaged_model_is_made_again(tmp_path: Path) -> None:
    folder = ensure_encoder(SENTENCE, tmp_path)
    weights = folder / ENCODER_WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\xff\xff\xff\xff")

    assert ensure_encoder(SENTENCE, tmp_path) == folder

    assert weights.read_bytes() == whole


def test_another_adapter_has_another_folder(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(WEIGHTS.read_bytes() + b" ")

    folders = {
        encoder_folder(use, tmp_path)
        for use in (SENTENCE, EncoderUse("sentiment", WEIGHTS), EncoderUse("sentiment", other))
    }

    assert len(folders) == 3


def short(file: Path) -> None:
    file.write_bytes(WEIGHTS.read_bytes()[:1000])


def empty(file: Path) -> None:
    file.touch()


def of_another_encoder(file: Path) -> None:
    tensors = load_file(WEIGHTS)
    tensors["output.bias"] = np.zeros(7, dtype=np.float16)
    shape = {
        "num_layers": "3",
        "rank": "16",
        "num_cues": str(tensors["hidden.weight"].shape[1] - 384),
    }
    save_file(tensors, file, metadata=shape)


def without_notes(file: Path) -> None:
    save_file(load_file(WEIGHTS), file)


@pytest.mark.parametrize("damage", [short, empty, of_another_encoder, without_notes])
def test_an_adapter_that_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    damage(tmp_path / "sentiment.safetensors")

    with pytest.raises(ModelUnavailableError, match="train it with `parley train sentiment`") as no:
        load_classifier(ClassifierChoice(tmp_path / "cache", str(tmp_path), "cpu"))

    assert len(str(no.value).splitlines()) == 1
    assert list((tmp_path / "cache" / "models").glob("*-ov*[0-9]")) == [], "nothing is left"
