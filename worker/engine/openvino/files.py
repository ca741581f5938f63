"""The files of a model for the engine for processors: where they are, and how they are prepared.

``PARLEY_MODEL`` may name a GGUF file, a folder with an OpenVINO model, or a hub id of either. It is
prepared once in the cache folder, by a process of its own; see ``convert``.
"""

import dataclasses
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ModelUnavailableError
from worker.engine.gguf import DEFAULT_MODEL, SUFFIX, fields_of, find_source, is_gguf
from worker.engine.model_cache import ensure_made, is_whole
from worker.engine.protocol import DEFAULT, GREEDY, Progress, Sampling
from worker.engine.thinking.notation import template_thinks

GB = 1_000_000_000
VERSION = 1
"""Incremented when the preparation changes, so that older caches are rebuilt."""
MODEL_FILE = "openvino_model.xml"
WEIGHTS_FILE = "openvino_model.bin"
FACTS_FILE = "facts.json"
HUB_FILES = (MODEL_FILE, WEIGHTS_FILE, "*.json", "*.jinja", "*.txt", "*.model")
SETTING = "PARLEY_MODEL"
HUB_PARTS = 2
"""``organisation/name``; a third part is a file in it."""
ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
"""What its GGUF reader knows (openvino.genai, gguf_utils/gguf_modeling.cpp, 2026.4)."""
READ_WELL = frozenset({"F32", "F16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"})
"""Tensor types that it reads without loss worth the name; others are rewritten as Q8_0."""
THINKING_SAMPLING = Sampling(temperature=0.6, top_p=0.95, top_k=20)
"""For a GGUF file of a model that thinks and names no values: those of Qwen3's card, since always
the most likely token makes such models repeat themselves without end."""
PROJECTOR = "mmproj"
"""In the name of a GGUF file with which llama.cpp sees pictures, beside that of its model."""
CONVERT = (sys.executable, "-m", "worker.engine.openvino.convert")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that the engine for processors may be able to read."""

    name: str
    digest: str
    """Changes with its content."""
    path: Path | None = None
    """A GGUF file, or a folder with an OpenVINO model; None: the packaged model's file."""

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
    """The source for a value of ``PARLEY_MODEL``; None if it is not a GGUF or OpenVINO model.

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
    found = sorted(folder.glob(f"*{SUFFIX}"))
    files = [file for file in found if PROJECTOR not in file.name.lower()]
    if (folder / "config.json").is_file() or not files:
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
    """A hub id of a GGUF file (``org/name/file.gguf``) or an OpenVINO model (``org/name-ov``)."""
    *repository, last = model.split("/")
    is_file = last.endswith(SUFFIX) and len(repository) == HUB_PARTS
    is_openvino = len(repository) == 1 and last.endswith("-ov")
    if not is_file and not is_openvino:
        return None
    from worker.engine.hub import fetch  # noqa: PLC0415 - rarely needed

    if is_file:
        return _source(fetch("/".join(repository), (last,), SETTING) / last)
    folder = fetch(model, HUB_FILES, SETTING)
    found = _in_folder(folder)
    return found and dataclasses.replace(found, name=model)


def projector_of(source: ModelSource) -> str:
    """The file with which llama.cpp shows pictures to a model of a GGUF file; empty without one."""
    file = source.find()
    beside = sorted(each for each in file.parent.glob(f"*{SUFFIX}") if each != file)
    return next((str(each) for each in beside if PROJECTOR in each.name.lower()), "")


def why_not(source: ModelSource) -> str:
    """Why the engine cannot compute a model; empty if it can, as far as its file says."""
    if source.path is None or source.path.is_dir():
        return ""
    architecture = fields_of(source.path).get("general.architecture", "unknown")
    if architecture in ARCHITECTURES:
        return ""
    known = ", ".join(sorted(ARCHITECTURES))
    return f"OpenVINO reads GGUF files of {known}, and {source.path.name} is of {architecture}"


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
        path = source.find()
        size_gb = _size(path) / GB
        progress(f"Preparing {source.name} (once, {size_gb:.1f} GB)")
        command = [*CONVERT, str(path), str(draft)]
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own module
        if run.returncode:
            reason = run.stderr.strip().splitlines()[-1:] or [f"exit code {run.returncode}"]
            raise ModelUnavailableError(
                f"The model {source.name} cannot be prepared for OpenVINO ({reason[0]}): try "
                "PARLEY_ENGINE=llamacpp or transformers."
            )

    folder = ensure_made(folder_for(source, cache_dir), WEIGHTS_FILE, make)
    return _read(source.name, folder)


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
    return path.stat().st_size if path.is_file() else (path / WEIGHTS_FILE).stat().st_size
