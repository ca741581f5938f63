"""Asking as a worker does it, with a real Redis, the embedding model and a small chat model."""

import base64
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.jobs import Job, Kind, Origin, Platform, Turn, make_job
from shared.ledger.lifecycle import Lease
from shared.replies import Done
from shared.tasks import Ask, Learn
from tests.chaos.forward_passes import load
from worker.engine.encoders.protocol import Embedding, Vectors
from worker.engine.engine import EngineOptions
from worker.engine.factory import around
from worker.engine.protocol import Engine, Generation, Request, Sampling
from worker.handler import Handler
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.search import Search
from worker.knowledge.store import DocumentStore
from worker.leases import HeldLease
from worker.prompts.library import read_library
from worker.store import BlockingStore
from worker.tasks.ask import Asking, AskOptions
from worker.tasks.generate import ChatModel
from worker.tasks.learn import Learner
from worker.tasks.memory import Remembering

NEW_TOKENS, CACHE_TOKENS = 12, 8192
NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Overheard:
    """An engine, and every request that it was asked for."""

    engine: Engine
    requests: list[Request] = field(default_factory=list)

    @property
    def num_running(self) -> int:
        return self.engine.num_running

    def submit(self, request: Request) -> Generation:
        self.requests.append(request)
        return self.engine.submit(request)

    def cancel(self, request_id: str) -> None:
        self.engine.cancel(request_id)

    def close(self) -> None:
        self.engine.close()


@dataclass(slots=True)
class EmbeddingCache:
    """An embedding model that computes each text once: tests learn and ask the same ones often."""

    embedding: Embedding
    vectors: dict[str, Vectors] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.embedding.name

    def embed(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if new:
            self.vectors.update(zip(new, self.embedding.embed(new), strict=True))
        return np.stack([self.vectors[text] for text in texts])


@dataclass(frozen=True, slots=True)
class Desk:
    """Two ways to answer over one library."""

    learner: Learner
    quoting: Asking
    writing: Asking
    library: DocumentStore
    chat_model: ChatModel
    overheard: Overheard

    def prompts(self) -> list[str]:
        """What the model was asked to continue."""
        decode = self.chat_model.tokenizer.decode
        return [decode(r.prompt_ids, skip_special_tokens=False) for r in self.overheard.requests]


@contextmanager
def open_mind(model: Path) -> Iterator[ChatModel]:
    """A small chat model whose requests are overheard; its engine ends with the block."""
    loaded = load(model)
    options = EngineOptions(NEW_TOKENS, 8, CACHE_TOKENS)
    engine = around(loaded, options)
    try:
        engine.open()
        yield ChatModel(Overheard(engine), loaded.tokenizer, engine.limits, loaded.num_parameters)
    finally:
        engine.close()


def make_desk(
    store: BlockingStore, embedder: Embedding, chat_model: ChatModel, readers: ReaderPool
) -> Desk:
    """A desk over what is in this Redis."""
    library = DocumentStore(store.client)
    search = Search(library, lambda: embedder)
    prompts = read_library(None)
    remembering = Remembering(10, 60_000)
    quoting, writing = (
        Asking(store, chat_model, search, prompts, AskOptions(Sampling(), is_quoting, remembering))
        for is_quoting in (True, False)
    )
    assert isinstance(chat_model.engine, Overheard)
    chat_model.engine.requests.clear()
    return Desk(
        Learner(search, readers, 10), quoting, writing, library, chat_model, chat_model.engine
    )


def origin_in(channel: str, team: str = "T1", message: str = "") -> Origin:
    number = message or str(next(NUMBERS))
    return Origin(Platform.SLACK, team, channel, number, number, "U1")


def held_for(job: Job, history: tuple[Turn, ...] = ()) -> HeldLease:
    return HeldLease(Lease(job, "token", 1, is_alone=False, shown="", history=history))


def run(work: Handler, job: Job, history: tuple[Turn, ...] = ()) -> str:
    """What a person reads."""
    reply = work(held_for(job, history)).reply
    assert isinstance(reply, Done)
    return reply.text


def question(text: str, channel: str, team: str = "T1") -> Job:
    return make_job(Kind.ASK, origin_in(channel, team), text, task=Ask())


def lesson(text: str, channel: str, name: str = "note.md", message: str = "") -> Job:
    content = base64.b64encode(text.encode()).decode()
    task = Learn(name, content, f"https://slack.example/archives/{channel}/{name}")
    return make_job(Kind.LEARN, origin_in(channel, message=message), "", task=task)


def channel_of_number(number: int) -> str:
    return f"C{number:04}"
