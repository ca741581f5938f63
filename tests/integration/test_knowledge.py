"""Documents in a real Redis: taken in, found, answered from, seen from nowhere else, and gone."""

import base64
import dataclasses
import socketserver
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import platformdirs
import pytest
import redis

from shared.errors import KnowledgeFullError, NoKnowledgeError, UnreadableDocumentError
from shared.jobs import Job, Kind, make_job
from shared.ledger import documents as knowledge
from shared.ledger import keys
from shared.ledger.calls import Call
from shared.ledger.documents import MAX_AT_ONCE, KnowledgeQuota
from shared.replies import Done
from shared.tasks import Learn
from tests.integration.knowledge_desk import (
    Desk,
    EmbeddingCache,
    held_for,
    lesson,
    make_desk,
    open_mind,
    origin_in,
    question,
    run,
)
from worker.engine.encoders.embedder import load_embedder
from worker.engine.encoders.protocol import Embedding, Vectors
from worker.handler import Outcome, RunEndedError
from worker.knowledge.answers import NO_DOCUMENTS, NOT_THERE
from worker.knowledge.chunks import Passage, ReadDocument
from worker.knowledge.commands import usage_lines
from worker.knowledge.documents import DocumentBlock
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.search import Search
from worker.knowledge.store import (
    DocumentStore,
    DocumentSubmission,
    LeaseLostError,
    document_id,
)
from worker.knowledge.visibility import (
    EVERYWHERE,
    DocumentPlace,
    channel_of,
    parse_place,
    view_of,
)
from worker.leases import Ending
from worker.store import BlockingStore
from worker.tasks.generate import ChatModel
from worker.tasks.learn import EMBEDDED_AT_ONCE, Learner

HANDBOOK = """# Handbook

## Travel

### Trains

Book trains through the travel desk at least three days ahead. Receipts go to Mona.

### Flights

Flights within Europe are paid for only when a train would take longer than six hours.

## Office

The coffee machine is descaled every second Friday by whoever drew the short straw.
"""
T = TypeVar("T")
CODE_WORD = "The code word of the finance channel is HALIBUT, and nobody else may know it."


@pytest.fixture(scope="module")
def embedder() -> Embedding:
    return EmbeddingCache(load_embedder("default", "cpu", platformdirs.user_cache_path("parley")))


@pytest.fixture(scope="module")
def chat_model(endless_model: Path) -> Iterator[ChatModel]:
    with open_mind(endless_model) as opened:
        yield opened


@pytest.fixture
def desk(
    store: BlockingStore, embedder: Embedding, chat_model: ChatModel, readers: ReaderPool
) -> Desk:
    return make_desk(store, embedder, chat_model, readers)


def submission(
    text: str, name: str = "a.md", place: DocumentPlace = EVERYWHERE
) -> DocumentSubmission:
    document = ReadDocument("Title", (Passage(("Part",), (DocumentBlock(text),)),))
    return DocumentSubmission(document, name, place, digest=text)


def of_thread(job: Job, parent: str = "C1") -> Job:
    """The job as one from a thread."""
    return dataclasses.replace(job, origin=dataclasses.replace(job.origin, parent=parent))


def elements(client: redis.Redis) -> int:
    return int(client.vset().vcard(keys.VECTORS) or 0)


def test_answer_quotes_the_passage_and_names_title_headings_and_link(desk: Desk) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))

    answer = run(desk.quoting.ask, question("How do I book a train?", "C1"))

    assert answer.startswith("> Book trains through the travel desk")
    sources = answer.partition("\n\n")[2].splitlines()
    assert sources[0] == (
        "[1] Handbook \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} Travel "
        "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} Trains — "
        "https://slack.example/archives/C1/handbook.md"
    )


def test_what_is_not_in_the_documents_is_said_to_be_with_the_nearest_passages(desk: Desk) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))

    answer = run(desk.quoting.ask, question("Who painted the Girl with a Pearl Earring?", "C1"))

    assert answer.startswith(NOT_THERE)
    assert "[1] Handbook" in answer


def test_where_there_are_no_documents_that_is_the_answer(desk: Desk) -> None:
    assert run(desk.quoting.ask, question("How do I book a train?", "C1")) == NO_DOCUMENTS


