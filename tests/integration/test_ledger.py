"""The ledger's promises on a real Redis: once, in order, by the holder of the lease alone."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from shared.jobs import CHAT_QUEUE, Job, Kind, Origin, Platform, Turn, make_job
from shared.ledger import codec, keys, lifecycle
from shared.ledger.lifecycle import Claimed, ConversationMemory, Hold, JobLimits, Lease, Ready
from shared.replies import Failed, Snapshot
from shared.tasks import Learn
from tests.integration.ledger_steps import (
    DONE,
    LIMITS,
    LONG_MS,
    MAX_ATTEMPTS,
    NO_TIME,
    REFUSAL,
    REMEMBER,
    SHORT_MS,
    accept,
    claim,
    deliver,
    everything_in,
    finish,
    lease_of,
    message,
    outbox_of,
    replies_of,
    state_of,
    sweep,
    sweep_until_ready,
    wait_for,
)
from tests.patience import PATIENCE_S
from worker.store import BlockingStore

# --- accept ---------------------------------------------------------------------------------------


def test_accept_records_a_job_and_says_that_it_may_run(store: BlockingStore) -> None:
    job = message(1)

    accepted = store.run(lifecycle.accept(job, LIMITS))

    assert accepted == lifecycle.Accepted(is_new=True, ready=Ready(job.id, Kind.CHAT, CHAT_QUEUE))
    assert state_of(store, job) == "queued"
    assert store.client.zscore(keys.OPEN, job.id) is not None
    assert store.client.exists(keys.presence(job.origin.conversation)) == 1


@pytest.mark.parametrize("refusal", [None, REFUSAL])
@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_accept_of_a_known_message_changes_nothing(
    store: BlockingStore, state: str, refusal: Failed | None
) -> None:
    job = message(1)
    accept(store, job)
    if state != "queued":
        claim(store, job)
    if state == "done":
        finish(store, job)
    before = everything_in(store)

    accepted = store.run(lifecycle.accept(job, LIMITS, refusal=refusal))

    assert accepted == lifecycle.Accepted(is_new=False, ready=None)
    assert everything_in(store) == before


def test_accept_of_a_delivered_message_is_a_duplicate(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)
    deliver(store, job)

    assert not store.run(lifecycle.accept(job, LIMITS)).is_new
    assert outbox_of(store) == []


def test_accept_with_a_refusal_answers_at_once(store: BlockingStore) -> None:
    job = message(1)

    accepted = store.run(lifecycle.accept(job, LIMITS, refusal=REFUSAL))

    assert accepted == lifecycle.Accepted(is_new=True, ready=None)
    assert replies_of(store, job) == [REFUSAL]
    assert store.client.zcard(keys.OPEN) == 0
    assert claim(store, job).reason == "done"


def test_accept_with_a_refusal_does_not_block_the_conversation(store: BlockingStore) -> None:
    store.run(lifecycle.accept(message(1), LIMITS, refusal=REFUSAL))
    job = message(2)

    assert accept(store, job) == Ready(job.id, Kind.CHAT, CHAT_QUEUE)


def test_accept_with_a_refusal_leaves_the_running_job_its_lease(store: BlockingStore) -> None:
    running, refused = message(1), message(2)
    accept(store, running)
    claim(store, running)

    store.run(lifecycle.accept(refused, LIMITS, refusal=REFUSAL))

    assert state_of(store, running) == "running"
    assert store.run(lifecycle.renew(running.id, "t1", LONG_MS)) is Hold.HELD
    assert finish(store, running).counted


def test_accept_with_a_refusal_leaves_the_order_of_those_who_wait(store: BlockingStore) -> None:
    first, second, refused = message(1), message(2), message(3)
    accept(store, first)
    accept(store, second)

    assert store.run(lifecycle.accept(refused, LIMITS, refusal=REFUSAL)).ready is None

    claim(store, first)
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT, CHAT_QUEUE)


# --- order ----------------------------------------------------------------------------------------


def test_jobs_of_a_conversation_run_one_after_the_other(store: BlockingStore) -> None:
    first, second, third = message(1), message(2), message(3)

    assert [accept(store, job) for job in (first, second, third)] == [
        Ready(first.id, Kind.CHAT, CHAT_QUEUE),
        None,
        None,
    ]
    assert claim(store, second).reason == "waiting"

    claim(store, first)
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT, CHAT_QUEUE)
    assert claim(store, third).reason == "waiting"
    lease_of(claim(store, second))
    assert finish(store, second).ready == Ready(third.id, Kind.CHAT, CHAT_QUEUE)
    lease_of(claim(store, third))
    assert finish(store, third) == lifecycle.Finished(counted=True, ready=None)


def test_jobs_of_different_conversations_run_side_by_side(store: BlockingStore) -> None:
    jobs = [message(1, "1.0"), message(2, "2.0"), message(3, "")]

    assert [accept(store, job) for job in jobs] == [
        Ready(job.id, Kind.CHAT, CHAT_QUEUE) for job in jobs
    ]
    for job in jobs:
        lease_of(claim(store, job))


def test_a_finished_conversation_leaves_no_mailbox(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)

    assert store.client.exists(keys.mailbox(job.origin.conversation)) == 0
    assert store.client.exists(keys.snapshot(job.id)) == 0


# --- leases ---------------------------------------------------------------------------------------


def test_claim_gives_all_that_a_run_needs(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)

    assert lease_of(claim(store, job)) == Lease(
        job, "t1", attempt=1, is_alone=False, shown="", history=()
    )


def test_claim_of_a_running_job_is_refused(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)

    assert claim(store, job, "t2") == Claimed(lease=None, reason="taken", ready=None)


def test_claim_of_an_unknown_job_is_refused(store: BlockingStore) -> None:
    assert claim(store, message(1)) == Claimed(lease=None, reason="unknown", ready=None)


def test_an_older_token_can_change_nothing(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "old", lease_ms=1)
    sweep_until_ready(store, job)
    lease_of(claim(store, job, "new"))
    store.run(lifecycle.publish_snapshot(job.id, "new", Snapshot("new text")))
    before = everything_in(store)

    assert store.run(lifecycle.renew(job.id, "old", LONG_MS)) is Hold.LOST
    assert not store.run(lifecycle.publish_snapshot(job.id, "old", Snapshot("old text")))
    assert finish(store, job, "old") == lifecycle.Finished(counted=False, ready=None)
    assert store.run(lifecycle.release(job.id, "old", is_blamed=True)) is None
    assert store.run(lifecycle.release(job.id, "old", is_blamed=False)) is None

    assert everything_in(store) == before
    assert finish(store, job, "new").counted
    assert len(replies_of(store, job)) == 1


def test_a_job_that_was_swept_goes_back_to_the_run_that_is_still_there(
    store: BlockingStore,
) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "old", lease_ms=1)
    sweep_until_ready(store, job)

    assert store.run(lifecycle.renew(job.id, "old", LONG_MS)) is Hold.HELD

    assert claim(store, job, "new").reason == "taken"
    assert store.client.zcard(keys.QUEUE) == 0
    assert store.run(lifecycle.publish_snapshot(job.id, "old", Snapshot("On it goes")))
    assert finish(store, job, "old").counted


def test_an_answer_that_was_finished_while_its_job_was_swept_counts(store: BlockingStore) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    accept(store, following)
    claim(store, job, "old", lease_ms=1)
    sweep_until_ready(store, job)

    assert finish(store, job, "old").ready == Ready(following.id, Kind.CHAT, CHAT_QUEUE)

    assert claim(store, job, "new").reason == "done"
    assert len(replies_of(store, job)) == 1
    assert not finish(store, job, "older").counted


def test_a_job_that_was_handed_back_does_not_go_back(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "old")
    store.run(lifecycle.release(job.id, "old", is_blamed=False))

    assert store.run(lifecycle.renew(job.id, "old", LONG_MS)) is Hold.LOST
    assert not finish(store, job, "old").counted


def test_a_lease_that_ran_out_but_was_not_taken_over_still_counts(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, lease_ms=1)

    assert finish(store, job).counted


def test_a_renewed_lease_holds(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, lease_ms=SHORT_MS)
    renewed = store.run(lifecycle.renew(job.id, "t1", LONG_MS))
    accept(store, message(2, "2.0"))
    claim(store, message(2, "2.0"), lease_ms=SHORT_MS)

    sweep_until_ready(store, message(2, "2.0"))  # by then the first lease would be over too

    assert renewed is Hold.HELD
    assert state_of(store, job) == "running"
    assert claim(store, job, "t2").reason == "taken"


def take_over(store: BlockingStore, job: Job, token: str) -> Lease:
    """Claim a job as soon as its lease has run out."""
    leases: list[Lease] = []

    def has_claimed() -> bool:
        lease = claim(store, job, token).lease
        leases.extend([lease] if lease else [])
        return bool(leases)

    wait_for(has_claimed)
    return leases[0]


def sweep_and_take_over(store: BlockingStore, job: Job, token: str) -> Lease:
    sweep_until_ready(store, job)
    return lease_of(claim(store, job, token))


@pytest.mark.parametrize("taking_over", [take_over, sweep_and_take_over])
def test_a_job_whose_worker_died_goes_on_where_it_was(
    store: BlockingStore, taking_over: Callable[[BlockingStore, Job, str], Lease]
) -> None:
    first, second = message(1), message(2)
    accept(store, first)
    accept(store, second)
    claim(store, first)
    finish(store, first)
    claim(store, second, "t1", lease_ms=SHORT_MS)
    store.run(lifecycle.publish_snapshot(second.id, "t1", Snapshot("Half of it")))

    lease = taking_over(store, second, "t2")

    assert lease == Lease(
        second, "t2", 2, is_alone=False, shown="Half of it", history=REMEMBER.turns
    )


def test_a_snapshot_nudges_those_who_show_it(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    with store.client.pubsub() as listener:  # type: ignore[no-untyped-call]  # redis-py
        listener.subscribe(keys.nudge("slack"))
        assert listener.get_message(timeout=PATIENCE_S) is not None  # subscribed

        assert store.run(lifecycle.publish_snapshot(job.id, "t1", Snapshot("So far")))

        heard: Any = listener.get_message(timeout=PATIENCE_S)
    assert heard["data"] == job.id.encode()


def test_a_job_that_used_up_its_attempts_fails_and_lets_the_next_one_run(
    store: BlockingStore,
) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    accept(store, following)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert lease_of(claim(store, job, f"t{attempt}")).attempt == attempt
        assert store.run(lifecycle.release(job.id, f"t{attempt}", is_blamed=True)) is not None

    claimed = claim(store, job, "t4")

    assert claimed == Claimed(
        lease=None, reason="closed", ready=Ready(following.id, Kind.CHAT, CHAT_QUEUE)
    )
    (reply,) = replies_of(store, job)
    assert isinstance(reply, Failed)
    assert reply.code == "exhausted"
    assert f"ref {job.id[:8]}" in reply.sentence
    lease_of(claim(store, following))


def test_a_release_without_blame_gives_the_attempt_back(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)

    for _ in range(MAX_ATTEMPTS + 2):
        assert lease_of(claim(store, job)).attempt == 1
        released = store.run(lifecycle.release(job.id, "t1", is_blamed=False))
        assert released == Ready(job.id, Kind.CHAT, CHAT_QUEUE)
        assert state_of(store, job) == "queued"


def test_a_released_job_keeps_what_was_shown(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    store.run(lifecycle.publish_snapshot(job.id, "t1", Snapshot("Half")))
    store.run(lifecycle.release(job.id, "t1", is_blamed=True))

    assert lease_of(claim(store, job, "t2")).shown == "Half"


# --- deadlines ------------------------------------------------------------------------------------


def test_a_claim_after_the_deadline_fails_the_job(store: BlockingStore) -> None:
    job, following = message(1), message(2)
    accept(store, job, NO_TIME)
    accept(store, following)

    claimed = claim(store, job)

    assert claimed == Claimed(
        lease=None, reason="closed", ready=Ready(following.id, Kind.CHAT, CHAT_QUEUE)
    )
    assert replies_of(store, job) == [lifecycle.EXPIRED]


def test_a_renewal_after_the_deadline_says_so_and_the_holder_may_finish(
    store: BlockingStore,
) -> None:
    job = message(1)
    accept(store, job, JobLimits(deadline_ms=SHORT_MS, retention_ms=1000))
    claim(store, job)

    wait_for(lambda: store.run(lifecycle.renew(job.id, "t1", LONG_MS)) is Hold.EXPIRED)

    late = Failed("deadline", "Too late.", "Half")
    assert finish(store, job, reply=late).counted
    assert replies_of(store, job) == [late]


def test_the_sweep_fails_a_job_whose_worker_died_and_whose_time_is_over(
    store: BlockingStore,
) -> None:
    job, following = message(1), message(2)
    accept(store, job, JobLimits(deadline_ms=SHORT_MS, retention_ms=1000))
    accept(store, following)
    claim(store, job, lease_ms=2 * SHORT_MS)

    sweep_until_ready(store, following)

    assert replies_of(store, job) == [lifecycle.EXPIRED]
    assert not finish(store, job).counted
    assert len(replies_of(store, job)) == 1


def test_the_sweep_fails_a_waiting_job_and_leaves_the_running_one_its_lease(
    store: BlockingStore,
) -> None:
    running, waiting = message(1), message(2)
    accept(store, running)
    claim(store, running)
    accept(store, waiting, NO_TIME)

    wait_for(lambda: not sweep(store) and bool(replies_of(store, waiting)))

    assert replies_of(store, waiting) == [lifecycle.EXPIRED]
    assert store.run(lifecycle.renew(running.id, "t1", LONG_MS)) is Hold.HELD
    assert finish(store, running).counted


# --- sweep ----------------------------------------------------------------------------------------


def look_now(store: BlockingStore, *jobs: Job) -> None:
    """Let the sweep look at jobs as if the time for it had come."""
    for job in jobs:
        store.client.zadd(keys.OPEN, {job.id: 0})


def test_the_sweep_publishes_a_job_that_was_lost_on_its_way(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    assert sweep(store) == []  # it was published just now
    look_now(store, job)

    assert sweep(store) == [job.id]
    assert sweep(store) == []


def test_the_sweep_waits_while_the_queue_is_not_empty(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    store.client.rpush("chat", "somebody else's message")
    look_now(store, job)

    assert sweep(store) == []
    store.client.hset(keys.job(job.id), "queued_at", 0)  # but not for ever
    look_now(store, job)
    assert sweep(store) == [job.id]


def test_the_sweep_leaves_waiting_jobs_waiting(store: BlockingStore) -> None:
    first, second = message(1), message(2)
    accept(store, first)
    accept(store, second)
    claim(store, first)
    look_now(store, second)

    assert sweep(store) == []
    assert state_of(store, second) == "waiting"
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT, CHAT_QUEUE)


def test_the_sweep_looks_at_no_more_jobs_than_it_is_told_and_forgets_none(
    store: BlockingStore,
) -> None:
    jobs = [message(number, str(number)) for number in range(5)]
    for job in jobs:
        accept(store, job)
    look_now(store, *jobs)

    found = [[ready.id for ready in store.run(lifecycle.sweep(2))] for _ in range(4)]

    assert [len(ids) for ids in found] == [2, 2, 1, 0]
    assert {job_id for ids in found for job_id in ids} == {job.id for job in jobs}


def test_the_sweep_forgets_jobs_that_are_gone(store: BlockingStore) -> None:
    store.client.zadd(keys.OPEN, {"a" * 20: 0})

    assert sweep(store) == []
    assert store.client.zcard(keys.OPEN) == 0


# --- transcript -----------------------------------------------------------------------------------


def converse(store: BlockingStore, number: int, memory: ConversationMemory) -> tuple[Turn, ...]:
    """Run one message to its end; returns the history it was given."""
    job = message(number)
    accept(store, job)
    lease = lease_of(claim(store, job))
    assert store.run(lifecycle.finish(job.id, "t1", DONE, memory)).counted
    return lease.history


def turns(number: int) -> tuple[Turn, Turn]:
    return Turn("user", f"q{number}"), Turn("assistant", f"a{number}")


def test_the_transcript_is_given_in_order_and_capped(store: BlockingStore) -> None:
    seen = [
        converse(
            store, number, ConversationMemory(turns(number), max_turns=4, retention_ms=LONG_MS)
        )
        for number in range(4)
    ]

    assert seen == [
        (),
        turns(0),
        (*turns(0), *turns(1)),
        (*turns(1), *turns(2)),
    ]


def test_the_transcript_of_another_conversation_is_never_given(store: BlockingStore) -> None:
    converse(store, 1, REMEMBER)
    other = message(2, "2.0")
    accept(store, other)

    assert lease_of(claim(store, other)).history == ()


def test_forgetting_clears_the_transcript(store: BlockingStore) -> None:
    converse(store, 1, REMEMBER)

    assert converse(store, 2, ConversationMemory(forget=True)) == REMEMBER.turns
    assert converse(store, 3, REMEMBER) == ()


def test_an_ending_that_remembers_nothing_forgets_nothing(store: BlockingStore) -> None:
    """A refused or failed message is no reason to lose the conversation before it."""
    converse(store, 1, REMEMBER)
    converse(store, 2, ConversationMemory())

    assert converse(store, 3, REMEMBER) == REMEMBER.turns


def test_the_transcript_is_kept_as_long_as_it_is_told(store: BlockingStore) -> None:
    converse(store, 1, ConversationMemory(turns(1), max_turns=4, retention_ms=LONG_MS))
    transcript = keys.transcript(message(1).origin.conversation)
    lifetime: Any = store.client.pttl(transcript)
    assert LONG_MS / 2 < lifetime <= LONG_MS

    converse(store, 2, ConversationMemory(turns(2), max_turns=4, retention_ms=1))

    wait_for(lambda: not store.client.exists(transcript))


def test_a_file_that_was_learned_from_is_not_kept_with_its_job(store: BlockingStore) -> None:
    origin = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1", act="learn")
    job = make_job(Kind.LEARN, origin, "", task=Learn("a.txt", "QUJD"))
    light = dataclasses.replace(job, task=Learn("a.txt", ""))
    accept(store, job)
    lease = lease_of(claim(store, job))

    assert store.run(
        lifecycle.finish(job.id, lease.token, DONE, ConversationMemory(job=light))
    ).counted

    document: Any = store.client.hget(keys.job(job.id), "job")
    assert codec.decode(document, Job) == light
