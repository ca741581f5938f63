"""The document store in Redis: adds, lists and reads documents and their passages.

Each passage is a hash with its text, its place and its vector, and an element of one vector set
that carries the place, too. Relevance is decided elsewhere.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import redis

from shared.errors import KnowledgeFullError, NoKnowledgeError, ParleyError
from shared.ledger import documents, keys
from shared.ledger.calls import Call
from shared.ledger.documents import (
    MAX_AT_ONCE,
    NO_VECTOR_SETS,
    Amount,
    KnowledgeQuota,
    PassageFields,
    StoreOutcome,
    StoreResult,
    Storing,
)
from worker.engine.encoders.protocol import Embed, Vectors
from worker.knowledge.chunks import Passage, ReadDocument, passage_id, searched_text
from worker.knowledge.documents import DocumentBlock
from worker.knowledge.visibility import DocumentPlace, filter_for

ID_CHARS = 16
FILTER_EFFORT = 10_000
"""The most passages that a search examines to find some that are visible from a channel."""
READ_AT_ONCE = 500
TOKEN_BYTES = 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """A document's record in Redis."""

    name: str
    """Its file's name or path as it was given; name and place identify the document."""
    title: str
    link: str
    platform: str
    team: str
    channel: str
    message: str
    """The message it was learned from; empty for documents of ``parley ingest``."""
    digest: str
    """Of its bytes: a document with the same digest has not changed."""
    passages: tuple[str, ...]

    @property
    def place(self) -> DocumentPlace:
        """Its visibility."""
        return DocumentPlace(self.platform, self.team, self.channel)

    @property
    def id(self) -> str:
        """Its id in Redis."""
        return document_id(self.name, self.place, self.message)


@dataclass(frozen=True, slots=True)
class DocumentSubmission:
    """A document to store."""

    document: ReadDocument
    name: str
    place: DocumentPlace
    digest: str
    link: str = ""
    message: str = ""
    people: tuple[str, ...] = ()
    """``Origin.asker`` of the people whose words or files it is, or who had it learned."""
    lease: tuple[str, str] | None = None
    """The job that learns it, and its token: without the lease nothing is stored."""


class LeaseLostError(ParleyError):
    """The job that learns a document is another's by now, or was withdrawn; nothing is stored."""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as just read from Redis."""

    id: str
    document: str
    title: str
    link: str
    passage: Passage
    place: DocumentPlace
    vector: Vectors
    """(width,), of length one."""


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of storing a document."""

    num_passages: int
    num_new: int
    """Passages with new text or headings."""


def document_id(name: str, place: DocumentPlace, message: str = "") -> str:
    """The id of a document in Redis."""
    parts = [place.platform, place.team, place.channel, message, name]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_CHARS]


def digest_of(content: bytes) -> str:
    """The digest that tells whether a document has changed."""
    return hashlib.sha256(content).hexdigest()[:32]


