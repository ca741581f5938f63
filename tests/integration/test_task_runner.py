"""The loop that runs jobs, on a real ledger."""

import base64
import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.cli.operator import open_operator_connection, status_lines
from shared.errors import SettingsError
from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import codec, keys, lifecycle
from shared.ledger import status as operating
from shared.ledger.lifecycle import Claimant, JobLimits, Ready
from shared.replies import Done, Failed
from shared.settings import read_settings
from shared.tasks import Learn
from tests.integration.ledger_steps import (
    DONE,
    REMEMBER,
    accept,
    claim,
    message,
    replies_of,
    state_of,
    sweep,
)
from tests.patience import PATIENCE_S
from tests.redis_servers import RedisServer
from worker.engine.encoders.protocol import Embedding
from worker.handler import Outcome
from worker.knowledge.reader_pool import ReaderPool
from worker.knowledge.search import Search
from worker.knowledge.store import DocumentStore
from worker.leases import HeldLease, LeaseKeeper
from worker.runner import TaskRunner
from worker.store import BlockingStore
from worker.tasks.learn import Learner

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1", act="learn")
LEASE_MS = 300
AWAY_S = 1.2


def test_a_job_is_kept_without_the_file_that_it_brought(store: BlockingStore) -> None:
    job = make_job(Kind.LEARN, ORIGIN, "", task=Learn("a.txt", "QUJD"))
    seen: list[Job] = []
    woken: list[Ready] = []

    def learn(held: HeldLease) -> Outcome:
        seen.append(held.lease.job)
        return Outcome(Done("learned"))

    accept(store, job)
    keeper = LeaseKeeper(store, lease_ms=60_000)
    claimant = Claimant("w1", "", 60_000, max_attempts=3)
    TaskRunner(store, {Kind.LEARN: learn}, keeper, claimant, woken.append, 600.0).run(job.id)

    kept: Any = store.client.hget(keys.job(job.id), "job")
    assert seen == [job], "the work has the file"
    assert codec.decode(kept, Job) == dataclasses.replace(job, task=Learn("a.txt", ""))


class Chat:
    """A handler that has its answer ready, and calls something before it says so."""

    def __init__(self, before: Callable[[HeldLease], None]) -> None:
        self._before = before
        self.num_runs = 0

    def __call__(self, held: HeldLease) -> Outcome:
        self.num_runs += 1
        self._before(held)
        return Outcome(Done("Forty-two."))