def test_upload_answers_in_its_channel_and_in_no_other(desk: Desk) -> None:
    run(desk.learner.learn, lesson(CODE_WORD, "CFINANCE", "secret.md"))
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))
    asked = "What is the code word of the finance channel?"

    at_home = run(desk.quoting.ask, question(asked, "CFINANCE"))
    elsewhere = [
        run(work, question(asked, channel, team))
        for work in (desk.quoting.ask, desk.writing.ask)
        for channel, team in (("C1", "T1"), ("CFINANCE", "T2"), ("C2", "T1"))
    ]

    assert "HALIBUT" in at_home
    assert not any("HALIBUT" in answer or "secret" in answer for answer in elsewhere)
    assert not any("HALIBUT" in prompt for prompt in desk.prompts())


def test_a_thread_is_answered_from_its_channel_and_the_channel_not_from_its_threads(
    desk: Desk,
) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))
    run(desk.learner.learn, of_thread(lesson(CODE_WORD, "THREAD", "secret.md")))
    trains, code = "How do I book a train?", "What is the code word of the finance channel?"
    ask = desk.quoting.ask

    assert "travel desk" in run(ask, of_thread(question(trains, "THREAD")))
    assert "HALIBUT" in run(ask, of_thread(question(code, "THREAD")))
    outside = [
        run(ask, question(code, "C1")),
        run(ask, of_thread(question(code, "OTHER"))),
        run(ask, of_thread(question(code, "THREAD", "T2"))),
    ]
    assert not any("HALIBUT" in answer or "secret" in answer for answer in outside)
    assert "travel desk" not in run(ask, question(trains, "THREAD")), "a thread of elsewhere"


def test_a_run_that_has_to_end_embeds_no_more_of_a_long_document(
    store: BlockingStore, readers: ReaderPool
) -> None:
    held = held_for(lesson("word. " * 300 * EMBEDDED_AT_ONCE, "C1", "long.txt"))
    embedded: list[int] = []

    class StoppedMeanwhile:
        name = "m"

        def embed(self, texts: Sequence[str]) -> Vectors:
            embedded.append(len(texts))
            held.end(Ending.CANCELLED)
            return embed_fast(texts)

    library = DocumentStore(store.client)
    learner = Learner(Search(library, StoppedMeanwhile), readers, 10)

    with pytest.raises(RunEndedError):
        learner.learn(held)

    assert embedded == [EMBEDDED_AT_ONCE]
    assert library.records() == {}


def test_what_nobody_asked_to_have_learned_is_learned_in_silence(desk: Desk) -> None:
    job = lesson(HANDBOOK, "C1", "handbook.md")
    assert isinstance(job.task, Learn)
    unasked = dataclasses.replace(job, task=dataclasses.replace(job.task, is_unasked=True))

    assert run(desk.learner.learn, unasked) == ""

    assert "travel desk" in run(desk.quoting.ask, question("How do I book a train?", "C1"))


def test_a_guest_is_answered_from_the_documents_of_the_channel_alone(
    desk: Desk, embedder: Embedding
) -> None:
    for place in ("everyone", "slack:T1"):
        sent = submission("The code word is zebra.", f"{place}.md", parse_place(place))
        desk.library.put(sent, embedder.embed, embedder.name)
    asked = question("What is the code word?", "C1")
    guest = dataclasses.replace(asked, is_confined=True)

    assert "zebra" in run(desk.quoting.ask, asked)
    assert run(desk.quoting.ask, guest) == NO_DOCUMENTS
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))
    for work in (desk.quoting.ask, desk.writing.ask):
        assert "zebra" not in run(work, guest)
    booked = dataclasses.replace(question("How do I book a train?", "C1"), is_confined=True)
    assert "travel desk" in run(desk.quoting.ask, booked)


def test_the_place_of_a_guest_is_asked_for_again_when_a_passage_is_read(
    desk: Desk, embedder: Embedding
) -> None:
    """As if the search had not been confined."""
    sent = submission("The code word is zebra.", place=parse_place("slack:T1"))
    desk.library.put(sent, embedder.embed, embedder.name)
    (record,) = desk.library.records().values()
    guest = view_of(origin_in("C1"), is_confined=True)

    assert desk.library.nearest(embedder.embed(["zebra"])[0], guest, 5) == []
    assert desk.library.read(list(record.passages), guest) == []
    assert desk.library.read(list(record.passages), channel_of(origin_in("C1")))


