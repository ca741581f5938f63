"""The document store in Redis: adds, lists and reads documents and their passages.

Each passage is a hash with its text, its place and its vector, and an element of one vector set
that carries the place, too. Relevance is decided elsewhere.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import redis
from redis.client import Pipeline

from shared.errors import NoKnowledgeError, ParleyError
from shared.ledger import keys
from shared.ledger.documents import NO_VECTOR_SETS
from worker.engine.encoders.protocol import Embed, Vectors
from worker.knowledge.chunks import Passage, ReadDocument, passage_id, searched_text
from worker.knowledge.documents import DocumentBlock
from worker.knowledge.visibility import DocumentPlace, filter_for

ID_CHARS = 16
FILTER_EFFORT = 10_000
"""The most passages that a search examines to find some that are visible from a channel."""
READ_AT_ONCE = 500


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

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

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
            redis.RedisError: Redis is away; nothing has changed.
        """
        self.require_vectors()
        self.require_model(model)
        mine = document_id(submission.name, submission.place, submission.message)
        passages = _named(mine, submission.document)
        title = submission.document.title
        old = self.find(mine)
        kept = set(old.passages) & set(passages) if old and old.title == title else set[str]()
        texts = {
            name: searched_text(title, passage.path, passage.text)
            for name, passage in passages.items()
            if name not in kept
        }
        vectors = dict(zip(texts, embed(list(texts.values())), strict=True))
        record = _record_of(submission, tuple(passages))

        def write(pipe: Pipeline) -> None:
            _require_lease(pipe, submission.lease)
            before = cast("bytes | None", pipe.hget(keys.DOCUMENTS, mine))
            gone = set(_read_record(before).passages) - set(passages) if before else set()
            pipe.multi()
            for name in gone:
                pipe.vset().vrem(keys.VECTORS, name)
                pipe.delete(keys.passage(name))
            for name, passage in passages.items():
                _write_passage(pipe, (name, mine), passage, record, vectors.get(name))
            pipe.hset(keys.DOCUMENTS, mine, json.dumps(dataclasses.asdict(record)))
            if submission.message:
                pipe.sadd(keys.LESSONS, lesson_of(submission))
            if submission.people:
                taught = {"people": submission.people, "lesson": lesson_of(submission)}
                pipe.hset(keys.TEACHERS, mine, json.dumps(taught))
            pipe.hset(keys.KNOWLEDGE, "model", model)
            pipe.hincrby(keys.KNOWLEDGE, "version", 1)

        self._transact(write, submission.lease)
        return Change(len(passages), len(texts))

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

    def _transact(
        self, write: Callable[[Pipeline], None], lease: tuple[str, str] | None = None
    ) -> None:
        watched = [keys.job(lease[0])] if lease else []
        self._client.transaction(cast("Any", write), keys.DOCUMENTS, *watched)


def lesson_of(submission: DocumentSubmission) -> str:
    """The message that a document is learned from; empty if it is none."""
    place = submission.place
    parts = (place.platform, place.team, place.channel, submission.message)
    return "|".join(parts) if submission.message else ""


def _require_lease(pipe: Pipeline, lease: tuple[str, str] | None) -> None:
    """Check in a transaction that a job was not withdrawn or taken over; one without trace may."""
    if lease is None:
        return
    state, token = cast("list[bytes | None]", pipe.hmget(keys.job(lease[0]), "state", "token"))
    if state is not None and (state, token) != (b"running", lease[1].encode()):
        raise LeaseLostError("The lease is lost.")


def _named(document: str, read: ReadDocument) -> dict[str, Passage]:
    """Passages by their ids; equal ones are told apart by their number."""
    named: dict[str, Passage] = {}
    for passage in read.passages:
        number = 0
        while (name := passage_id(document, passage, number)) in named:
            number += 1
        named[name] = passage
    return named


def _record_of(submission: DocumentSubmission, passages: tuple[str, ...]) -> Record:
    place = submission.place
    return Record(
        name=submission.name,
        title=submission.document.title,
        link=submission.link,
        platform=place.platform,
        team=place.team,
        channel=place.channel,
        message=submission.message,
        digest=submission.digest,
        passages=passages,
    )


def _write_passage(
    pipe: Pipeline,
    names: tuple[str, str],
    passage: Passage,
    record: Record,
    vector: Vectors | None,
) -> None:
    """``names``: the passage's and its document's. Without a vector it keeps the one it has."""
    name, document = names
    place = {"platform": record.platform, "team": record.team, "channel": record.channel}
    fields: dict[str, str | bytes] = {
        **place,
        "document": document,
        "title": record.title,
        "link": record.link,
        "path": json.dumps(passage.path),
        "blocks": json.dumps([[block.text, block.is_code] for block in passage.blocks]),
    }
    if vector is not None:
        fields["vector"] = vector.tobytes()
        pipe.vset().vadd(keys.VECTORS, vector.tobytes(), name, attributes=place)
    pipe.hset(keys.passage(name), mapping=cast("Any", fields))


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
