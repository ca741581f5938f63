"""The JSON codec of jobs, turns and replies; no other module encodes or decodes them.

Every document carries a version, so that a worker that is older than its bots refuses what it
cannot read instead of guessing. pydantic validates JSON from Redis and builds Parley's dataclasses.
"""

import functools
from typing import Any, TypeVar

import pydantic

from shared.errors import CodecError
from shared.jobs import Job, Turn
from shared.preferences import Stored
from shared.replies import Done, Failed, Snapshot, Tagged, ThoughtSoFar

VERSION = 1

Wire = Job | Turn | Snapshot | ThoughtSoFar | Done | Failed | Tagged | Stored
T = TypeVar("T", Job, Turn, Snapshot, ThoughtSoFar, Done, Failed, Tagged, Stored)

_TYPES: dict[str, type[Any]] = {
    "job": Job,
    "turn": Turn,
    "snapshot": Snapshot,
    "thought": ThoughtSoFar,
    "done": Done,
    "failed": Failed,
    "tagged": Tagged,
    "preferences": Stored,
}
_NAMES = {cls: name for name, cls in _TYPES.items()}


class _Envelope(pydantic.BaseModel):
    v: int
    type: str
    body: dict[str, Any]


@functools.cache
def _adapter(name: str) -> pydantic.TypeAdapter[Any]:
    """Pydantic's type adapter of one of our types, which takes a millisecond to build."""
    return pydantic.TypeAdapter(_TYPES[name])


def encode(value: Wire) -> str:
    """The JSON document of a job, turn or reply."""
    name = _NAMES[type(value)]
    body = _adapter(name).dump_python(value, mode="json")
    return _Envelope(v=VERSION, type=name, body=body).model_dump_json()


def decode(document: str | bytes, expected: type[T]) -> T:
    """Read one document of the expected type.

    Raises:
        CodecError: it is not JSON of that type and this version. The message never repeats the
            document, which may hold a person's text.
    """
    value = decode_any(document)
    if not isinstance(value, expected):
        raise CodecError(f"Expected a {_NAMES[expected]}, got a {_NAMES[type(value)]}.")
    return value


def decode_any(document: str | bytes) -> Wire:
    """Read one document of any of our types.

    Raises:
        CodecError: as for ``decode``.
    """
    try:
        envelope = _Envelope.model_validate_json(document)
    except pydantic.ValidationError:
        raise CodecError("This is not one of Parley's documents.") from None
    if envelope.v != VERSION:
        raise CodecError(f"The document has version {envelope.v}; this process reads {VERSION}.")
    if envelope.type not in _TYPES:
        raise CodecError("The document is of an unknown type.")
    try:
        value: Wire = _adapter(envelope.type).validate_python(envelope.body)
    except pydantic.ValidationError as error:
        fields = ", ".join(str(part["loc"]) for part in error.errors())
        raise CodecError(f"A {envelope.type} document is malformed at {fields}.") from None
    return value
