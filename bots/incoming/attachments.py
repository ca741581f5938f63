"""Attachments of a question: which files are fetched, and the sentences about the others.

Adapters fetch them from their platform's own hosts only; the worker reads them.
"""
# Pure.

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from shared.jobs import Attachment

MAX_FILES = 5
MB = 1_000_000
UNHEARD = ("audio/", "video/")


@dataclass(frozen=True, slots=True)
class Offered:
    """A file as the platform describes it."""

    name: str
    media_type: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which files are fetched."""

    max_mb: float = 10
    """The largest, in megabytes."""
    reads_pictures: bool = False
    """Whether there is a model that can see."""


DEFAULT_BOUNDS = Bounds()


def refusal_of(file: Offered, bounds: Bounds) -> Attachment | None:
    """The file with the sentence why it is not fetched; None if it is to be fetched."""
    max_mb = bounds.max_mb
    if file.media_type.startswith("image/") and not bounds.reads_pictures:
        sentence = f"I cannot see pictures with this model, so I left {file.name} out."
    elif file.media_type.startswith(UNHEARD):
        sentence = f"I read text and cannot play sound or film, so I left {file.name} out."
    elif file.num_bytes > max_mb * MB:
        sentence = (
            f"The file {file.name} has {file.num_bytes / MB:,.1f} MB and I read at most "
            f"{max_mb:g} MB, so I left it out."
        )
    else:
        return None
    return Attachment(file.name, note=sentence)


def fetched(name: str, content: bytes) -> Attachment:
    """The attachment of a fetched file."""
    if not content:
        return Attachment(name, note=f"The file {name} is empty.")
    return Attachment(name, content=base64.b64encode(content).decode())


def not_fetched(name: str) -> Attachment:
    """The attachment of a file that the platform did not hand out."""
    return Attachment(name, note=f"I could not get the file {name}, so I left it out.")


def within_bounds(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """At most ``MAX_FILES`` files; the others are named."""
    kept, others = attachments[:MAX_FILES], attachments[MAX_FILES:]
    left_out = [
        Attachment(each.name, note=f"I read {MAX_FILES} files at a time and left {each.name} out.")
        for each in others
    ]
    return (*kept, *left_out)
