"""The messages between a worker and a reader's process: JSON, a line each.

A request is a line and then the file's bytes. The answer is some lines, the last of which has
``done``. Pure data; imported by both sides, so it imports next to nothing.
"""
# Pure.

import json
from dataclasses import asdict, dataclass
from typing import Any

READY, REFUSED, FAILED, DONE = "ready", "refused", "failed", "done"
TITLE, PASSAGE, TEXT = "title", "passage", "text"


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A file to read."""

    name: str
    num_bytes: int
    max_mb: float
    """The largest file that is read, in megabytes."""
    max_chars: int | None = None
    """The most characters of its text that are wanted; None: it is wanted as passages."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a reader's process could have enforced; it depends on the system."""

    has_no_network: bool
    """It is in a network namespace of its own, which is empty."""
    has_no_descriptors: bool
    """It can open neither a file nor a socket."""
    has_bounded_memory: bool


def line_of(**message: object) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def request_line(request: ReadRequest) -> bytes:
    """A request as a line."""
    return line_of(**asdict(request))


def parsed(line: bytes) -> dict[str, Any]:
    """A message.

    Raises:
        ValueError: it is none.
    """
    return dict(json.loads(line))
