"""The packaged encoder as OpenVINO reads it: made once from torch's, in the cache folder.

Made by a process of its own (``convert``), so that a worker imports no torch; see ``model_cache``.
"""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ModelUnavailableError
from worker.engine.encoders.common import DEFAULT_ENCODER, FILES, default_encoder
from worker.engine.factory import is_for_processors
from worker.engine.model_cache import ensure_made, sha256_of

VERSION = 2
"""Incremented when the conversion changes, so that older caches are rebuilt."""
ENCODER_FILE, ENCODER_WEIGHTS = "encoder.xml", "encoder.bin"
TOKENIZER = "tokenizer.json"
CONVERT_ENCODER = (sys.executable, "-m", "worker.engine.encoders.convert")
DIGITS = 12


@dataclass(frozen=True, slots=True)
class EncoderUse:
    """What the encoder is made for."""

    name: str
    adapter: Path | None = None
    """The trained weights on top of it; None: its sentence vectors."""


SENTENCE = EncoderUse("sentence")


def is_compiled_on(device: str) -> bool:
    """Whether OpenVINO computes here: a processor, for which there is a wheel.

    Args:
        device: as ``PARLEY_DEVICE``.
    """
    return importlib.util.find_spec("openvino") is not None and is_for_processors(device)


def encoder_folder(use: EncoderUse, cache_dir: Path) -> Path:
    """Its folder in the cache, whether it exists or not; named by the digests of its sources.

    Raises:
        ModelUnavailableError: the adapter cannot be read.
    """
    digests = FILES["model.safetensors"][:DIGITS]
    if use.adapter is not None:
        try:
            digests += f"-{sha256_of(use.adapter)[:DIGITS]}"
        except OSError as error:
            raise ModelUnavailableError(_why(use, error.strerror or "unreadable")) from error
    return cache_dir / "models" / f"{DEFAULT_ENCODER}-{use.name}-{digests}-ov{VERSION}"


def ensure_encoder(use: EncoderUse, cache_dir: Path) -> Path:
    """The folder with the model and its tokenizer; makes it if it is missing or damaged.

    Raises:
        ModelUnavailableError: that cannot be done; the sentence says why.
    """
    source = default_encoder()

    def make(draft: Path) -> None:
        words = [str(use.adapter)] if use.adapter else []
        command = [*CONVERT_ENCODER, str(source), str(draft), *words]
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own module
        if run.returncode:
            reason = run.stderr.strip().splitlines()[-1:] or [f"exit code {run.returncode}"]
            raise ModelUnavailableError(_why(use, reason[0]))

    return ensure_made(encoder_folder(use, cache_dir), ENCODER_WEIGHTS, make)


def _why(use: EncoderUse, reason: str) -> str:
    reason = reason.rstrip(".")
    if use.adapter:
        return (
            f"The sentiment model cannot be read from {use.adapter} ({reason}). Install Parley "
            "again, or train it with `parley train sentiment`."
        )
    return (
        f"The model {DEFAULT_ENCODER} cannot be prepared for this processor ({reason}): install "
        "Parley again, or set PARLEY_EMBEDDING_MODEL to another encoder's folder."
    )
