"""Who may show an answer, and that what was posted is never posted twice: on a real Redis."""

from typing import Any

import pytest

from shared.jobs import Job
from shared.ledger import keys, presentation
from tests.integration.ledger_steps import (
    LIMITS,
    accept,
    claim,
    deliver,
    finish,
    message,
    show,
    state_of,
)
from worker.store import BlockingStore


@pytest.fixture
def running(store: BlockingStore) -> Job:
    job = message(1)
    accept(store, job)
    claim(store, job)
    return job


def test_show_gives_new_parts_once_and_then_their_messages(
    store: BlockingStore, running: Job
) -> None:
    assert show(store, running, "b1", 2) == ("go", "new", "new")
    store.run(presentation.note_posted(running, 0, "m0", LIMITS))
    store.run(presentation.note_posted(running, 1, "m1", LIMITS))

    assert show(store, running, "b1", 3) == ("go", "m0", "m1", "new")


def test_show_doubts_a_part_that_somebody_began_to_post(store: BlockingStore, running: Job) -> None:
    assert show(store, running, "b1") == ("go", "new")  # and the process dies
    store.run(presentation.free(running.id, "b1"))

    assert show(store, running, "b2", is_final=True) == ("go", "doubt")
    store.run(presentation.note_posted(running, 0, "found", LIMITS))
    assert show(store, running, "b2", is_final=True) == ("go", "found")


def test_show_has_no_doubt_about_a_refused_post(store: BlockingStore, running: Job) -> None:
    show(store, running, "b1")
    store.run(presentation.note_not_posted(running.id, 0))

    assert show(store, running, "b1") == ("go", "new")


def test_show_lets_one_process_at_a_time_call_the_platform(
    store: BlockingStore, running: Job
) -> None:
    show(store, running, "b1")

    assert show(store, running, "b2") == ("busy",)
    assert show(store, running, "b2", is_final=True) == ("busy",)
    assert show(store, running, "b1") == ("go", "doubt")


def test_show_leaves_partial_answers_to_the_one_who_shows_them(
    store: BlockingStore, running: Job
) -> None:
    show(store, running, "b1")
    store.run(presentation.free(running.id, "b1"))

    assert show(store, running, "b2") == ("theirs",)
    assert show(store, running, "b2", is_final=True)[0] == "go"
    store.run(presentation.free(running.id, "b2"))
    assert show(store, running, "b1") == ("theirs",)  # it has passed to the other one


def test_show_takes_over_from_a_process_that_is_silent(store: BlockingStore, running: Job) -> None:
    show(store, running, "b1")
    # as if the lifetimes had passed
    store.client.hset(keys.job(running.id), mapping={"lock_until": 0, "presenter_until": 0})

    assert show(store, running, "b2") == ("go", "doubt")
    assert not store.run(presentation.hold(running.id, "b1"))


def test_show_is_over_when_the_answer_is_there_but_for_the_answer(
    store: BlockingStore, running: Job
) -> None:
    finish(store, running)

    assert show(store, running, "b1") == ("over",)
    assert show(store, running, "b1", is_final=True) == ("go", "new")
    deliver(store, running)
    assert show(store, running, "b1") == ("over",)
    assert show(store, running, "b1", is_final=True) == ("over",)


def test_show_knows_no_unknown_job(store: BlockingStore) -> None:
    assert show(store, message(1), "b1") == ("unknown",)
    assert store.client.keys("*") == []


def test_hold_is_for_the_holder_alone(store: BlockingStore, running: Job) -> None:
    assert not store.run(presentation.hold(running.id, "b1"))
    show(store, running, "b1")
    store.client.hset(keys.job(running.id), "lock_until", 0)

    assert store.run(presentation.hold(running.id, "b1"))
    assert not store.run(presentation.hold(running.id, "b2"))
    assert show(store, running, "b2", is_final=True) == ("busy",)


def test_free_is_for_the_holder_alone(store: BlockingStore, running: Job) -> None:
    show(store, running, "b1")
    store.run(presentation.free(running.id, "b2"))
    assert show(store, running, "b2", is_final=True) == ("busy",)

    store.run(presentation.free(running.id, "b1"))
    assert show(store, running, "b2", is_final=True)[0] == "go"


def test_note_posted_makes_replies_to_the_message_follow_ups(
    store: BlockingStore, running: Job
) -> None:
    store.run(presentation.note_posted(running, 0, "m0", LIMITS))

    answer = keys.answer("slack", "T1", "C1", "m0")
    assert store.client.get(answer) == b"1.0"
    lifetime: Any = store.client.pttl(answer)
    assert 0 < lifetime <= LIMITS.retention_ms


def test_note_delivered_removes_the_entry_for_every_reader(
    store: BlockingStore, running: Job
) -> None:
    outbox = keys.outbox("slack")
    store.client.xgroup_create(outbox, keys.OUTBOX_GROUP, id="0", mkstream=True)
    finish(store, running)
    store.client.xreadgroup(keys.OUTBOX_GROUP, "b1", {outbox: ">"})

    deliver(store, running)

    pending: Any = store.client.xpending(outbox, keys.OUTBOX_GROUP)
    assert pending["pending"] == 0
    assert store.client.xlen(outbox) == 0
    assert state_of(store, running) == "delivered"


def test_note_delivered_of_a_job_that_is_gone_leaves_nothing_behind(store: BlockingStore) -> None:
    assert store.run(presentation.note_delivered("a" * 20, "slack", "1-0"))

    assert store.client.keys("*") == []


def test_delivered_jobs_expire_and_others_never_do(store: BlockingStore) -> None:
    jobs = {state: message(n, str(n)) for n, state in enumerate(["queued", "running", "done"])}
    jobs["delivered"] = message(9, "9")
    for state, job in jobs.items():
        accept(store, job)
        if state != "queued":
            claim(store, job)
        if state in {"done", "delivered"}:
            finish(store, job)
    deliver(store, jobs["delivered"])
    jobs["waiting"] = message(10, jobs["queued"].origin.thread)
    accept(store, jobs["waiting"])

    assert {state: state_of(store, job) for state, job in jobs.items()} == {s: s for s in jobs}
    lifetimes: dict[str, Any] = {s: store.client.pttl(keys.job(j.id)) for s, j in jobs.items()}
    assert 0 < lifetimes.pop("delivered") <= keys.DELIVERED_JOB_LIFETIME_MS
    assert set(lifetimes.values()) == {-1}