class DocumentStore:
    """All documents; thread-safe."""

    def __init__(self, client: redis.Redis, quota: KnowledgeQuota | None = None) -> None:
        """``quota``: what places may hold; None for as much as they like."""
        self._client = client
        self._quota = quota or KnowledgeQuota(0, 0)

    def used(self) -> dict[DocumentPlace, Amount]:
        """What the documents of each place hold."""
        used = self._run(documents.used())
        return {DocumentPlace(*place): amount for place, amount in used.items()}

    def tidy(self) -> None:
        """Remove the vectors of passages that are gone."""
        while self._run(documents.tidy()):
            pass

    def require_vectors(self) -> None:
        """Refuse a Redis without vector sets.

        Raises:
            NoKnowledgeError: it has no vector sets.
        """
        try:
            self._client.vset().vdim(keys.VECTORS)
        except redis.ResponseError as error:
            if "unknown command" in str(error).lower():
                raise NoKnowledgeError(NO_VECTOR_SETS) from error
        # any other error means that there are no vectors yet

    def version(self) -> int:
        """A number that changes with every added, changed or removed document; 0 for none yet."""
        found = cast("bytes | None", self._client.hget(keys.KNOWLEDGE, "version"))
        return int(found or 0)

    def require_model(self, model: str) -> None:
        """Refuse to compare vectors of two models.

        Raises:
            NoKnowledgeError: the documents were added with another one.
        """
        found = cast("bytes | None", self._client.hget(keys.KNOWLEDGE, "model"))
        if found is not None and found.decode() != model:
            raise NoKnowledgeError(
                f"The documents were taken in with the embedding model {found.decode()}, and "
                f"PARLEY_EMBEDDING_MODEL is now {model}: set it back, or run `parley knowledge "
                "remove --all` and take them in again."
            )

    def records(self) -> dict[str, Record]:
        """Id -> document."""
        found = cast("Mapping[bytes, bytes]", self._client.hgetall(keys.DOCUMENTS))
        return {name.decode(): _read_record(record) for name, record in found.items()}

    def find(self, document: str) -> Record | None:
        """A document by its id."""
        found = cast("bytes | None", self._client.hget(keys.DOCUMENTS, document))
        return _read_record(found) if found else None

    def put(self, submission: DocumentSubmission, embed: Embed, model: str) -> Change:
        """Store a document, replacing the one of the same name and place.

        Unchanged passages keep their vectors; removed ones are deleted in the same step.

        Args:
            submission: the document.
            embed: the embedding model.
            model: its name.

        Raises:
            NoKnowledgeError: there are documents of another model, or no vector sets.
            LeaseLostError: the job has been withdrawn meanwhile.
            KnowledgeFullError: its channel or workspace holds too much.
            redis.RedisError: Redis is away; nothing has changed.
        """
        self.require_vectors()
        self.require_model(model)
        storing = _storing(submission, model)
        passages = _named(storing.id, submission.document)
        for is_first in (True, False):
            kept = self._kept(storing, submission.document.title) if is_first else set[str]()
            kept &= passages.keys()
            num_new = len(passages) - len(kept)
            if self._put(storing, passages, kept, embed):
                return Change(len(passages), num_new)
        raise redis.RedisError("Another process stores the same document.")

    def _kept(self, storing: Storing, title: str) -> set[str]:
        """The passages of the older version, which stay if they are in the new one, too."""
        old = self.find(storing.id)
        return set(old.passages) if old and old.title == title else set()

    def _put(
        self, storing: Storing, passages: Mapping[str, Passage], kept: set[str], embed: Embed
    ) -> bool:
        """Store a document in steps; False if another process has changed it meanwhile."""
        fields = {name: _fields_of(name, passage) for name, passage in passages.items()}
        num_bytes = sum(each.num_bytes for each in fields.values())
        size = Amount(len(passages), num_bytes)
        self._require_room(storing, self._run(documents.has_room(storing, size, self._quota)), size)
        new = [name for name in passages if name not in kept]
        title = str(storing.record["title"])
        texts = [searched_text(title, passages[name].path, passages[name].text) for name in new]
        vectors = np.asarray(embed(texts) if new else (), dtype=np.float32)
        stored = [name for name in passages if name in kept]
        outcome = self._run(documents.begin(storing, stored, size, self._quota))
        self._require_room(storing, outcome, size)
        _require_lease(outcome)
        for start in range(0, len(new), MAX_AT_ONCE):
            if outcome.result is StoreResult.CHANGED:
                break
            names = new[start : start + MAX_AT_ONCE]
            added = [
                (fields[name], vector.tobytes())
                for name, vector in zip(names, vectors[start:], strict=False)
            ]
            is_last = start + MAX_AT_ONCE >= len(new)
            outcome = self._run(documents.add(storing, stored, added, is_last=is_last))
            _require_lease(outcome)
            stored += names
        return outcome.result is StoreResult.STORED

    def _require_room(self, storing: Storing, outcome: StoreOutcome, size: Amount) -> None:
        if outcome.result is not StoreResult.FULL:
            return
        most = self._quota.channel if outcome.scope == "channel" else self._quota.workspace
        used = (outcome.used or Amount()).of(most)
        name = str(storing.record["name"])
        raise KnowledgeFullError(name, size.passages, outcome.scope, used)

    def _run(self, call: Call[T]) -> T:
        raw: Any = self._client.register_script(call.script)(args=list(call.args))
        return call.read(raw)

    def nearest(self, vector: Vectors, place: DocumentPlace, count: int) -> list[str]:
        """Ids of the passages nearest to a vector that are visible from a channel."""
        found: Any = self._client.vset().vsim(
            keys.VECTORS,
            vector.astype(np.float32).tobytes(),
            count=count,
            filter=filter_for(place),
            filter_ef=str(FILTER_EFFORT),
        )
        return [name.decode() for name in found]

    def read(self, passage_ids: Sequence[str], place: DocumentPlace) -> list[StoredPassage]:
        """The existing passages that are visible from a channel now, with their current text."""
        found: list[StoredPassage] = []
        for start in range(0, len(passage_ids), READ_AT_ONCE):
            names = passage_ids[start : start + READ_AT_ONCE]
            pipe = self._client.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(keys.passage(name))
            for name, fields in zip(names, pipe.execute(), strict=True):
                if fields and _place_of(fields).is_seen_from(place):
                    found.append(_read_passage(name, fields))
        return found

    def read_texts(self, passage_ids: Sequence[str]) -> dict[str, str]:
        """The searched texts of passages; for an index, never for an answer."""
        texts: dict[str, str] = {}
        for start in range(0, len(passage_ids), READ_AT_ONCE):
            names = passage_ids[start : start + READ_AT_ONCE]
            pipe = self._client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(keys.passage(name), "title", "path", "blocks")
            for name, (title, path, blocks) in zip(names, pipe.execute(), strict=True):
                if blocks is not None:
                    passage = _passage(path, blocks)
                    texts[name] = searched_text(title.decode(), passage.path, passage.text)
        return texts


