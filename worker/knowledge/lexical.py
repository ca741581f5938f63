"""The lexical index: BM25 over the passages visible from a channel; rebuilt when they change.

Stores words and no texts: found passages are read from Redis again. Words are lower case and
stemmed: English endings are cut; words of other languages stay whole, as do names such as
``task_acks_late`` and their parts.
"""

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
import numpy.typing as npt
import snowballstemmer

from worker.knowledge.store import DocumentStore, Record
from worker.knowledge.visibility import DocumentPlace

WORD = re.compile(r"[^\W_]+(?:[_.\-:][^\W_]+)*", re.UNICODE)
PART = re.compile(r"[^\W_]+", re.UNICODE)
STOP_WORDS = frozenset(
    """
    a about after am an and any are as at be because been before being both but by can could did do
    does during each few for from further had has have he her here him his how i if in into is it
    its just me more most my no nor not now of off on once only or other our out over own s same
    she should so some such t than that the their then there these they this through to too under
    until up us very was we were what when where which while who whom why will with would you your
    yours
    """.split()  # noqa: SIM905 - a hundred quoted words are hard to read
)
"""Lucene's English stop words and those of questions."""


class Stemmer:
    """Splits and stems; caches stems, as the same words recur."""

    def __init__(self) -> None:
        self._stemmer = snowballstemmer.stemmer("english")
        self._stems: dict[str, str] = {}

    def of(self, text: str) -> list[str]:
        """The words of a text, in its order. A compound gives itself and its parts."""
        words: list[str] = []
        for found in WORD.findall(text.lower()):
            parts = PART.findall(found)
            if len(parts) > 1:
                words.append(found)
            words.extend(self._stem(part) for part in parts if part not in STOP_WORDS)
        return words

    def _stem(self, word: str) -> str:
        stem = self._stems.get(word)
        if stem is None:
            stem = self._stems[word] = str(self._stemmer.stemWord(word))
        return stem


MAX_INDEXES = 32
"""The number of cached indexes; channels that see the same documents share one."""
K1, B = 1.5, 0.75
"""bm25s' defaults. Others were no better on the tuning questions of ``parley eval qa``."""

Scores = npt.NDArray[np.float32]


class Bm25:
    """An index over the words of some texts."""

    def __init__(self, names: Sequence[str], words: Sequence[Sequence[str]]) -> None:
        self.names = tuple(names)
        self._index: bm25s.BM25 | None = None
        if any(words):
            # Importing it sets a log level of its own, below the operator's.
            logging.getLogger("bm25s").setLevel(logging.WARNING)
            self._index = bm25s.BM25(k1=K1, b=B)
            self._index.index([list(found) for found in words], show_progress=False)

    def scores(self, words: Sequence[str]) -> Scores:
        """The score of each text for these words, (texts,); 0 for no match."""
        index = self._index
        known = [word for word in words if index is not None and word in index.vocab_dict]
        if index is None or not known:
            return np.zeros(len(self.names), dtype=np.float32)
        scores: Scores = index.get_scores(known)
        return scores


@dataclass(frozen=True, slots=True)
class Shelf:
    """All documents at one moment."""

    version: int
    records: Mapping[str, Record]
    words: Mapping[str, list[str]]
    """Passage -> its words."""


class LexicalIndex:
    """Finds passages by words. Thread-safe."""

    def __init__(self, library: DocumentStore) -> None:
        self._library = library
        self._words = Stemmer()
        self._lock = threading.Lock()
        self._shelf = Shelf(0, {}, {})
        self._indexes: OrderedDict[frozenset[str], Bm25] = OrderedDict()

    def index_for(self, place: DocumentPlace) -> Bm25:
        """The current index of the passages visible from a channel."""
        with self._lock:
            self._refresh()
            seen = frozenset(
                name
                for name, record in self._shelf.records.items()
                if record.place.is_seen_from(place)
            )
            index = self._indexes.get(seen)
            if index is None:
                index = self._indexes[seen] = self._make(seen)
                if len(self._indexes) > MAX_INDEXES:
                    self._indexes.popitem(last=False)
            self._indexes.move_to_end(seen)
            return index

    def words_of(self, text: str) -> list[str]:
        """The words of a question."""
        with self._lock:
            return self._words.of(text)

    def _refresh(self) -> None:
        version = self._library.version()
        if version == self._shelf.version:
            return
        records = self._library.records()
        names = [name for record in records.values() for name in record.passages]
        known = {name: self._shelf.words[name] for name in names if name in self._shelf.words}
        texts = self._library.read_texts([name for name in names if name not in known])
        words = {**known, **{name: self._words.of(text) for name, text in texts.items()}}
        self._shelf = Shelf(version, records, words)
        self._indexes.clear()

    def _make(self, documents: frozenset[str]) -> Bm25:
        names = [
            name
            for document in sorted(documents)
            for name in self._shelf.records[document].passages
            if name in self._shelf.words
        ]
        return Bm25(names, [self._shelf.words[name] for name in names])