def test_place_is_asked_for_again_when_a_passage_is_read(desk: Desk) -> None:
    """As if the vector set's attributes were wrong, or the index old."""
    run(desk.learner.learn, lesson(CODE_WORD, "CFINANCE", "secret.md"))
    library = desk.library
    (record,) = library.records().values()
    here = channel_of(origin_in("C1"))
    client = library._client
    client.vset().vsetattr(
        keys.VECTORS, record.passages[0], {"platform": "*", "team": "*", "channel": "*"}
    )
    vector = library.read(list(record.passages), record.place)[0].vector

    assert library.nearest(vector, here, 5) == list(record.passages)
    assert library.read(list(record.passages), here) == []
    below = dataclasses.replace(here, channel="CFINANCE", parent="C1")
    assert library.read(list(record.passages), below)


def test_team_and_everywhere_are_seen_from_channels(desk: Desk, embedder: Embedding) -> None:
    for place in ("slack:T1", "slack:T2:C1", "discord:T1", ""):
        at = parse_place(place) if place else EVERYWHERE
        sent = submission(f"Tea is served at {place}.", f"{place}.md", at)
        desk.library.put(sent, embedder.embed, embedder.name)
    vector = embedder.embed(["When is tea?"])[0]

    def seen(channel: str, team: str) -> set[str]:
        place = channel_of(origin_in(channel, team))
        found = desk.library.read(desk.library.nearest(vector, place, 10), place)
        return {stored.passage.text for stored in found}

    assert seen("C1", "T1") == {"Tea is served at slack:T1.", "Tea is served at ."}
    assert seen("C1", "T2") == {"Tea is served at slack:T2:C1.", "Tea is served at ."}
    assert seen("C9", "T9") == {"Tea is served at ."}


def test_only_what_changed_is_embedded_again(desk: Desk, embedder: Embedding) -> None:
    embedded: list[str] = []

    def embed(texts: list[str]) -> object:
        embedded.extend(texts)
        return embedder.embed(texts)

    def put(*parts: str) -> None:
        passages = tuple(Passage((part,), (DocumentBlock(f"{part} says so."),)) for part in parts)
        sent = dataclasses.replace(submission(""), document=ReadDocument("Title", passages))
        desk.library.put(sent, embed, embedder.name)  # type: ignore[arg-type]  # a list will do

    put("one", "two", "three")
    del embedded[:]
    put("one", "four", "three")

    assert [text.splitlines()[-1] for text in embedded] == ["four says so."]
    assert elements(desk.library._client) == 3
    found = desk.library.read_texts(
        [p for r in desk.library.records().values() for p in r.passages]
    )
    assert len(found) == 3
    assert not any("two" in text for text in found.values())


def test_removed_document_leaves_nothing_and_answers_nothing(
    desk: Desk, store: BlockingStore
) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))
    run(desk.learner.learn, lesson(CODE_WORD, "C1", "secret.md"))
    asked = question("How do I book a train?", "C1")
    assert "travel desk" in run(desk.quoting.ask, asked)
    gone = next(n for n, r in desk.library.records().items() if r.name == "handbook.md")

    assert store.run(knowledge.drop([gone, "nonesuch"])) == 1

    assert "travel desk" not in run(desk.quoting.ask, asked)
    assert elements(store.client) == 1
    assert len(list(store.client.scan_iter(keys.passage("*")))) == 1


def test_what_a_message_taught_is_forgotten_with_the_message(
    desk: Desk, store: BlockingStore
) -> None:
    first = lesson(HANDBOOK, "C1", "handbook.md", message="17.1")
    run(desk.learner.learn, first)
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md", message="17.2"))
    other = dataclasses.replace(first.origin, channel="C2")

    assert store.run(knowledge.forget(other)) == 0
    assert store.run(knowledge.forget(first.origin)) == 1

    assert [record.message for record in desk.library.records().values()] == ["17.2"]


def long_submission(name: str, num_passages: int, place: str = "slack:T1:C1") -> DocumentSubmission:
    """A document of so many passages; their texts are of no other document."""
    passages = [
        Passage((f"Part {number}",), (DocumentBlock(f"{name} says {number}."),))
        for number in range(num_passages)
    ]
    document = ReadDocument(name, tuple(passages))
    return DocumentSubmission(document, name, parse_place(place), digest=str(num_passages))


