"""The files of a model for the engine for processors: where they are, and how they are prepared.

``PARLEY_MODEL`` may name a GGUF file, a folder with an OpenVINO model, or a hub id of either. It is
prepared once in the cache folder, by a process of its own; see ``convert``.
"""

import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ModelUnavailableError
from worker.engine.gguf import DEFAULT_MODEL, SUFFIX, fields_of, find_source, is_gguf
from worker.engine.model_cache import ensure_made, is_whole
from worker.engine.protocol import DEFAULT, GREEDY, Progress, Sampling
from worker.engine.safetensors_folder import (
    ARCHITECTURES,
    CONFIG,
    has_weights,
    is_small,
    stamp_of,
    why_no_export,
)
from worker.engine.thinking.notation import template_thinks

GB = 1_000_000_000
VERSION = 1
"""Incremented when the preparation changes, so that older caches are rebuilt."""
MODEL_FILE = "openvino_model.xml"
SEEING_FILE = "openvino_language_model.xml"
"""Of models that see, whose parts are several files."""
WEIGHTS_FILE = "openvino_model.bin"
FACTS_FILE = "facts.json"
HUB_FILES = (MODEL_FILE, WEIGHTS_FILE, "*.json", "*.jinja", "*.txt", "*.model")
SETTING = "PARLEY_MODEL"
HUB_PARTS = 2
"""``organisation/name``; a third part is a file in it."""
READ_WELL = frozenset({"F32", "F16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"})
"""Tensor types that it reads without loss worth the name; others are rewritten as Q8_0."""
THINKING_SAMPLING = Sampling(temperature=0.6, top_p=0.95, top_k=20)
"""For a GGUF file of a model that thinks and names no values: those of Qwen3's card, since always
the most likely token makes such models repeat themselves without end."""
PROJECTOR = "mmproj"
"""In the name of a GGUF file with which llama.cpp sees pictures, beside that of its model."""
PROGRESS = "progress: "
"""Begins a line of the converter that tells how far it is."""
CONVERT = (sys.executable, "-m", "worker.engine.openvino.convert")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that the engine for processors may be able to read."""

    name: str
    digest: str
    """Changes with its content."""
    path: Path | None = None
    """A GGUF file, or a folder with an OpenVINO model or safetensors; None: the packaged file."""
    hub_id: str = ""
    """Of safetensors that may have to be fetched; the folder has the rest."""

    @property
    def is_exported(self) -> bool:
        """Whether it is a model of transformers, which is written for OpenVINO once."""
        return (
            self.path is not None and self.path.is_dir() and not (self.path / MODEL_FILE).is_file()
        )

    def find_weights(self) -> Path:
        """Where it is with all its weights, which are fetched if they are at a hub.

        Raises:
            ModelUnavailableError: as of ``find``, or they cannot be fetched.
        """
        if not self.hub_id:
            return self.find()
        from worker.engine.hub import fetch_model  # noqa: PLC0415 - rarely needed

        return fetch_model(self.hub_id, SETTING)

    def find(self) -> Path:
        """Where it is; the packaged file is checked, which takes a moment.

        Raises:
            ModelUnavailableError: the packaged model is not installed, or not the expected one.
        """
        return self.path or find_source(DEFAULT_MODEL)


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A prepared model in the cache, and what the engine asks of it."""

    name: str
    folder: Path
    context_tokens: int
    eos_token_ids: tuple[int, ...]
    num_layers: int
    num_kv_heads: int
    head_size: int
    num_parameters: int
    vocabulary: int
    """The size of its embedding: a multiple may be added to a token id."""
    weight_bytes: int
    sampling: Sampling


def find_model(model: str) -> ModelSource | None:
    """The source for a value of ``PARLEY_MODEL``; None if there is nothing that it may read.

    Raises:
        ModelUnavailableError: there is such a file, but it cannot be used.
    """
    if model == DEFAULT:
        return ModelSource(DEFAULT_MODEL.name, DEFAULT_MODEL.sha256)
    path = Path(model).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        if not is_gguf(path):
            raise ModelUnavailableError(
                f"PARLEY_MODEL names the file {path.name}, which is not in GGUF: name a GGUF file, "
                "a model's folder or a hub id."
            )
        return _source(path)
    return _at_hub(model)


def _in_folder(folder: Path) -> ModelSource | None:
    if (folder / MODEL_FILE).is_file():
        return _source(folder, folder / WEIGHTS_FILE)
    if (folder / SEEING_FILE).is_file():
        raise ModelUnavailableError(
            f"PARLEY_MODEL names {folder.name}, an OpenVINO model that sees ({SEEING_FILE}), which "
            "Parley cannot run: name the model it was made from (PARLEY_ENGINE=transformers), a "
            "GGUF file of it with its *mmproj*.gguf, or an OpenVINO model of texts alone."
        )
    found = sorted(folder.glob(f"*{SUFFIX}"))
    files = [file for file in found if PROJECTOR not in file.name.lower()]
    if has_weights(folder):
        return ModelSource(folder.resolve().name, stamp_of(folder), folder)
    if (folder / CONFIG).is_file() or not files:
        return None
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelUnavailableError(
            f"PARLEY_MODEL names a folder with several GGUF files: name one of {names}."
        )
    return _source(files[0])


def _source(path: Path, weights: Path | None = None) -> ModelSource:
    status = (weights or path).stat()
    stamp = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    name = path.resolve().stem if path.is_file() else path.resolve().name
    return ModelSource(name, hashlib.sha256(stamp.encode()).hexdigest(), path)


