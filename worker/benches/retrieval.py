"""``parley bench retrieval``: the time to find a question's passages, by the number of passages.

Repeats the passages that ship for ``parley eval qa``, with each copy's vectors moved a little:
equal vectors would make the vector index unrealistic.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import redis

from shared.cli.embedded_redis import embedded_redis
from worker.console import say
from worker.engine.encoders.protocol import Embedding, Vectors
from worker.evaluation.qa_set import REPORT, shipped_set
from worker.evaluation.report import Evaluation, ReportTable
from worker.knowledge.chunks import cut
from worker.knowledge.search import Search
from worker.knowledge.store import DocumentStore, DocumentSubmission, digest_of
from worker.knowledge.visibility import EVERYWHERE, DocumentPlace

HERE = DocumentPlace("console", "terminal", "bench")
NUM_QUESTIONS = 50
NUM_FOUND = 4
NOISE = 0.02
"""Added to each component of a vector; the vectors are of length one, and have hundreds."""
SEED = 7
PERCENT = 100


def bench_retrieval(embedding: Embedding, sizes: Sequence[int]) -> Evaluation:
    """Time questions against so many passages, in an embedded Redis of its own.

    Args:
        embedding: the model.
        sizes: how many passages, ascending; each measurement has at least so many.
    """
    chosen = shipped_set(REPORT)
    questions = [each.text for each in chosen.questions[:NUM_QUESTIONS]]
    found: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as name,
        embedded_redis(Path(name) / "redis") as url,
        redis.Redis.from_url(url) as client,
    ):
        library = DocumentStore(client)
        search = Search(library, lambda: embedding)
        embed = _moved(embedding)
        num_passages, copy = 0, 0
        for size in sizes:
            say(f"Taking {size:,} passages in")
            while num_passages < size:
                copy += 1
                for key, document in chosen.documents.items():
                    submission = DocumentSubmission(
                        cut(document), f"{key} {copy}", EVERYWHERE, digest_of(key.encode())
                    )
                    num_passages += library.put(submission, embed, embedding.name).num_passages
            search.find(questions[0], HERE, NUM_FOUND)  # builds the index of words
            whole = _times_ms(lambda text: search.find(text, HERE, NUM_FOUND), questions)
            alone = _times_ms(lambda text: embedding.embed([text]), questions)
            memory = client.info("memory")["used_memory"]
            found[str(num_passages)] = {
                "p50_ms": round(statistics.median(whole), 1),
                "p95_ms": round(statistics.quantiles(whole, n=PERCENT)[94], 1),
                "embedding_p50_ms": round(statistics.median(alone), 1),
                "redis_mb": round(memory / 1_000_000, 1),
            }
    return Evaluation("retrieval", found, (_table(found),))


def _moved(embedding: Embedding) -> Callable[[Sequence[str]], Vectors]:
    """The model with some random noise, which embeds each text once."""
    chance = np.random.default_rng(SEED)
    known: dict[str, Vectors] = {}

    def embed(texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embedding.embed(new), strict=True))
        plain = np.stack([known[text] for text in texts])
        moved = plain + chance.normal(0, NOISE, plain.shape)
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit

    return embed


def _times_ms(work: Callable[[str], object], questions: Sequence[str]) -> list[float]:
    times = []
    for text in questions:
        begun_s = time.perf_counter()
        work(text)
        times.append(1000 * (time.perf_counter() - begun_s))
    return times


def _table(found: Mapping[str, Mapping[str, float]]) -> ReportTable:
    names = ("p50_ms", "p95_ms", "embedding_p50_ms", "redis_mb")
    return ReportTable(
        title="A question's way to its passages",
        columns=("passages", "p50, ms", "p95, ms", "of which embedding, ms", "Redis, MB"),
        rows=tuple(
            (f"{int(size):,}", *(f"{figures[name]:,.1f}" for name in names))
            for size, figures in found.items()
        ),
    )