def embed_fast(texts: Sequence[str]) -> Vectors:
    """Vectors of no meaning."""
    vectors = np.random.default_rng(7).normal(size=(len(texts), 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if len(texts) else vectors


def test_a_channel_and_a_workspace_hold_so_many_passages(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=10, workspace=12))

    def put(name: str, num_passages: int, place: str = "slack:T1:C1") -> None:
        library.put(long_submission(name, num_passages, place), embed_fast, "m")

    put("a.md", 6)
    put("b.md", 4)
    with pytest.raises(
        KnowledgeFullError, match=r"this channel hold 10 of 10 passages.*CHANNEL_PA"
    ):
        put("c.md", 1)
    put("c.md", 2, "slack:T1:C2")
    with pytest.raises(KnowledgeFullError, match=r"this workspace hold 12 of 12.*WORKSPACE_PASSA"):
        put("d.md", 1, "slack:T1")
    put("d.md", 9, "slack:T2:C1")  # another workspace
    put("e.md", 9, "discord:T1:C1")  # another platform
    with pytest.raises(KnowledgeFullError, match=r"hold 4 of 10"):
        put("a.md", 7)
    put("a.md", 5)
    put("f.md", 1)

    assert {record.name: len(record.passages) for record in library.records().values()} == {
        "a.md": 5,
        "b.md": 4,
        "c.md": 2,
        "d.md": 9,
        "e.md": 9,
        "f.md": 1,
    }
    assert elements(store.client) == 30
    assert len(list(store.client.scan_iter(keys.passage("*")))) == 30


def test_a_refused_document_leaves_its_older_version_as_it_was(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=5, workspace=5))
    library.put(long_submission("a.md", 5), embed_fast, "m")
    before = {key: store.client.dump(key) for key in store.client.scan_iter(keys.passage("*"))}

    with pytest.raises(KnowledgeFullError):
        library.put(long_submission("a.md", 6), embed_fast, "m")

    after = {key: store.client.dump(key) for key in store.client.scan_iter(keys.passage("*"))}
    assert after == before
    assert [len(record.passages) for record in library.records().values()] == [5]


def test_bytes_are_bounded_beside_passages(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=4, workspace=0))
    heavy = ReadDocument("T", (Passage(("H" * 200,) * 6, (DocumentBlock("\u4e2d" * 4_000),)),))
    sent = DocumentSubmission(heavy, "heavy.md", parse_place("slack:T1:C1"), digest="1")
    library.put(sent, embed_fast, "m")

    with pytest.raises(KnowledgeFullError, match=r"1 of 4 passages, 0\.0 of 0 MB"):
        library.put(dataclasses.replace(sent, name="b.md"), embed_fast, "m")


def test_a_long_document_is_stored_and_removed_in_steps_that_hold_nothing_up(
    store: BlockingStore,
) -> None:
    library = DocumentStore(store.client)
    sent = long_submission("a.md", 3 * MAX_AT_ONCE + 1)

    library.put(sent, embed_fast, "m")
    (record,) = library.records().values()
    assert len(set(record.passages)) == 3 * MAX_AT_ONCE + 1
    assert record.digest == sent.digest
    assert elements(store.client) == len(record.passages)
    library.put(long_submission("b.md", 1), embed_fast, "m")
    store.run(knowledge.drop([record.id]))

    assert elements(store.client) == 2 * MAX_AT_ONCE + 2, "one step removes no more vectors"
    assert len(list(store.client.scan_iter(keys.passage("*")))) == 1
    found = library.nearest(embed_fast(["x"])[0], record.place, 500)
    assert [stored.document for stored in library.read(found, record.place)] == [
        document_id("b.md", record.place)
    ]
    library.tidy()
    assert elements(store.client) == 1


def test_a_storing_that_was_cut_short_is_taken_up_and_counts_as_unfinished(
    store: BlockingStore,
) -> None:
    """As when its worker dies: what is recorded is what there is."""
    library = DocumentStore(store.client)
    sent = long_submission("a.md", MAX_AT_ONCE + 5)

    class DeadError(Exception):
        pass

    num_steps = 0

    class Dying(DocumentStore):
        def _run(self, call: Call[T]) -> T:
            nonlocal num_steps
            num_steps += 1
            if num_steps == 4:
                raise DeadError
            return super()._run(call)

    with pytest.raises(DeadError):
        Dying(store.client).put(sent, embed_fast, "m")
    (half,) = library.records().values()
    assert (len(half.passages), half.digest) == (MAX_AT_ONCE, "")
    assert elements(store.client) == MAX_AT_ONCE

    assert library.put(sent, embed_fast, "m").num_new == 5

    (whole,) = library.records().values()
    assert (len(whole.passages), whole.digest) == (MAX_AT_ONCE + 5, sent.digest)


