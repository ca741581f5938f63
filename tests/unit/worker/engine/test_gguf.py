"""The converted model in the cache: whole, damaged, or not to be had."""

import json
import os
from pathlib import Path

import pytest

from shared.errors import ModelUnavailableError
from worker.engine.gguf import (
    DEFAULT_MODEL,
    WEIGHTS,
    PackagedModel,
    ensure_converted,
    folder_of,
)
from worker.engine.model_cache import MANIFEST, is_whole, sha256_of

CONTENT = b"weights of a model"
PACKAGED = PackagedModel(
    name="Tiny",
    module="parley_tiny_model",
    file="tiny.gguf",
    sha256="0" * 64,
    install="pip x",
    max_new_tokens=9,
)


def say_nothing(_sentence: str) -> None:
    """Nobody listens to the progress."""


def write_whole(folder: Path) -> Path:
    """Write a converted folder as a conversion leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS
    weights.write_bytes(CONTENT)
    status = weights.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    manifest = {"sha256": sha256_of(weights), "stamp": stamp}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def touch(file: Path) -> None:
    """Give a file another time of change, as a copy or a restored backup has."""
    os.utime(file, ns=(1, 1))


def test_sha256_of_is_that_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")

    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(file) == expected


def test_is_whole_knows_a_whole_folder(tmp_path: Path) -> None:
    assert is_whole(write_whole(tmp_path), WEIGHTS)


def test_is_whole_reads_weights_that_were_only_copied(tmp_path: Path) -> None:
    folder = write_whole(tmp_path)
    touch(folder / WEIGHTS)

    assert is_whole(folder, WEIGHTS)
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["stamp"] == [len(CONTENT), 1]  # noted, so as not to read them again


@pytest.mark.parametrize(
    "content",
    [CONTENT[:-1], CONTENT + b"x", b"", CONTENT[:-1] + b"X"],
    ids=["cut short", "too long", "empty", "another byte"],
)
def test_is_whole_detects_damaged_weights(tmp_path: Path, content: bytes) -> None:
    folder = write_whole(tmp_path)
    (folder / WEIGHTS).write_bytes(content)
    touch(folder / WEIGHTS)

    assert not is_whole(folder, WEIGHTS)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_is_whole_misses_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    folder = write_whole(tmp_path)
    (folder / name).unlink()

    assert not is_whole(folder, WEIGHTS)


def test_is_whole_knows_nothing_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "absent", WEIGHTS)


@pytest.mark.parametrize("manifest", ["", "{", "{}", "\0\0\0", "null", "[]", '{"stamp": 1}'])
def test_is_whole_does_not_trust_a_damaged_manifest(tmp_path: Path, manifest: str) -> None:
    folder = write_whole(tmp_path)
    (folder / MANIFEST).write_text(manifest)

    assert not is_whole(folder, WEIGHTS)


def test_a_whole_folder_is_used_without_the_package(tmp_path: Path) -> None:
    folder = write_whole(folder_of(PACKAGED, tmp_path))

    assert ensure_converted(PACKAGED, tmp_path, say_nothing) == folder


def test_folders_of_different_sources_are_different(tmp_path: Path) -> None:
    other = PackagedModel("Tiny", "parley_tiny_model", "tiny.gguf", "1" * 64, "pip x", 9)

    assert folder_of(PACKAGED, tmp_path) != folder_of(other, tmp_path)


def test_a_missing_package_is_named_with_the_way_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError) as refusal:
        ensure_converted(PACKAGED, tmp_path, say_nothing)

    assert str(refusal.value) == (
        "The default model is not installed: run `pip x`, or set PARLEY_MODEL."
    )
    assert not is_whole(folder_of(PACKAGED, tmp_path), WEIGHTS)


@pytest.mark.parametrize("content", [None, b"another model"], ids=["no file", "another file"])
def test_a_package_with_another_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    package = tmp_path / "packages" / PACKAGED.module
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    if content is not None:
        (package / PACKAGED.file).write_bytes(content)
    monkeypatch.syspath_prepend(package.parent)

    with pytest.raises(ModelUnavailableError, match=r"tiny\.gguf is damaged .* --force-reinstall"):
        ensure_converted(PACKAGED, tmp_path, say_nothing)


def test_the_default_model_says_how_to_install_it_without_a_compiler() -> None:
    assert "--no-deps" in DEFAULT_MODEL.install
