"""The worker's checks: what a model runs in; one that is not needed is not looked for."""

from pathlib import Path

import pytest

from shared.settings import Settings
from worker import doctor
from worker.engine.gguf import DEFAULT_MODEL


@pytest.mark.parametrize(
    ("queues", "code", "words"),
    [
        ("tag,index", 0, "not needed: PARLEY_QUEUES is index, tag"),
        ("chat", 1, "PARLEY_MODEL names /there/is/none"),
    ],
)
def test_the_chat_model_is_checked_where_it_is_needed(
    capsys: pytest.CaptureFixture[str], queues: str, code: int, words: str
) -> None:
    settings = Settings.model_validate({"PARLEY_MODEL": "/there/is/none", "PARLEY_QUEUES": queues})

    assert doctor.report(settings) == code

    said = capsys.readouterr().out
    assert words in said


@pytest.mark.parametrize("engine", ["auto", "transformers"])
def test_device_numbers_and_engine_are_said(
    capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    settings = Settings.model_validate(
        {"PARLEY_MODEL": "/there/is/none", "PARLEY_DEVICE": "cpu", "PARLEY_ENGINE": engine}
    )

    doctor.report(settings)

    assert f"cpu, float32; PARLEY_ENGINE is {engine}" in capsys.readouterr().out


def test_a_damaged_file_of_the_default_model_is_said_before_it_is_converted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / DEFAULT_MODEL.module
    package.mkdir()
    (package / "__init__.py").touch()
    (package / DEFAULT_MODEL.file).write_bytes(b"GGUF and nothing more")
    monkeypatch.syspath_prepend(tmp_path)
    others = dict.fromkeys(("PARLEY_EMBEDDING_MODEL", "PARLEY_SENTIMENT_MODEL"), "/there/is/none")
    settings = Settings.model_validate({"PARLEY_CACHE_DIR": str(tmp_path / "cache"), **others})

    assert doctor.report(settings) == 1

    said = capsys.readouterr().out
    assert f"FAIL  model          {DEFAULT_MODEL.file} is damaged or not the file" in said
