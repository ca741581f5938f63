"""The JSON codec of jobs, turns and replies; no other module encodes or decodes them.

Each type has a version of its own, which every document carries. A field that has a default may be
added without a new version: older processes ignore it, and keep it where they pass a document on.
A new version is for what an older process would misread; ``DocumentType.upgrades`` then reads the
one before. What only a newer process can read raises ``NewerDocumentError``, so that it is left to
one. pydantic validates JSON from Redis and builds Parley's dataclasses. docs/upgrading.md has the
rules.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import pydantic

from shared.errors import CodecError, NewerDocumentError
from shared.jobs import Job, Turn
from shared.preferences import Stored
from shared.replies import Done, Failed, Snapshot, Tagged, ThoughtSoFar
from shared.tasks import Task

Wire = Job | Turn | Snapshot | ThoughtSoFar | Done | Failed | Tagged | Stored
T = TypeVar("T", Job, Turn, Snapshot, ThoughtSoFar, Done, Failed, Tagged, Stored)
Body = dict[str, Any]
UNKNOWN = "unknown"
"""The field for what this process does not know, in the types that it passes on."""
TASKS = frozenset(task.__dataclass_fields__["type"].default for task in get_args(Task))
"""The types of tasks that this process knows."""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """How one type stands on the wire."""

    cls: Any
    """The dataclass."""
    version: int = 1
    """The version that is written."""
    upgrades: Mapping[int, Callable[[Body], Body]] = dataclasses.field(default_factory=dict)
    """An older version → what makes of its body one of the next version."""

    @property
    def readable(self) -> str:
        """The versions that are read, as text."""
        return ", ".join(str(version) for version in sorted({*self.upgrades, self.version}))

    def upgraded(self, body: Body, version: int) -> Body:
        """The body as it is in this version.

        Raises:
            KeyError: no reader of that version is kept.
        """
        for before in range(version, self.version):
            body = self.upgrades[before](body)
        return body


TYPES = {
    "job": DocumentType(Job),
    "turn": DocumentType(Turn),
    "snapshot": DocumentType(Snapshot),
    "thought": DocumentType(ThoughtSoFar),
    "done": DocumentType(Done),
    "failed": DocumentType(Failed),
    "tagged": DocumentType(Tagged),
    "preferences": DocumentType(Stored),
}


class _Envelope(pydantic.BaseModel):
    v: int
    type: str
    body: dict[str, Any]


@functools.cache
def _adapter(cls: Any) -> pydantic.TypeAdapter[Any]:  # noqa: ANN401 - a dataclass
    """Pydantic's type adapter of one of our types, which takes a millisecond to build."""
    return pydantic.TypeAdapter(cls)


def _dump(value: Wire) -> Body:
    cls: Any = type(value)
    body: Body = _adapter(cls).dump_python(value, mode="json")
    body.pop(UNKNOWN, None)
    return body


class Codec:
    """Writes and reads documents of these types."""

    def __init__(self, types: Mapping[str, DocumentType]) -> None:
        self._types = types
        self._names = {each.cls: name for name, each in types.items()}

    def encode(self, value: Wire) -> str:
        """The JSON document of a job, turn or reply, with what a newer process wrote into it."""
        name = self._names[type(value)]
        body = _joined(_dump(value), getattr(value, UNKNOWN, {}))
        return _Envelope(v=self._types[name].version, type=name, body=body).model_dump_json()

    def decode(self, document: str | bytes, expected: type[T]) -> T:
        """Read one document of the expected type.

        Raises:
            NewerDocumentError: as for ``decode_any``.
            CodecError: as for ``decode_any``, or it is of another type.
        """
        value = self.decode_any(document)
        if not isinstance(value, expected):
            names = (self._names[expected], self._names[type(value)])
            raise CodecError("Expected a {}, got a {}.".format(*names))
        return value

    def decode_any(self, document: str | bytes) -> Wire:
        """Read one document of any of our types.

        Raises:
            NewerDocumentError: a newer process wrote it, in a way that this one cannot read.
            CodecError: it is not one of Parley's documents, or a broken one. No message repeats
                the document, which may hold a person's text.
        """
        try:
            envelope = _Envelope.model_validate_json(document)
        except pydantic.ValidationError:
            raise CodecError("This is not one of Parley's documents.") from None
        body = self._body(envelope)
        known = {name: value for name, value in body.items() if name != UNKNOWN}
        try:
            value: Wire = _adapter(self._types[envelope.type].cls).validate_python(known)
        except pydantic.ValidationError as error:
            raise _refusal(envelope.type, body, error) from None
        if isinstance(value, Job | Stored):
            return dataclasses.replace(value, unknown=_beyond(known, _dump(value)) or {})
        return value

    def _body(self, envelope: _Envelope) -> Body:
        kind = self._types.get(envelope.type)
        if kind is None:
            raise NewerDocumentError("The document is of an unknown type.")
        sentence = f"The document has version {envelope.v}; this process reads {kind.readable}."
        if envelope.v > kind.version:
            raise NewerDocumentError(sentence)
        try:
            return kind.upgraded(envelope.body, envelope.v)
        except KeyError:
            raise CodecError(sentence) from None


def _refusal(name: str, body: Body, error: pydantic.ValidationError) -> CodecError:
    """Whether a newer process wrote a word that is unknown here, or the document is broken."""
    parts = error.errors()
    fields = ", ".join(str(part["loc"]) for part in parts)
    task = body.get("task") if name == "job" else None
    is_new_task = isinstance(task, dict) and task.get("type") not in {*TASKS, None}
    if is_new_task or any(part["type"] == "enum" for part in parts):
        return NewerDocumentError(f"A {name} document has a word that is unknown here at {fields}.")
    return CodecError(f"A {name} document is malformed at {fields}.")


def _beyond(given: Any, known: Any) -> Any:  # noqa: ANN401 - JSON
    """What stands in a document and not in what was read of it; None for nothing."""
    if isinstance(given, dict) and isinstance(known, dict):
        found = {
            name: value if name not in known else _beyond(value, known[name])
            for name, value in given.items()
        }
        return {
            name: value for name, value in found.items() if name not in known or value is not None
        } or None
    if isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        items = [_beyond(*pair) for pair in zip(given, known, strict=True)]
        return items if any(item is not None for item in items) else None
    return None


def _joined(body: Any, unknown: Any) -> Any:  # noqa: ANN401 - JSON
    """A body with what was unknown in it, where that still has a place."""
    if isinstance(body, dict) and isinstance(unknown, Mapping):
        added = {
            name: _joined(body[name], value) if name in body else value
            for name, value in unknown.items()
        }
        return {**body, **added}
    if isinstance(body, list) and isinstance(unknown, list) and len(body) == len(unknown):
        return [_joined(*pair) for pair in zip(body, unknown, strict=True)]
    return body


_CODEC = Codec(TYPES)


def encode(value: Wire) -> str:
    """As ``Codec.encode``, in this process's versions."""
    return _CODEC.encode(value)


def decode(document: str | bytes, expected: type[T]) -> T:
    """As ``Codec.decode``, in this process's versions."""
    return _CODEC.decode(document, expected)


def decode_any(document: str | bytes) -> Wire:
    """As ``Codec.decode_any``, in this process's versions."""
    return _CODEC.decode_any(document)
