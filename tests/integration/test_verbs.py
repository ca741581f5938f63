"""Answers stopped, written again, reworded and taken back: the ledger's steps, and a run's end."""

import dataclasses
import threading
from collections.abc import Iterator

import pytest

from shared.jobs import CHAT_QUEUE, Job, Kind, Turn
from shared.ledger import answer_actions, lifecycle
from shared.ledger.answer_actions import Did
from shared.ledger.lifecycle import Claimant, ConversationMemory, Ready
from shared.replies import Done, FinishReason, Snapshot
from tests.integration.ledger_steps import (
    DONE,
    LIMITS,
    SHORT_MS,
    accept,
    claim,
    deliver,
    finish,
    lease_of,
    message,
    replies_of,
    show,
    state_of,
    sweep_until_ready,
    wait_for,
)
from worker.handler import Outcome, RunEndedError
from worker.leases import Ending, HeldLease, LeaseKeeper, Listener
from worker.runner import TaskRunner
from worker.store import BlockingStore

STOPPED = Done("", FinishReason.CANCELLED)


def test_a_question_that_nobody_has_begun_is_stopped_at_once(store: BlockingStore) -> None:
    first, second = message(1), message(2)
    accept(store, first)
    accept(store, second)

    effect = store.run(answer_actions.stop(first.id))

    assert (effect.did, effect.ready) == (Did.STOPPED, Ready(second.id, Kind.CHAT, CHAT_QUEUE))
    assert replies_of(store, first) == [STOPPED]
    assert store.run(answer_actions.stop(first.id)).did is Did.OVER
    assert store.run(answer_actions.stop("no such job")).did is Did.UNKNOWN


def test_a_stopped_answer_whose_worker_died_ends_with_what_was_shown(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    lease_of(claim(store, job, "t1", SHORT_MS))
    store.run(lifecycle.publish_snapshot(job.id, "t1", Snapshot("So far")))

    assert store.run(answer_actions.stop(job.id)).did is Did.TOLD
    sweep_until_ready(store, job)

    assert claim(store, job, "t2").lease is None
    assert replies_of(store, job) == [Done("So far", FinishReason.CANCELLED)]


def test_an_answer_is_written_again_in_its_messages_and_remembered_once(
    store: BlockingStore,
) -> None:
    job, other = message(1), message(2)
    for each in (job, other):
        accept(store, each)
        claim(store, each)
        finish_remembered(store, each)
        show(store, each, "me", is_final=True)
        deliver(store, each)

    effect = store.run(
        answer_actions.again(dataclasses.replace(job, num_retries=1), LIMITS.deadline_ms)
    )
    lease = lease_of(claim(store, job, "t2"))

    assert effect.ready == Ready(job.id, Kind.CHAT, CHAT_QUEUE)
    assert lease.job.num_retries == 1
    assert lease.attempt == 1
    assert [turn.job for turn in lease.history] == [other.id, other.id]
    finish_remembered(store, job, "t2")
    assert replies_of(store, job) == [DONE]


def finish_remembered(store: BlockingStore, job: Job, token: str = "t1") -> None:
    turns = (Turn("user", job.text, job.id), Turn("assistant", "Yes.", job.id))
    memory = ConversationMemory(turns, max_turns=50, retention_ms=LIMITS.retention_ms)
    assert store.run(lifecycle.finish(job.id, token, DONE, memory)).counted


def test_an_ending_that_is_being_shown_is_not_written_again_yet(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)

    assert store.run(answer_actions.again(job, LIMITS.deadline_ms)).did is Did.BUSY


def test_a_question_that_is_reworded_while_it_runs_is_run_as_it_reads_now(
    store: BlockingStore,
) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "t1")
    store.run(lifecycle.publish_snapshot(job.id, "t1", Snapshot("Old")))

    effect = store.run(
        answer_actions.again(dataclasses.replace(job, text="new"), LIMITS.deadline_ms)
    )

    assert effect.ready == Ready(job.id, Kind.CHAT, CHAT_QUEUE)
    assert not finish(store, job, "t1").counted, "the older run has lost its lease"
    lease = lease_of(claim(store, job, "t2"))
    assert (lease.job.text, lease.shown) == ("new", "")


def test_a_question_that_waits_is_reworded_where_it_stands(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)

    effect = store.run(
        answer_actions.again(dataclasses.replace(job, text="new"), LIMITS.deadline_ms)
    )

    assert (effect.did, effect.ready) == (Did.AGAIN, None), "it is in Celery's hands already"
    assert lease_of(claim(store, job)).job.text == "new"


def test_the_answer_of_a_deleted_question_goes_with_what_is_remembered_of_it(
    store: BlockingStore,
) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish_remembered(store, job)
    show(store, job, "me", is_final=True)
    store.client.hset(f"parley:job:{job.id}", "part:0", "7.7")
    deliver(store, job)

    effect = store.run(answer_actions.withdraw(job.id))
    accept(store, message(2))

    assert (effect.did, effect.posted) == (Did.WITHDRAWN, ("7.7",))
    assert state_of(store, job) == "withdrawn"
    assert lease_of(claim(store, message(2))).history == ()
    assert store.run(answer_actions.again(job, LIMITS.deadline_ms)).did is Did.OVER


@pytest.fixture
def keeper(store: BlockingStore) -> Iterator[LeaseKeeper]:
    """Hears of what happens to its jobs, as a worker's does; its renewals never come by time."""
    keeper = LeaseKeeper(store, lease_ms=600_000)
    listener = Listener(store, keeper)
    is_over = threading.Event()

    def listen() -> None:
        while not is_over.is_set():
            listener.listen()
        listener.close()

    thread = threading.Thread(target=listen)
    thread.start()
    wait_for(lambda: store.client.pubsub_numsub("parley:look")[0][1] == 1)
    yield keeper
    is_over.set()
    thread.join()


def test_a_run_ends_at_once_when_its_answer_is_stopped(
    store: BlockingStore, keeper: LeaseKeeper
) -> None:
    job = message(1)
    accept(store, job)
    is_running, must_end = threading.Event(), threading.Event()
    endings: list[Ending | None] = []

    def write(held: HeldLease) -> Outcome:
        held.when_over(must_end.set)
        is_running.set()
        assert must_end.wait(10), "nobody told the run"
        endings.append(held.ending)
        raise RunEndedError("Half a")

    claimant = Claimant("w1", "", 600_000, max_attempts=3)
    runner = TaskRunner(store, {Kind.CHAT: write}, keeper, claimant, lambda _: None, 600.0)
    thread = threading.Thread(target=runner.run, args=(job.id,))
    thread.start()
    assert is_running.wait(10)
    store.run(answer_actions.stop(job.id))
    thread.join(10)

    assert endings == [Ending.CANCELLED]
    assert replies_of(store, job) == [Done("Half a", FinishReason.CANCELLED)]
