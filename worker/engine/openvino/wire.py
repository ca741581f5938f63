"""The messages between a worker and its engine's process: a JSON object a line, both ways.

Pure data; imported by both sides, so it imports next to nothing.
"""
# Pure.

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the pipeline is built: the first message to the process."""

    folder: str
    """The prepared model; see ``files``."""
    num_blocks: int
    """Blocks of the cache, of ``BLOCK_TOKENS`` tokens each."""
    max_requests: int
    eos_token_ids: tuple[int, ...]
    shares_prefixes: bool
    """Whether computed prefixes are kept for later requests with the same first tokens."""
    precision: str = ""
    """Of computation and cache: ``f32``, ``bf16`` or ``f16``; empty: as OpenVINO chooses."""


@dataclass(frozen=True, slots=True)
class AddMessage:
    """A request for the batch."""

    label: str
    token_ids: list[int]
    max_new_tokens: int
    sampling: dict[str, float | int]
    """Attributes of OpenVINO's ``GenerationConfig``; empty for the most likely token."""


BLOCK_TOKENS = 32
"""OpenVINO's blocks on a processor."""
ADD, CANCEL, READY, ERROR, WRITTEN = "add", "cancel", "ready", "error", "written"


def line_of(kind: str, value: Any) -> bytes:  # noqa: ANN401 - a dataclass or plain data
    """One message as a line."""
    body = asdict(value) if hasattr(value, "__dataclass_fields__") else value
    return json.dumps({kind: body}, separators=(",", ":")).encode() + b"\n"


def parsed(line: bytes) -> tuple[str, Any]:
    """The kind of a message and its value."""
    (kind, value), *_ = json.loads(line).items()
    return kind, value
