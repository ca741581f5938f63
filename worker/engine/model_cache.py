"""Prepared models in the cache folder: made once, whole or absent, checked before use.

A folder is built beside its final name and renamed under a file lock, so that two processes that
start at once make it once, and a process that dies leaves nothing incomplete. Imports no torch: a
start with a warm cache never needs what makes the folder.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock

MANIFEST = "parley.json"


def ensure_made(folder: Path, weights: str, make: Callable[[Path], None]) -> Path:
    """The folder; made if it is missing or damaged.

    Args:
        folder: its name says what it was made from, and by which version of ``make``.
        weights: its file that is checked.
        make: fills an empty folder; whatever it raises ends this call, and leaves none.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{folder.name}.lock")):
        if is_whole(folder, weights):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        draft = folder.with_name(f"{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            make(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _write_manifest(draft, weights)
        draft.rename(folder)
    return folder


def is_whole(folder: Path, weights: str) -> bool:
    """Whether a folder exists with unchanged weights.

    Hashing half a gigabyte takes seconds, so the weights are read only if their size or their time
    of change is not the one noted, as git does with its index.
    """
    file = folder / weights
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if _stamp(file) == manifest["stamp"]:
            return True
        if sha256_of(file) != manifest["sha256"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    _write_manifest(folder, weights)
    return True


def _write_manifest(folder: Path, weights: str) -> None:
    file = folder / weights
    manifest = {"sha256": sha256_of(file), "stamp": _stamp(file)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def sha256_of(file: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