def lesson_of(submission: DocumentSubmission) -> str:
    """The message that a document is learned from; empty if it is none."""
    place = submission.place
    parts = (place.platform, place.team, place.channel, submission.message)
    return "|".join(parts) if submission.message else ""


def _named(document: str, read: ReadDocument) -> dict[str, Passage]:
    """Passages by their ids; equal ones are told apart by their number."""
    named: dict[str, Passage] = {}
    for passage in read.passages:
        number = 0
        while (name := passage_id(document, passage, number)) in named:
            number += 1
        named[name] = passage
    return named


def _require_lease(outcome: StoreOutcome) -> None:
    if outcome.result is StoreResult.WITHDRAWN:
        raise LeaseLostError("The lease is lost.")


def _storing(submission: DocumentSubmission, model: str) -> Storing:
    place = submission.place
    taught = {"people": submission.people, "lesson": lesson_of(submission)}
    record = {
        "name": submission.name,
        "title": submission.document.title,
        "link": submission.link,
        "platform": place.platform,
        "team": place.team,
        "channel": place.channel,
        "message": submission.message,
        "digest": submission.digest,
    }
    return Storing(
        document_id(submission.name, place, submission.message),
        record,
        secrets.token_hex(TOKEN_BYTES),
        model,
        lesson_of(submission),
        json.dumps(taught) if submission.people else "",
        submission.lease or ("", ""),
    )


def _fields_of(name: str, passage: Passage) -> PassageFields:
    blocks = [[block.text, block.is_code] for block in passage.blocks]
    return PassageFields(
        name,
        json.dumps(passage.path, ensure_ascii=False),
        json.dumps(blocks, ensure_ascii=False),
    )


def _read_record(raw: bytes) -> Record:
    fields = json.loads(raw)
    return Record(**{**fields, "passages": tuple(fields["passages"])})


def _read_passage(name: str, fields: Mapping[bytes, bytes]) -> StoredPassage:
    return StoredPassage(
        id=name,
        document=fields[b"document"].decode(),
        title=fields[b"title"].decode(),
        link=fields[b"link"].decode(),
        passage=_passage(fields[b"path"], fields[b"blocks"]),
        place=_place_of(fields),
        vector=np.frombuffer(fields[b"vector"], dtype=np.float32),
    )


def _passage(path: bytes, blocks: bytes) -> Passage:
    return Passage(
        tuple(json.loads(path)),
        tuple(DocumentBlock(text, is_code) for text, is_code in json.loads(blocks)),
    )


def _place_of(fields: Mapping[bytes, bytes]) -> DocumentPlace:
    return DocumentPlace(*(fields[part].decode() for part in (b"platform", b"team", b"channel")))
