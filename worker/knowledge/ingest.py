"""The ingestion of files and folders: each file's steps in ``parley ingest``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from shared.bounds import MB
from shared.errors import KnowledgeFullError, UnreadableDocumentError
from worker.engine.encoders.protocol import Embedding
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.readers import FORMATS, is_known
from worker.knowledge.store import DocumentStore, DocumentSubmission, digest_of, document_id
from worker.knowledge.visibility import DocumentPlace


@dataclass(frozen=True, slots=True)
class IngestItem:
    """A file that was named, or found in a named folder."""

    file: Path
    name: str
    """Its path, as shown in the documents' list and appended to the link."""
    is_named: bool
    """Whether it was named itself: then it is a fault if it cannot be read."""


class Result(StrEnum):
    """The outcome for a file."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """One file, ingested or not."""

    result: Result
    num_passages: int = 0
    num_new: int = 0
    sentence: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The options of an ingestion."""

    place: DocumentPlace
    link_base: str = ""
    max_mb: float = 10


def find_items(paths: Sequence[Path]) -> Iterator[IngestItem]:
    """The files of these paths: named ones, and those in folders whose format is known.

    Names that begin with a dot are left out of folders, as are files of other formats.
    """
    for path in paths:
        if not path.is_dir():
            yield IngestItem(path, path.name, is_named=True)
            continue
        for file in sorted(path.rglob("*")):
            inner = file.relative_to(path)
            is_hidden = any(part.startswith(".") for part in inner.parts)
            if file.is_file() and is_known(file.name) and not is_hidden:
                yield IngestItem(file, inner.as_posix(), is_named=False)


def ingest(
    item: IngestItem,
    order: IngestOptions,
    library: DocumentStore,
    embedding: Embedding,
    readers: ReaderPool,
) -> IngestedFile:
    """Ingest one file, unless it is stored unchanged.

    Raises:
        NoKnowledgeError: there are documents of another embedding model, or no vector sets.
        redis.RedisError: Redis is away.
    """
    try:
        content = _read(item, order.max_mb)
        digest = digest_of(content)
        old = library.find(document_id(item.name, order.place))
        link = f"{order.link_base.rstrip('/')}/{quote(item.name)}" if order.link_base else ""
        if old and old.digest == digest and old.link == link:
            return IngestedFile(Result.UNCHANGED, len(old.passages))
        document = readers.read_document(content, item.name, order.max_mb)
        submission = DocumentSubmission(document, item.name, order.place, digest, link)
        change = library.put(submission, embedding.embed, embedding.name)
    except (UnreadableDocumentError, KnowledgeFullError) as error:
        return IngestedFile(Result.FAILED, sentence=error.sentence)
    result = Result.CHANGED if old else Result.ADDED
    return IngestedFile(result, change.num_passages, change.num_new)


def _read(item: IngestItem, max_mb: float) -> bytes:
    if not is_known(item.name):
        raise UnreadableDocumentError(f"I cannot read {item.name}: I read {FORMATS}.")
    try:
        if item.file.stat().st_size > max_mb * MB:
            raise UnreadableDocumentError(
                f"The file {item.name} is larger than {max_mb:g} MB (PARLEY_MAX_UPLOAD_MB): split "
                "it, or allow more."
            )
        return item.file.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnreadableDocumentError(
            f"The file {item.name} cannot be opened ({why}): check its name and its rights."
        ) from error