def _at_hub(model: str) -> ModelSource | None:
    """A hub id of a GGUF file (``org/name/file.gguf``) or of a model."""
    if model.startswith((".", "/", "~")):
        return None
    *repository, last = model.split("/")
    is_file = last.endswith(SUFFIX) and len(repository) == HUB_PARTS
    from worker.engine.hub import fetch, fetch_description  # noqa: PLC0415 - rarely needed

    if is_file:
        return _source(fetch("/".join(repository), (last,), SETTING) / last)
    if len(repository) == 1 and last.endswith("-ov"):
        found = _in_folder(fetch(model, HUB_FILES, SETTING))
        return found and dataclasses.replace(found, name=model)
    if len(repository) >= HUB_PARTS:
        return None
    folder = fetch_description(model, SETTING)
    digest = hashlib.sha256(f"{model} {folder.name}".encode()).hexdigest()  # named by its commit
    return ModelSource(model, digest, folder, model)


def projector_of(source: ModelSource) -> str:
    """The file with which llama.cpp shows pictures to a model of a GGUF file; empty without one."""
    file = source.find()
    beside = sorted(each for each in file.parent.glob(f"*{SUFFIX}") if each != file)
    return next((str(each) for each in beside if PROJECTOR in each.name.lower()), "")


def why_not(source: ModelSource) -> str:
    """Why the engine cannot compute a model; empty if it can, as far as its file says."""
    if source.path is None:
        return ""
    if source.path.is_dir():
        return why_no_export(source.path) if source.is_exported else ""
    architecture = fields_of(source.path).get("general.architecture", "unknown")
    if architecture in ARCHITECTURES:
        return ""
    known = ", ".join(sorted(ARCHITECTURES))
    return f"OpenVINO reads GGUF files of {known}, and {source.path.name} is of {architecture}"


def why_not_worth(source: ModelSource) -> str:
    """Why a model is computed by transformers although it could be exported; empty if it is not."""
    if source.path and source.is_exported and not source.hub_id and is_small(source.path):
        return "it is so small that it is computed sooner than exported"
    return ""


def is_prepared(source: ModelSource, cache_dir: Path) -> bool:
    """Whether a model is in the cache, whole."""
    return is_whole(folder_for(source, cache_dir), WEIGHTS_FILE)


def folder_for(source: ModelSource, cache_dir: Path) -> Path:
    """The folder of the prepared model, whether it exists or not."""
    name = source.name.replace("/", "--")
    return cache_dir / "models" / f"{name}-{source.digest[:12]}-ov{VERSION}"


def ensure_prepared(source: ModelSource, cache_dir: Path, progress: Progress) -> PreparedModel:
    """The prepared model; prepares it if it is missing or damaged.

    Raises:
        ModelUnavailableError: that cannot be done; the sentence says why.
    """

    def make(draft: Path) -> None:
        path = source.find_weights()
        verb = "Exporting" if source.is_exported else "Preparing"
        progress(f"{verb} {source.name} for OpenVINO (once, {_size(path) / GB:.1f} GB)")
        if reason := _run_converter(path, draft, lambda told: progress(f"{source.name}: {told}")):
            raise ModelUnavailableError(
                f"The model {source.name} cannot be prepared for OpenVINO ({reason}): try "
                f"PARLEY_ENGINE={'' if source.is_exported else 'llamacpp or '}transformers."
            )

    folder = folder_for(source, cache_dir)
    try:
        ensure_made(folder, WEIGHTS_FILE, make)
    except OSError as error:
        raise ModelUnavailableError(
            f"The model {source.name} cannot be prepared in {cache_dir} "
            f"({error.strerror or type(error).__name__}): make room there, or set PARLEY_CACHE_DIR."
        ) from error
    return _read(source.name, folder)


def _run_converter(path: Path, draft: Path, progress: Progress) -> str:
    """Run the program that fills a folder; return why it could not."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 - our own module, in this Python
            [*CONVERT, str(path), str(draft)],
            stdin=subprocess.PIPE,  # its end tells the program of ours
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as converter,
    ):
        try:
            for line in converter.stdout or ():
                if line.startswith(PROGRESS):
                    progress(line.removeprefix(PROGRESS).strip())
            converter.wait()
        except BaseException:
            converter.kill()
            raise
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if not converter.returncode:
        return ""
    return said[-1] if said else f"exit code {converter.returncode}"


def _read(name: str, folder: Path) -> PreparedModel:
    facts: dict[str, Any] = json.loads((folder / FACTS_FILE).read_text())
    template = folder / "chat_template.jinja"
    found = template.read_text() if template.is_file() else ""
    return PreparedModel(
        name=name,
        folder=folder,
        context_tokens=facts["context_tokens"],
        eos_token_ids=tuple(facts["eos_token_ids"]),
        num_layers=facts["num_layers"],
        num_kv_heads=facts["num_kv_heads"],
        head_size=facts["head_size"],
        num_parameters=facts["num_parameters"],
        vocabulary=facts["vocabulary"],
        weight_bytes=facts["weight_bytes"],
        sampling=Sampling(**facts["sampling"]).over(sampling_beside(found)),
    )


def sampling_beside(template: str) -> Sampling:
    """What holds where a model's files name no value, by its chat template."""
    return THINKING_SAMPLING if template_thinks(template) else GREEDY


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    files = path.glob("*.bin") if (path / MODEL_FILE).is_file() else path.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)
