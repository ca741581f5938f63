"""Models of transformers on OpenVINO: written as Q8_0 once, then computed as transformers does."""

import json
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
import pytest
import torch
from gguf.quants import dequantize, quantize
from transformers import AutoModelForCausalLM

from shared.cli.processes import python_module, with_setting
from shared.errors import ModelUnavailableError
from shared.settings import read_settings
from tests.fakes.small_models import save_small_model
from tests.patience import PATIENCE_S
from worker.engine.batch import Admission
from worker.engine.description.model import describe
from worker.engine.engine import EngineOptions
from worker.engine.factory import build, find_engine, why_transformers
from worker.engine.openvino.files import find_model, folder_for, is_prepared
from worker.engine.protocol import ModelChoice, Sampling
from worker.evaluation.model_facts import facts_of

NUM_PROMPT, NUM_NEW = 150, 24
Q8_0 = gguf.GGMLQuantizationType.Q8_0
LLAMA_3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": 5_000.0, "factor": 4.0}


def say_nothing(_sentence: str) -> None:
    """Discard progress."""


def written_by_transformers(folder: Path, prompt: list[int], ends: tuple[int, ...]) -> list[int]:
    """Its most likely tokens in float32, with weights as Q8_0 holds them."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            rounded = dequantize(quantize(parameter.detach().numpy(), Q8_0), Q8_0)
            parameter.data = torch.from_numpy(rounded.reshape(parameter.shape).copy())
    ids = torch.tensor([prompt])
    written = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NUM_NEW,
        do_sample=False,
        eos_token_id=list(ends),
    )
    tokens: list[int] = written[0, len(prompt) :].tolist()
    return tokens


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("family", "dtype", "values"),
    [
        ("llama", torch.bfloat16, {"tie_word_embeddings": True, "rope_parameters": LLAMA_3}),
        ("llama", torch.float32, {"tie_word_embeddings": False, "rope_parameters": LINEAR}),
        ("qwen2", torch.float16, {"tie_word_embeddings": True}),
        ("qwen3", torch.bfloat16, {"tie_word_embeddings": False, "head_dim": 32}),
    ],
)
def test_an_exported_model_writes_what_transformers_does(
    family: str, dtype: torch.dtype, values: dict[str, Any], tmp_path: Path
) -> None:
    folder = save_small_model(tmp_path / family, family, dtype, **values)
    assert len(list(folder.glob("*.safetensors"))) > 1
    prompt = np.random.default_rng(0).integers(3, 200, NUM_PROMPT).tolist()
    told: list[str] = []
    choice = ModelChoice(str(folder), "cpu", "float32", tmp_path / "cache")

    own = build("openvino", choice, EngineOptions(200, 4, 4096), told.append)
    batch = own.batching.batches.start()
    try:
        assert batch.add("a request", prompt, Admission(NUM_NEW, Sampling(0.0), 0))
        written: list[int] = []
        while len(written) < NUM_NEW and not batch.is_dead:
            output = batch.get_result(timeout=PATIENCE_S)
            assert output is not None
            written = output.generated_tokens
            if output.is_finished():
                break
    finally:
        batch.bury(PATIENCE_S)

    tokens = written_by_transformers(folder, prompt, own.info.eos_token_ids)
    assert written == tokens
    assert len(set(tokens)) > 3
    assert any("100 % of its weights are written" in each for each in told)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert own.info.num_parameters == model.num_parameters()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small", "qwen3", torch.bfloat16)


def changed(folder: Path, **values: object) -> str:
    """The folder, its configuration changed."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return str(folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "mamba"}, "this is of mamba"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantised already"),
        ({"attention_bias": True}, "attention has biases"),
        ({"mlp_bias": True}, "feed-forward layers have biases"),
        ({"use_sliding_window": True}, "sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layers differ"),
        ({"hidden_act": "gelu"}, "its activation is gelu"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "scaled by yarn"),
        ({"rope_scaling": {"type": "dynamic"}, "rope_parameters": None}, "scaled by dynamic"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "a part of each head"),
        ({"architectures": ["Qwen3ForSequenceClassification"]}, "writes no text"),
    ],
)
def test_what_openvino_would_compute_wrongly_is_left_to_transformers(
    values: dict[str, object], words: str, small: Path, tmp_path: Path
) -> None:
    choice = ModelChoice(changed(small, **values), "cpu", "auto", tmp_path / "cache")

    assert find_engine("auto", choice)[0] == "transformers"
    assert words in why_transformers("auto", choice)
    with pytest.raises(ModelUnavailableError, match=words):
        find_engine("openvino", choice)