@pytest.mark.parametrize("state", ["withdrawn", "waiting"])
def test_nothing_is_stored_for_a_job_that_is_not_run_any_more(
    store: BlockingStore, state: str
) -> None:
    library = DocumentStore(store.client)
    sent = dataclasses.replace(long_submission("a.md", 3), lease=("j1", "t1"))
    store.client.hset(keys.job("j1"), mapping={"state": "running", "token": "t1"})

    def withdraw_and_embed(texts: Sequence[str]) -> Vectors:
        store.client.hset(keys.job("j1"), "state", state)
        return embed_fast(texts)

    with pytest.raises(LeaseLostError):
        library.put(sent, withdraw_and_embed, "m")

    assert library.records() == {}
    assert elements(store.client) == 0


def test_storing_ends_between_two_steps_once_another_run_has_the_job(store: BlockingStore) -> None:
    sent = dataclasses.replace(long_submission("a.md", MAX_AT_ONCE + 5), lease=("j1", "t1"))
    store.client.hset(keys.job("j1"), mapping={"state": "running", "token": "t1"})

    class Interfering(DocumentStore):
        def _run(self, call: Call[T]) -> T:
            if any(record.passages for record in self.records().values()):
                store.client.hset(keys.job("j1"), "token", "t2")
            return super()._run(call)

    with pytest.raises(LeaseLostError):
        Interfering(store.client).put(sent, embed_fast, "m")

    (half,) = Interfering(store.client).records().values()
    assert (len(half.passages), half.digest) == (MAX_AT_ONCE, ""), "it counts as unfinished"


def test_a_document_that_is_removed_while_it_is_stored_comes_back_whole(
    store: BlockingStore,
) -> None:
    library = DocumentStore(store.client)
    sent = long_submission("a.md", MAX_AT_ONCE + 5)
    is_removed = False

    class Interfering(DocumentStore):
        def _run(self, call: Call[T]) -> T:
            nonlocal is_removed
            if not is_removed and any(record.passages for record in self.records().values()):
                is_removed = True
                store.run(knowledge.drop(list(self.records())))
            return super()._run(call)

    Interfering(store.client).put(sent, embed_fast, "m")

    (record,) = library.records().values()
    assert is_removed
    assert len(library.read(list(record.passages), record.place)) == MAX_AT_ONCE + 5


def test_of_documents_that_come_at_once_none_slips_past_the_quota(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=10, workspace=0))

    def put(number: int) -> bool:
        try:
            library.put(long_submission(f"{number}.md", 3), embed_fast, "m")
        except KnowledgeFullError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(8))) == 3


def test_removed_documents_make_room(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=10, workspace=10))
    library.put(long_submission("a.md", 10), embed_fast, "m")
    store.run(knowledge.drop(list(library.records())))

    library.put(long_submission("b.md", 10), embed_fast, "m")

    assert {str(place): amount.passages for place, amount in library.used().items()} == {
        "slack:T1:C1": 10
    }


def test_documents_of_the_version_before_count(store: BlockingStore) -> None:
    library = DocumentStore(store.client, KnowledgeQuota(channel=10, workspace=10))
    library.put(long_submission("a.md", 8), embed_fast, "m")
    counted = library.used()
    store.client.delete(keys.DOCUMENT_SIZES)  # as it was

    with pytest.raises(KnowledgeFullError):
        library.put(long_submission("b.md", 3), embed_fast, "m")

    assert library.used() == counted


def test_a_passage_whose_vector_is_gone_is_embedded_again(store: BlockingStore) -> None:
    """As when another process changes the document meanwhile."""
    library = DocumentStore(store.client)
    library.put(long_submission("a.md", 3), embed_fast, "m")
    (record,) = library.records().values()
    store.client.delete(keys.passage(record.passages[1]))

    library.put(long_submission("a.md", 3), embed_fast, "m")

    assert len(library.read(list(record.passages), record.place)) == 3


def test_what_places_hold_is_told_beside_what_they_may(store: BlockingStore) -> None:
    library = DocumentStore(store.client)
    for name, place in (("a.md", "slack:T1:C1"), ("b.md", "slack:T1:C2"), ("c.md", "slack:T1")):
        library.put(long_submission(name, 2, place), embed_fast, "m")

    assert sorted(usage_lines(library.used(), KnowledgeQuota(10, 0))) == [
        "slack:T1 holds 6 passages, 0.0 MB",
        "slack:T1:C1 holds 2 of 10 passages, 0.0 of 0 MB",
        "slack:T1:C2 holds 2 of 10 passages, 0.0 of 0 MB",
    ]


