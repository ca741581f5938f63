"""How long a start waits after failed ones, and what a model is called before it is loaded."""

from pathlib import Path

import pytest

from shared.ledger import keys
from shared.settings import read_settings
from worker.starts import LONGEST_PAUSE_S, model_name_of, pause_before


def test_starts_wait_longer_each_time_from_the_third_failure_on() -> None:
    pauses = [pause_before(failed) for failed in range(14)]

    assert pauses[: keys.FAILING_STARTS + 4] == [0, 0, 0, 1, 2, 4, 8]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_before(10_000) == LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("default", "SmolLM2-135M-Instruct"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("HuggingFaceTB/SmolLM2/file.gguf", "HuggingFaceTB/SmolLM2/file.gguf"),
        ("/models/none/there", "there"),
        ("{folder}/a model", "a model"),
        ("{folder}/a.gguf", "a"),
    ],
)
def test_a_model_is_named_before_it_is_loaded_as_afterwards(
    model: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "a model").mkdir()
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    settings = read_settings({"PARLEY_MODEL": model.format(folder=tmp_path)}, None)

    assert model_name_of(settings) == name


def test_a_servers_model_is_named_as_it_is_asked_for() -> None:
    settings = read_settings(
        {
            "PARLEY_ENGINE": "openai",
            "PARLEY_OPENAI_BASE_URL": "http://gpu1:8000/v1",
            "PARLEY_MODEL": "/models/qwen",
        },
        None,
    )

    assert model_name_of(settings) == "/models/qwen"