def runner_of(store: BlockingStore, chat: Chat, keeper: LeaseKeeper) -> TaskRunner:
    claimant = Claimant("w1", "", LEASE_MS, max_attempts=1)
    return TaskRunner(store, {Kind.CHAT: chat}, keeper, claimant, lambda _ready: None, 600.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def test_an_answer_waits_for_redis_for_longer_than_its_lease(server: RedisServer) -> None:
    job = message(1)
    is_written = threading.Event()
    with redis.Redis.from_url(server.url) as client:
        store = BlockingStore(client)
        accept(store, job)

        def kill(_held: HeldLease) -> None:
            server.kill()
            is_written.set()

        chat = Chat(kill)
        runner = runner_of(store, chat, LeaseKeeper(store, LEASE_MS))
        run = threading.Thread(target=runner.run, args=(job.id,), daemon=True)
        run.start()
        assert is_written.wait(PATIENCE_S)
        time.sleep(AWAY_S)
        server.start()  # by this thread: it would end with the one that started it
        sweep(store)
        run.join(PATIENCE_S)

        assert replies_of(store, job) == [Done("Forty-two.")]
        assert chat.num_runs == 1


def test_an_answer_waits_no_longer_than_its_deadline(server: RedisServer) -> None:
    job = message(1)
    with redis.Redis.from_url(server.url) as client:
        store = BlockingStore(client)
        accept(store, job, JobLimits(deadline_ms=700, retention_ms=60_000))
        started_s = time.monotonic()

        chat = Chat(lambda _held: server.kill())
        runner_of(store, chat, LeaseKeeper(store, LEASE_MS)).run(job.id)

        assert 0.7 <= time.monotonic() - started_s < AWAY_S + 5
        server.start()
        assert sweep(store) == []
        (reply,) = replies_of(store, job)
        assert isinstance(reply, Failed)
        assert reply.code == "deadline"


def test_an_answer_that_waits_holds_up_no_worker_that_is_to_end(server: RedisServer) -> None:
    job = message(1)
    with redis.Redis.from_url(server.url) as client:
        store = BlockingStore(client)
        accept(store, job)
        keeper = LeaseKeeper(store, LEASE_MS)
        leaving = threading.Timer(0.3, keeper.hand_back)

        def kill(_held: object) -> None:
            server.kill()
            leaving.start()

        runner_of(store, Chat(kill), keeper).run(job.id)

        leaving.join()
        server.start()
        assert state_of(store, job) == "running"


def test_a_job_of_another_version_is_not_blamed_and_waits_for_the_sweep(
    store: BlockingStore,
) -> None:
    job = message(1)
    woken: list[Ready] = []
    accept(store, job)
    document: Any = store.client.hget(keys.job(job.id), "job")
    store.client.hset(keys.job(job.id), "job", document.replace(b'"v":1', b'"v":99'))
    chat = Chat(lambda _held: None)
    claimant = Claimant("w1", "", LEASE_MS, max_attempts=1)
    keeper = LeaseKeeper(store, LEASE_MS)
    runner = TaskRunner(store, {Kind.CHAT: chat}, keeper, claimant, woken.append, 600.0)

    for _ in range(3):
        runner.run(job.id)

    assert (chat.num_runs, woken) == (0, [])
    assert state_of(store, job) == "queued"
    store.client.hset(keys.job(job.id), "job", document)
    runner.run(job.id)
    assert replies_of(store, job) == [Done("Forty-two.")]


def answering_runner(store: BlockingStore, woken: list[Ready]) -> TaskRunner:
    """A worker that answers every chat at once."""
    keeper = LeaseKeeper(store, lease_ms=60_000)
    claimant = Claimant("w1", "", 60_000, max_attempts=3)
    handlers = {Kind.CHAT: lambda _held: Outcome(DONE)}
    return TaskRunner(store, handlers, keeper, claimant, woken.append, 600.0)


def rewrite(store: BlockingStore, job: Job, **envelope: object) -> None:
    """Write a job's document as a newer process would."""
    document = {**json.loads(codec.encode(job)), **envelope}
    store.client.hset(keys.job(job.id), "job", json.dumps(document))


def test_row_40_a_job_of_a_newer_version_costs_no_attempt_and_waits(store: BlockingStore) -> None:
    job, woken = message(1), list[Ready]()
    accept(store, job)
    rewrite(store, job, v=2)
    runner = answering_runner(store, woken)

    for _ in range(5):  # more often than a job may be attempted
        runner.run(job.id)

    assert state_of(store, job) == "queued"
    assert store.client.hget(keys.job(job.id), "attempts") == b"0"
    assert store.run(operating.dead_letters(9)) == ()
    assert woken == [], "the sweep hands it on, not this worker at once"
    due: Any = store.client.zscore(keys.OPEN, job.id)
    assert due > store.client.time()[0] * 1000
    lines = status_lines(store.run(operating.status()))
    assert any(line.startswith("newer    1 job waits for a process of a newer") for line in lines)

    rewrite(store, job, v=1)  # as if the process that can read it were this one
    runner.run(job.id)
    assert state_of(store, job) == "done"


def test_row_40_a_conversation_with_a_newer_turn_waits_too(store: BlockingStore) -> None:
    first, second, woken = message(1), message(2), list[Ready]()
    accept(store, first)
    claim(store, first)
    store.run(lifecycle.finish(first.id, "t1", DONE, REMEMBER))
    transcript = keys.transcript(first.origin.conversation)
    turn = {"v": 2, "type": "turn", "body": {}}
    store.client.rpush(transcript, json.dumps(turn))
    accept(store, second)

    answering_runner(store, woken).run(second.id)

    assert state_of(store, second) == "queued"
    assert store.client.hget(keys.job(second.id), "attempts") == b"0"


def test_a_broken_job_is_blamed_and_given_up(store: BlockingStore) -> None:
    job, woken = message(1), list[Ready]()
    accept(store, job)
    rewrite(store, job, body={})
    runner = answering_runner(store, woken)

    for _ in range(4):
        runner.run(job.id)

    assert store.client.zscore(keys.DEAD, job.id) is not None
    assert store.run(operating.status()).num_unreadable == 0


def test_row_40_an_older_worker_keeps_what_a_newer_process_wrote_into_a_job(
    store: BlockingStore,
) -> None:
    job = make_job(Kind.LEARN, ORIGIN, "", task=Learn("a.txt", "QUJD"))
    accept(store, job)
    body = json.loads(codec.encode(job))["body"]
    body["origin"]["room"] = "7"
    rewrite(store, job, body={**body, "mood": "calm"})
    keeper = LeaseKeeper(store, lease_ms=60_000)
    claimant = Claimant("w1", "", 60_000, max_attempts=3)
    handlers = {Kind.LEARN: lambda _held: Outcome(Done("learned"))}

    TaskRunner(store, handlers, keeper, claimant, lambda _ready: None, 600.0).run(job.id)

    kept: Any = store.client.hget(keys.job(job.id), "job")
    written = json.loads(kept)["body"]
    assert written["task"]["content"] == "", "it was passed on without its file"
    assert (written["mood"], written["origin"]["room"]) == ("calm", "7")


def test_an_operators_command_says_that_a_newer_version_wrote_a_dead_letter(
    store: BlockingStore, quiet_redis: str
) -> None:
    job = message(1)
    accept(store, job)
    rewrite(store, job, v=2)
    store.client.zadd(keys.DEAD, {job.id: 1})
    settings = read_settings({"PARLEY_REDIS_URL": quiet_redis}, None)

    with (
        open_operator_connection(settings) as operator,
        pytest.raises(SettingsError, match="A newer Parley wrote what this command reads"),
    ):
        operator.find_letters(["all"])


def test_a_file_that_no_reader_survives_ends_its_job_at_once(store: BlockingStore) -> None:
    content = base64.b64encode(b"<div>" * 400 + b"deep").decode()
    job = make_job(Kind.LEARN, ORIGIN, "", task=Learn("report.html", content))
    accept(store, job)
    with contextlib.closing(ReaderPool()) as readers:
        learner = Learner(Search(DocumentStore(store.client), no_embedding), readers, 1)
        keeper = LeaseKeeper(store, lease_ms=60_000)
        claimant = Claimant("w1", "", 60_000, max_attempts=3)
        handlers = {Kind.LEARN: learner.learn}
        TaskRunner(store, handlers, keeper, claimant, lambda _ready: None, 600.0).run(job.id)

    (reply,) = replies_of(store, job)
    assert isinstance(reply, Failed)
    assert reply.sentence == "I could not read report.html: it is damaged, or too complicated."
    assert state_of(store, job) == "done"
    assert store.client.hget(keys.job(job.id), "attempts") == b"1"
    assert not store.client.exists(keys.DEAD)


def no_embedding() -> Embedding:
    raise AssertionError("Nothing of it is embedded.")