def test_vectors_of_two_models_are_not_mixed(desk: Desk, embedder: Embedding) -> None:
    desk.library.put(submission("Tea is at four."), embedder.embed, "another-model")

    with pytest.raises(NoKnowledgeError, match=r"another-model.*knowledge remove --all"):
        desk.library.put(submission("Coffee is at five."), embedder.embed, embedder.name)
    with pytest.raises(NoKnowledgeError, match="PARLEY_EMBEDDING_MODEL"):
        run(desk.quoting.ask, question("When is tea?", "C1"))


def test_emptied_library_takes_another_model(
    desk: Desk, store: BlockingStore, embedder: Embedding
) -> None:
    desk.library.put(submission("Tea is at four."), embedder.embed, "another-model")

    store.run(knowledge.drop(list(desk.library.records())))

    assert desk.library.put(submission("x y z."), embedder.embed, embedder.name).num_new == 1


class OldRedis(socketserver.StreamRequestHandler):
    """Knows no vector sets; says of each other command that it was done."""

    def handle(self) -> None:
        while header := self.rfile.readline():
            words = []
            for _ in range(int(header[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:size].upper())
            is_known = not words[0].startswith(b"V")
            answer = b"+OK" if is_known else b"-ERR unknown command '%b', with args" % words[0]
            self.wfile.write(answer + b"\r\n")


def test_redis_without_vector_sets_is_told_in_a_sentence() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldRedis) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            redis.Redis(port=server.server_address[1], protocol=2) as client,
            pytest.raises(NoKnowledgeError, match=r"no vector sets.*Redis 8"),
        ):
            DocumentStore(client).require_vectors()
        server.shutdown()


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (Learn("a.exe", "aGVsbG8="), "I cannot read a.exe"),
        (Learn("a.pdf", base64.b64encode(b"nonsense").decode()), "a.pdf is damaged"),
        (Learn("a.md", "not base64!"), "did not arrive whole"),
        (Learn("a.txt", base64.b64encode(bytes(100)).decode()), "not a text file"),
    ],
)
def test_document_that_cannot_be_learned_is_refused_in_a_sentence(
    desk: Desk, task: Learn, sentence: str
) -> None:
    job = make_job(Kind.LEARN, origin_in("C1"), "", task=task)

    with pytest.raises(UnreadableDocumentError, match=sentence):
        desk.learner.learn(held_for(job))


def test_note_without_a_file_is_learned_from_the_message(desk: Desk) -> None:
    note = make_job(Kind.LEARN, origin_in("C1"), HANDBOOK, task=Learn("a note by Ana", ""))

    assert run(desk.learner.learn, note).startswith("I have learned `a note by Ana`, ")
    assert "travel desk" in run(desk.quoting.ask, question("How do I book a train?", "C1"))


def test_chat_is_answered_from_documents_only_where_they_plainly_have_it(desk: Desk) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))
    chat = desk.quoting.chat(lambda _held: Outcome(Done("chatting")))

    def say(text: str, channel: str = "C1") -> str:
        return run(chat, make_job(Kind.CHAT, origin_in(channel), text))

    assert "travel desk" in say("How do I book trains through the travel desk?")
    assert say("Good morning, how are you?") == "chatting"
    assert say("Tell me something about trains in Japan.") == "chatting"
    assert say("How do I book trains through the travel desk?", "C2") == "chatting"


def test_model_that_writes_sees_only_the_found_passages_in_a_marked_block(desk: Desk) -> None:
    run(desk.learner.learn, lesson(HANDBOOK, "C1", "handbook.md"))

    answers = [run(desk.writing.ask, question("How do I book a train?", "C1")) for _ in range(2)]

    prompts = desk.prompts()
    assert all("Book trains through the travel desk" in prompt for prompt in prompts)
    marks = [prompt.partition("<<")[2].partition(">>")[0] for prompt in prompts]
    assert len(set(marks)) == 2, "nobody who writes a document can know it"
    assert all(len(mark) == 16 for mark in marks)
    # it names no passage, so all that it was given are listed
    assert all("I was given:\n[1] Handbook" in answer for answer in answers)
