"""``parley eval qa``: whether the right passage is found, and unanswerable ones refused.

Documents go through the same code and the same kind of Redis as people's do; BM25 and embeddings
alone are measured in the same run.
"""

import bisect
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import redis

from shared.cli.embedded_redis import embedded_redis
from worker.engine.encoders.protocol import Embedding, Vectors
from worker.evaluation.qa_set import QuestionSet
from worker.evaluation.report import Evaluation, Figure, ReportTable
from worker.knowledge.chunks import cut, passages_of, searched_text
from worker.knowledge.lexical import LexicalIndex
from worker.knowledge.relevance import LEXICAL_HALF, LEXICAL_SHARE, STRONG_FROM, THIN_BELOW
from worker.knowledge.search import NUM_CANDIDATES, Search
from worker.knowledge.store import (
    DocumentStore,
    DocumentSubmission,
    Record,
    StoredPassage,
    digest_of,
)
from worker.knowledge.visibility import EVERYWHERE, DocumentPlace

HERE = DocumentPlace("console", "terminal", "evaluation")
THIN_QUANTILE = 0.05
"""The share of answerable tuning questions that may be refused."""
STRONG_QUANTILE = 0.9
"""The share of tuning questions without their own passage that must stay below the strong
threshold."""
NEAR_REMARK = (
    "The last row is what a threshold cannot do: a question that is near the documents and not "
    "answered by them is mostly answered from the nearest passage, which is shown."
)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
HALVES = (4.0, 8.0, 12.0, 16.0, 24.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """The quality of a ranking."""

    hit1: float
    hit3: float
    mrr: float

    @property
    def figures(self) -> dict[str, Figure]:
        """The keys of ``--json``."""
        return {"hit1": self.hit1, "hit3": self.hit3, "mrr": self.mrr}


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of both searches for every document, and Parley's ranking."""

    names: tuple[str, ...]
    """The documents."""
    targets: tuple[int, ...]
    """Question -> the number of the document that answers it."""
    cosines: Vectors
    """(questions, documents): of each document's nearest passage."""
    lexical: Vectors
    """(questions, documents): BM25 of each document's best passage."""
    ranked: tuple[tuple[str, ...], ...]
    """Question -> documents in Parley's ranking, the best first."""
    nearest: tuple[float, ...]
    """Question -> the nearest cosine that Parley computes."""
    offtopic_nearest: tuple[float, ...]


def evaluate_qa(chosen: QuestionSet, embedding: Embedding) -> Evaluation:
    """Run the evaluation, in an embedded Redis of its own."""
    with _searching(chosen, embedding) as search:
        scores = _score(chosen, search)
    ours = measure([_rank_in(row, scores.names[t]) for row, t in _pairs(scores)])
    bm25 = measure(ranks_of(scores.lexical, scores.targets))
    embeddings = measure(ranks_of(scores.cosines, scores.targets))
    refused_offtopic = _share_below(scores.offtopic_nearest, THIN_BELOW)
    refused_answerable = _share_below(scores.nearest, THIN_BELOW)
    figures: dict[str, Figure] = {
        "questions": len(scores.targets),
        "bm25": bm25.figures,
        "embeddings": embeddings.figures,
        "parley": ours.figures,
        "refused_offtopic": round(refused_offtopic, 4),
        "refused_answerable": round(refused_answerable, 4),
    }
    named = (("BM25", bm25), ("embeddings", embeddings), ("parley", ours))
    rows = tuple((name, _cell(m.hit1), _cell(m.hit3), _cell(m.mrr)) for name, m in named)
    refusals = (
        ("questions from another field", f"{refused_offtopic:.1%}"),
        ("questions that the documents answer", f"{refused_answerable:.1%}"),
        ("the same, each without its own document", f"{_near_refused(scores):.1%}"),
    )
    return Evaluation(
        "qa",
        figures,
        (
            ReportTable("Finding the right document", ("", "hit@1", "hit@3", "MRR"), rows),
            ReportTable("Answered 'not in the documents'", ("", "share"), refusals),
        ),
        (
            chosen.source,
            NEAR_REMARK,
        ),
    )


def calibrate(chosen: QuestionSet, embedding: Embedding) -> list[str]:
    """The constants of ``worker.knowledge.relevance``, computed from the tuning questions."""
    with _searching(chosen, embedding) as search:
        scores = _score(chosen, search)
    best = max(
        (
            (measure(ranks_of(_fuse(scores, share, half), scores.targets)).mrr, share, half)
            for share in SHARES
            for half in HALVES
        ),
    )
    now = measure(ranks_of(_fuse(scores, LEXICAL_SHARE, LEXICAL_HALF), scores.targets)).mrr
    thin = float(np.quantile(scores.nearest, THIN_QUANTILE))
    strong = float(np.quantile(_near(scores), STRONG_QUANTILE))
    refused = _share_below(scores.offtopic_nearest, THIN_BELOW)
    strongly = 1 - _share_below(scores.nearest, STRONG_FROM)
    used = f"now {LEXICAL_SHARE}, {LEXICAL_HALF}: {now:.4f}"
    return [
        f"LEXICAL_SHARE {best[1]}, LEXICAL_HALF {best[2]}: MRR {best[0]:.4f} ({used})",
        f"THIN_BELOW {thin:.3f} (now {THIN_BELOW}, which refuses {refused:.1%} off topic)",
        f"STRONG_FROM {strong:.3f} (now {STRONG_FROM}, which {strongly:.1%} of answerable reach)",
    ]


def ranks_of(scores: Vectors, targets: Sequence[int]) -> list[float]:
    """The rank of each question's target; the last among equals."""
    ranks: list[float] = []
    for row, target in zip(scores, targets, strict=True):
        ranks.append(float(np.sum(row >= row[target])) if row[target] > 0 else float("inf"))
    return ranks


def measure(ranks: Sequence[float]) -> Measured:
    """Hits at 1 and at 3, and the mean of 1/rank; infinity is not found."""
    found = np.array(ranks)
    return Measured(
        round(float(np.mean(found <= 1)), 4),
        round(float(np.mean(found <= 3)), 4),  # noqa: PLR2004 - hit@3
        round(float(np.mean(1 / found)), 4),
    )


@contextmanager
def _searching(chosen: QuestionSet, embedding: Embedding) -> Iterator[Search]:
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_redis(Path(folder)) as url,
        redis.Redis.from_url(url) as client,
    ):
        library = DocumentStore(client)
        texts = _Remembering(embedding)
        texts.embed(  # all at once, in batches of similar length
            [
                searched_text(document.title, passage.path, passage.text)
                for document in chosen.documents.values()
                for passage in passages_of(document)
            ]
        )
        for name, document in chosen.documents.items():
            submission = DocumentSubmission(
                cut(document), name, EVERYWHERE, digest_of(name.encode())
            )
            library.put(submission, texts.embed, embedding.name)
        yield Search(library, lambda: embedding)