def test_a_small_model_is_exported_only_if_asked(small: Path, tmp_path: Path) -> None:
    choice = ModelChoice(str(small), "cpu", "auto", tmp_path / "cache")

    assert find_engine("auto", choice)[0] == "transformers"
    assert "sooner than exported" in why_transformers("auto", choice)
    assert find_engine("openvino", choice)[0] == "openvino"
    assert why_transformers("transformers", choice) == ""


def shown(model: Path, **others: str) -> dict[str, tuple[Any, str]]:
    """What ``parley model show`` says."""
    environ = {"PARLEY_MODEL": str(model), "PARLEY_DEVICE": "cpu", **others}
    settings = read_settings(environ, None)
    described = describe(settings, say_nothing)
    return {fact.name: (fact.value, fact.source) for fact in facts_of(settings, described)}


def test_what_computes_it_is_shown_and_why(small: Path, tmp_path: Path) -> None:
    exported = shown(small, PARLEY_ENGINE="openvino", PARLEY_CACHE_DIR=str(tmp_path / "cache"))
    assert exported["engine"] == ("openvino", "PARLEY_ENGINE")
    assert exported["number format"] == ("auto, weights in Q8_0", "Parley's default")
    assert "why not openvino" not in exported

    changed(small, use_sliding_window=True)

    assert shown(small)["engine"][0] == "transformers"
    assert "sliding window" in shown(small)["why not openvino"][0]
    assert "why not openvino" not in shown(small, PARLEY_ENGINE="transformers")


def test_another_version_of_a_folder_is_another_model(small: Path) -> None:
    before = find_model(str(small))
    changed(small, rms_norm_eps=1e-6)
    after = find_model(str(small))

    assert before is not None
    assert after is not None
    assert before.digest != after.digest


def prepare(
    model: Path, cache: Path, before: Callable[[], None] | None = None
) -> "subprocess.Popen[str]":
    """``python -m worker.prepare`` for a model."""
    env = with_setting("PARLEY_CACHE_DIR", str(cache))
    return subprocess.Popen(
        python_module("worker.prepare"),
        env={**env, "PARLEY_MODEL": str(model), "PARLEY_ENGINE": "openvino"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,  # noqa: PLW1509 - it sets a limit
    )


@pytest.mark.timeout(240)
def test_an_export_whose_process_is_killed_is_begun_again(small: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with prepare(small, cache) as killed:
        assert killed.stderr is not None
        assert "Exporting small" in killed.stderr.readline()
        (converter,) = wait_for_children(killed.pid)
        killed.send_signal(signal.SIGKILL)
        killed.wait(PATIENCE_S)
        converter.wait(PATIENCE_S)
    source = find_model(str(small))
    assert source is not None
    assert not is_prepared(source, cache)

    with prepare(small, cache) as again:
        _, said = again.communicate(timeout=PATIENCE_S)

    assert again.returncode == 0, said
    assert "100 %" in said
    assert is_prepared(source, cache)
    kept = [each.name for each in (cache / "models").iterdir() if each.is_dir()]
    assert kept == [folder_for(source, cache).name]


def wait_for_children(pid: int) -> list[psutil.Process]:
    """The children of a process, once it has any."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return children


@pytest.mark.timeout(240)
def test_an_export_that_finds_no_room_says_so_and_leaves_nothing(
    small: Path, tmp_path: Path
) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    with prepare(small, tmp_path / "cache", no_room) as full:
        _, said = full.communicate(timeout=PATIENCE_S)

    assert full.returncode == 66, said
    sentence = said.splitlines()[-1]
    assert sentence.startswith("parley: The model small cannot be prepared for OpenVINO (")
    assert "the disk is full" in sentence
    assert not [each for each in (tmp_path / "cache" / "models").iterdir() if each.is_dir()]
