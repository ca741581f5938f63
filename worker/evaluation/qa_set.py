"""The question sets with known documents: the one that ships with Parley, or the operator's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from shared.errors import RefusedError, SettingsError
from worker.knowledge.documents import Document, DocumentBlock, Section
from worker.knowledge.ingest import find_items
from worker.knowledge.readers import read_document

DATA = "worker.evaluation"
FAQ, TRIVIA = "data/faq.jsonl", "data/trivia.txt"
TUNING, REPORT = "tuning", "report"
MAX_MB = 100


@dataclass(frozen=True, slots=True)
class QaQuestion:
    """A question and the name of the document that answers it."""

    text: str
    document: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions and documents for an evaluation of retrieval."""

    documents: dict[str, Document]
    questions: tuple[QaQuestion, ...]
    offtopic: tuple[str, ...]
    """Questions from another field: none of the documents answers one."""
    source: str
    """A sentence on its source."""


def shipped_set(half: str) -> QuestionSet:
    """The FAQ headings of public projects, searched in all their passages at once.

    Args:
        half: ``report``, or ``tuning`` for the one that weights and thresholds are set on. No
            project
            is in both.
    """
    rows = [json.loads(line) for line in _lines(FAQ)]
    documents = {row["id"]: _document(row) for row in rows}
    questions = tuple(QaQuestion(row["question"], row["id"]) for row in rows if row["half"] == half)
    return QuestionSet(
        documents,
        questions,
        shipped_offtopic(half),
        f"Questions: {len(questions)} FAQ headings of public Python projects (the {half} half), "
        f"asked of {len(documents)} passages without their headings; off topic: trivia from "
        "chatterbot-corpus.",
    )


def shipped_offtopic(half: str) -> tuple[str, ...]:
    """General knowledge: history, films, animals."""
    return tuple(_lines(TRIVIA)[0 if half == TUNING else 1 :: 2])


def own_set(folder: Path, questions: Path) -> QuestionSet:
    """The operator's own documents and questions.

    Args:
        folder: files of the kinds that ``parley ingest`` reads.
        questions: a line a question: it, a tab, the file's name without its extension.

    Raises:
        SettingsError: a file cannot be read, or names a document that does not exist.
    """
    documents: dict[str, Document] = {}
    for item in find_items([folder]):
        try:
            read = read_document(item.file.read_bytes(), item.name, MAX_MB)
        except (RefusedError, OSError) as error:
            raise SettingsError(f"--docs {folder}: {error}") from error
        documents[item.file.stem] = read
    if not documents:
        raise SettingsError(f"--docs {folder} holds no file of a kind that I read.")
    asked = _read_questions(questions, documents)
    source = f"{len(asked)} questions of {questions}, asked of {len(documents)} files; off topic: "
    return QuestionSet(
        documents, asked, shipped_offtopic(REPORT), f"{source}trivia from chatterbot-corpus."
    )


def _read_questions(file: Path, documents: dict[str, Document]) -> tuple[QaQuestion, ...]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--questions {file} cannot be read as UTF-8 text.") from error
    asked: list[QaQuestion] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        before, _, after = line.partition("\t")
        text, name = before.strip(), after.strip()
        if not (text and name):
            raise SettingsError(f"--questions {file}, line {number}: question, tab, file's name.")
        if name not in documents:
            raise SettingsError(f"--questions {file}, line {number}: there is no file {name}.")
        asked.append(QaQuestion(text, name))
    if not asked:
        raise SettingsError(f"--questions {file} is empty.")
    return tuple(asked)


def _document(row: dict[str, object]) -> Document:
    blocks: Sequence[Sequence[object]] = row["blocks"]  # type: ignore[assignment]  # our own file
    path: Sequence[str] = row["path"]  # type: ignore[assignment]  # the same
    read = tuple(DocumentBlock(str(text), bool(is_code)) for text, is_code in blocks)
    return Document(str(row["project"]), (Section(tuple(path), read),))


def _lines(name: str) -> list[str]:
    return (resources.files(DATA) / name).read_text(encoding="utf-8").splitlines()