class _Remembering:
    """A cache that embeds no text twice: equal passages occur in several documents."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedding.embed(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float32)


def _score(chosen: QuestionSet, search: Search) -> Scores:
    records = search.library.records()
    names = tuple(chosen.documents)
    number = {name: position for position, name in enumerate(names)}
    passages = search.library.read([p for r in records.values() for p in r.passages], HERE)
    owner = _owners(records, number)
    vectors = search.embedding.embed([question.text for question in chosen.questions])
    lexicon = LexicalIndex(search.library)
    index = lexicon.index_for(HERE)
    shape = (len(chosen.questions), len(names))
    cosines = np.full(shape, -1.0, dtype=np.float32)
    lexical = np.zeros(shape, dtype=np.float32)
    columns = np.array([owner[name] for name in index.names])
    _best_of(cosines, vectors @ np.array([p.vector for p in passages]).T, _columns(passages, owner))
    rows = [index.scores(lexicon.words_of(question.text)) for question in chosen.questions]
    _best_of(lexical, np.array(rows), columns)
    found = [search.find(q.text, HERE, 2 * NUM_CANDIDATES) for q in chosen.questions]
    return Scores(
        names,
        tuple(number[question.document] for question in chosen.questions),
        cosines,
        lexical,
        tuple(
            tuple(dict.fromkeys(names[owner[f.stored.id]] for f in one.passages)) for one in found
        ),
        tuple(one.nearest for one in found),
        tuple(search.find(text, HERE, 1).nearest for text in chosen.offtopic),
    )


def _owners(records: dict[str, Record], number: dict[str, int]) -> dict[str, int]:
    """Passage -> the number of its document."""
    return {p: number[record.name] for record in records.values() for p in record.passages}


def _columns(passages: Sequence[StoredPassage], owner: dict[str, int]) -> Vectors:
    columns: Vectors = np.array([owner[passage.id] for passage in passages])
    return columns


def _best_of(scores: Vectors, of_passages: Vectors, columns: Vectors) -> None:
    """Each document's best passage; ``columns`` are the passages' documents."""
    for passage, document in enumerate(columns.tolist()):
        np.maximum(scores[:, document], of_passages[:, passage], out=scores[:, document])


def _fuse(scores: Scores, share: float, half: float) -> Vectors:
    lexical = scores.lexical
    fused: Vectors = (1 - share) * scores.cosines + share * lexical / (lexical + half)
    return fused


def _pairs(scores: Scores) -> Iterator[tuple[tuple[str, ...], int]]:
    return zip(scores.ranked, scores.targets, strict=True)


def _rank_in(ranked: Sequence[str], name: str) -> float:
    return ranked.index(name) + 1 if name in ranked else float("inf")


def _near(scores: Scores) -> Vectors:
    """The nearest cosine of each question without its own document."""
    cosines = scores.cosines.copy()
    cosines[np.arange(len(scores.targets)), list(scores.targets)] = -1
    nearest: Vectors = cosines.max(axis=1)
    return nearest


def _near_refused(scores: Scores) -> float:
    return _share_below(_near(scores).tolist(), THIN_BELOW)


def _share_below(values: Sequence[float], threshold: float) -> float:
    return bisect.bisect_left(sorted(values), threshold) / len(values) if values else 0.0


def _cell(value: float) -> str:
    return f"{value:.3f}"
