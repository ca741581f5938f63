"""``parley eval models``: each model in a process of its own, told apart by what was given."""

import json
from pathlib import Path

import pytest

from shared.errors import ModelUnavailableError
from shared.settings import read_settings
from tests.fakes.tiny_gguf import save_tiny_gguf
from worker import commands
from worker.evaluation.models import compare, labels_of, measure_models


@pytest.mark.parametrize(
    ("models", "labels"),
    [
        (["default", "org/small"], ["SmolLM2-135M-Instruct", "small"]),
        (["one/chat.gguf", "two/chat.gguf"], ["one/chat.gguf", "two/chat.gguf"]),
        (["org/small", "./small/", "other"], ["org/small", "./small/", "other"]),
        (["default", "m/SmolLM2-135M-Instruct"], ["default", "m/SmolLM2-135M-Instruct"]),
        (["org/small", "org/small"], ["small"]),
    ],
)
def test_a_model_is_called_by_what_tells_it_from_the_others(
    models: list[str], labels: list[str]
) -> None:
    assert list(labels_of(models).values()) == labels


@pytest.mark.timeout(240)
def test_models_of_one_name_are_told_apart_and_one_that_fails_spoils_no_other(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PARLEY_DEVICE", "cpu")
    whole, missing = (tmp_path / name / "chat.gguf" for name in ("one", "two"))
    whole.parent.mkdir()
    save_tiny_gguf(tiny_model, whole)
    told: list[str] = []

    measured = measure_models([str(missing), str(whole)], told.append)
    evaluation = compare(measured, ())

    report = json.loads(json.dumps(evaluation.figures))
    assert list(report["models"]) == [str(whole)]
    assert report["models"][str(whole)]["tokens_per_s_8"] > 0
    assert report["recommended"] == str(whole)
    assert list(report["failed"]) == [str(missing)]
    assert told[0] == f"Measuring {missing} (1 of 2)"
    assert "could not be measured (exit code 66)" in told[1]
    assert told[2] == f"Measuring {whole} (2 of 2)"
    assert any(f"Not measured: {missing}" in remark for remark in evaluation.remarks)


def test_a_wrong_name_is_found_before_anything_is_measured(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings({"PARLEY_DEVICE": "cpu", "PARLEY_CACHE_DIR": str(tmp_path)}, None)

    with pytest.raises(ModelUnavailableError, match="no model in that folder"):
        commands.run(settings, ["eval", "models", str(tiny_model), "/nowhere/at/all"])

    assert "Measuring" not in capfd.readouterr().err
