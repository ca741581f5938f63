"""The search for passages that may answer a question: by words and by embeddings, fused."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.errors import NoKnowledgeError
from shared.jobs import Origin
from worker.engine.encoders.protocol import Embedding
from worker.knowledge.lexical import LexicalIndex
from worker.knowledge.relevance import fused
from worker.knowledge.store import DocumentStore, StoredPassage
from worker.knowledge.visibility import DocumentPlace

NUM_CANDIDATES = 40
"""Of each of the two searches."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its relevance score."""

    stored: StoredPassage
    score: float
    """The score that orders passages; see ``relevance.fused``."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The search results for a question in one channel."""

    passages: tuple[Found, ...]
    """The best first; different passages, perhaps of one document."""
    nearest: float
    """The highest cosine among them; -1 if there are none."""
    num_visible: int
    """The number of passages visible from the channel."""


NOTHING = Findings((), -1.0, 0)


class Search:
    """Finds passages. Loads the embedding model at its first use; thread-safe."""

    def __init__(self, library: DocumentStore, load: Callable[[], Embedding]) -> None:
        self.library = library
        self._load = load
        self._lexicon = LexicalIndex(library)

    @cached_property
    def embedding(self) -> Embedding:
        """The embedding model."""
        return self._load()

    def is_anything_visible(self, place: DocumentPlace) -> bool:
        """Whether any passage is visible from a channel; costs next to nothing."""
        return self.library.version() > 0 and bool(self._lexicon.index_for(place).names)

    def find(self, question: str, place: DocumentPlace, count: int) -> Findings:
        """The best passages for a question, of those visible from a channel.

        Raises:
            NoKnowledgeError: the documents were added with another embedding model.
            redis.RedisError: Redis is away.
        """
        if not self.is_anything_visible(place):
            return NOTHING
        self.library.require_model(self.embedding.name)
        index = self._lexicon.index_for(place)
        scores = index.scores(self._lexicon.words_of(question))
        lexical = dict(zip(index.names, scores.tolist(), strict=True))
        best = sorted(
            (name for name, score in lexical.items() if score > 0), key=lexical.__getitem__
        )
        vector = self.embedding.embed([question])[0]
        near = self.library.nearest(vector, place, NUM_CANDIDATES)
        names = dict.fromkeys([*near, *best[-NUM_CANDIDATES:]])
        # Read from Redis again, with another check of each one's visibility: the index may be
        # outdated.
        read = self.library.read(list(names), place)
        cosines = [float(np.dot(stored.vector, vector)) for stored in read]
        ranked = sorted(
            (
                Found(stored, fused(cosine, lexical.get(stored.id, 0.0)))
                for stored, cosine in zip(read, cosines, strict=True)
            ),
            key=lambda found: -found.score,
        )
        return Findings(tuple(ranked[:count]), max(cosines, default=-1.0), len(index.names))


def place_of(of: Callable[[Origin], DocumentPlace], origin: Origin) -> DocumentPlace:
    """The place of documents, or of a view of them, by one of the functions of ``visibility``.

    Raises:
        NoKnowledgeError: the channel has a name that no place can have.
    """
    try:
        return of(origin)
    except ValueError as error:
        raise NoKnowledgeError("There are no documents for a channel of this name.") from error
