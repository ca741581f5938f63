"""What workers say of themselves, what waits, dead letters and withdrawn questions."""

import pytest

from shared.jobs import CHAT_QUEUE, Job, Kind, QueuePosition
from shared.ledger import answer_actions, codec, keys, lifecycle, presentation
from shared.ledger import status as operating
from shared.ledger.answer_actions import Did, Effect
from shared.ledger.lifecycle import Ready
from shared.ledger.status import WorkerReport, WorkerState
from shared.replies import Failed, Snapshot
from tests.integration.ledger_steps import (
    LIMITS,
    LONG_MS,
    MAX_ATTEMPTS,
    NO_TIME,
    accept,
    claim,
    deliver,
    finish,
    lease_of,
    message,
    replies_of,
    show,
    state_of,
    sweep,
    sweep_until_ready,
    wait_for,
)
from worker.store import BlockingStore

READY = WorkerReport("w1", WorkerState.READY, "tiny", slots=2, running=1)


def kill(store: BlockingStore, job: Job) -> None:
    """Let every attempt of a job fail and its last sentence be shown."""
    for attempt in range(MAX_ATTEMPTS):
        lease_of(claim(store, job, f"k{attempt}"))
        store.run(lifecycle.release(job.id, f"k{attempt}", is_blamed=True))
    assert claim(store, job, "k-last").reason == "closed"
    deliver(store, job)


# --- signs of life --------------------------------------------------------------------------------


def test_a_worker_is_listed_until_it_says_goodbye(store: BlockingStore) -> None:
    store.run(operating.sign_of_life(READY))
    assert store.run(operating.status()).workers == (READY,)

    store.run(operating.farewell("w1"))

    assert store.run(operating.status()).workers == ()


def test_a_silent_worker_is_forgotten(store: BlockingStore) -> None:
    store.run(operating.sign_of_life(READY))
    store.client.pexpire(keys.worker("w1"), 1)

    wait_for(lambda: store.run(operating.status()).workers == ())


def test_status_counts_what_waits_and_what_runs(store: BlockingStore) -> None:
    jobs = [message(n, str(n)) for n in range(3)]
    for job in jobs:
        accept(store, job)
    claim(store, jobs[0])

    status = store.run(operating.status())

    assert (status.num_queued, status.num_running, status.num_dead) == (2, 1, 0)
    assert status.oldest_wait_ms >= 0


# --- places in the queue --------------------------------------------------------------------------


def test_place_counts_those_ahead_in_the_order_of_their_coming(store: BlockingStore) -> None:
    jobs = [message(n, str(n)) for n in range(3)]
    for job in jobs:
        accept(store, job)

    places = [store.run(operating.queue_position(job.id)) for job in jobs]

    assert places == [QueuePosition("queued", n, None, num_ready=0, num_alive=0) for n in range(3)]


def test_a_job_that_was_given_back_keeps_its_place(store: BlockingStore) -> None:
    first, second = message(1, "1"), message(2, "2")
    accept(store, first)
    accept(store, second)
    claim(store, first)
    store.run(lifecycle.release(first.id, "t1", is_blamed=False))

    place = store.run(operating.queue_position(second.id))

    assert place is not None
    assert place.num_ahead == 1


def test_the_wait_is_reckoned_from_what_was_measured(store: BlockingStore) -> None:
    store.run(operating.sign_of_life(READY))
    store.client.set(keys.SERVICE, "10000")
    jobs = [message(n, str(n)) for n in range(4)]
    for job in jobs:
        accept(store, job)

    place = store.run(operating.queue_position(jobs[3].id))

    # three ahead and itself, two at a time, 10 s each: 4 * 10 / 2
    assert place == QueuePosition("queued", 3, 20_000, num_ready=1, num_alive=1)


def test_a_loading_worker_is_alive_and_answers_nobody(store: BlockingStore) -> None:
    loading = WorkerReport("w1", WorkerState.LOADING, "tiny", slots=2, running=0)
    store.run(operating.sign_of_life(loading))
    accept(store, message(1))

    place = store.run(operating.queue_position(message(1).id))

    assert place == QueuePosition("queued", 0, None, num_ready=0, num_alive=1)


def test_service_time_follows_the_jobs(store: BlockingStore) -> None:
    store.client.set(keys.SERVICE, "1000000")
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)

    # 1,000 s before, about nothing now: a fifth of the way
    assert 799_000 < float(store.client.get(keys.SERVICE) or 0) < 801_000


def test_nobody_knows_the_place_of_an_unknown_job(store: BlockingStore) -> None:
    assert store.run(operating.queue_position("a" * 20)) is None


# --- a job that Celery lost -----------------------------------------------------------------------


def test_the_sweep_sends_a_job_again_that_later_ones_have_overtaken(store: BlockingStore) -> None:
    lost, later = message(1, "1"), message(2, "2")
    for job in (lost, later):
        accept(store, job)
    store.client.rpush("chat", "somebody else's id")  # the queue is not empty
    store.client.hincrby(keys.job(lost.id), "queued_at", -keys.OVERTAKEN_BY_MS - 1)
    store.client.zadd(keys.OPEN, {lost.id: 0})
    assert sweep(store) == []

    claim(store, later)
    store.client.zadd(keys.OPEN, {lost.id: 0})

    assert sweep(store) == [lost.id]


# --- the last attempt -----------------------------------------------------------------------------


def test_the_last_attempt_runs_alone_and_counts_once_it_is_alone(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    for attempt in (1, 2):
        lease = lease_of(claim(store, job, f"t{attempt}"))
        assert (lease.attempt, lease.is_alone) == (attempt, False)
        store.run(lifecycle.release(job.id, f"t{attempt}", is_blamed=True))
    call = lifecycle.claim(job.id, lifecycle.Claimant("w1", "t3", 1, MAX_ATTEMPTS))
    assert lease_of(store.run(call)).is_alone
    sweep_until_ready(store, job)  # it died while it waited to be alone

    again = lifecycle.claim(job.id, lifecycle.Claimant("w1", "t4", LONG_MS, MAX_ATTEMPTS))
    lease = lease_of(store.run(again))

    assert (lease.attempt, lease.is_alone) == (3, True)
    assert store.run(lifecycle.begin(job.id, "t4"))
    assert not store.run(lifecycle.begin(job.id, "t3"))
    store.run(lifecycle.release(job.id, "t4", is_blamed=True))
    assert claim(store, job, "t5").reason == "closed"


def test_a_single_attempt_needs_no_solitude(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)

    lease = lease_of(store.run(lifecycle.claim(job.id, lifecycle.Claimant("w1", "t1", LONG_MS, 1))))

    assert not lease.is_alone
    store.run(lifecycle.release(job.id, "t1", is_blamed=True))
    again = lifecycle.claim(job.id, lifecycle.Claimant("w1", "t2", LONG_MS, 1))
    assert store.run(again).reason == "closed"


def test_handing_back_before_the_last_attempt_began_takes_none_away(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    for attempt in (1, 2):
        claim(store, job, f"t{attempt}")
        store.run(lifecycle.release(job.id, f"t{attempt}", is_blamed=True))
    store.run(lifecycle.claim(job.id, lifecycle.Claimant("w1", "t3", LONG_MS, MAX_ATTEMPTS)))

    store.run(lifecycle.release(job.id, "t3", is_blamed=False))

    assert store.client.hget(keys.job(job.id), "attempts") == b"2"


# --- dead letters ---------------------------------------------------------------------------------


def test_a_dead_letter_is_kept_with_its_job_and_its_sentence_has_what_was_shown(
    store: BlockingStore,
) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "t0")
    store.run(lifecycle.publish_snapshot(job.id, "t0", Snapshot('Half a "line" / ü')))
    store.run(lifecycle.release(job.id, "t0", is_blamed=False))

    kill(store, job)

    (letter,) = store.run(operating.dead_letters(10))
    assert (letter.job, letter.attempts) == (job, MAX_ATTEMPTS)
    assert store.run(operating.status()).num_dead == 1
    lifetime = store.client.pttl(keys.job(job.id))
    assert isinstance(lifetime, int)
    assert lifetime > keys.DELIVERED_JOB_LIFETIME_MS


def test_a_job_that_fails_repeats_the_text_that_was_shown(store: BlockingStore) -> None:
    job = message(1)
    store.run(lifecycle.accept(job, NO_TIME))
    store.client.set(keys.snapshot(job.id), codec.encode(Snapshot('Half a "line" / ü')))

    claim(store, job)

    (reply,) = replies_of(store, job)
    assert isinstance(reply, Failed)
    assert (reply.code, reply.text) == ("deadline", 'Half a "line" / ü')


def test_a_requeued_letter_runs_again_in_the_message_that_it_has(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    show(store, job, "b1")
    store.run(presentation.note_posted(job, 0, "m0", LIMITS))
    store.run(presentation.free(job.id, "b1"))
    kill(store, job)

    requeued = store.run(operating.requeue(job.id, LIMITS.deadline_ms))

    assert requeued == operating.Requeued("requeued", Ready(job.id, Kind.CHAT, CHAT_QUEUE))
    assert store.client.pttl(keys.job(job.id)) == -1
    assert lease_of(claim(store, job, "again")).attempt == 1
    finish(store, job, "again")
    assert show(store, job, "b1", is_final=True) == ("go", "m0")
    assert store.run(operating.dead_letters(10)) == ()


def test_a_requeued_letter_waits_for_its_conversation(store: BlockingStore) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    kill(store, job)
    accept(store, following)

    assert store.run(operating.requeue(job.id, LIMITS.deadline_ms)).ready is None

    claim(store, following)
    assert finish(store, following).ready == Ready(job.id, Kind.CHAT, CHAT_QUEUE)


@pytest.mark.parametrize("job_id", ["a" * 20, message(1).id])
def test_what_is_no_dead_letter_is_neither_requeued_nor_dropped(
    store: BlockingStore, job_id: str
) -> None:
    accept(store, message(1))

    assert store.run(operating.requeue(job_id, LONG_MS)).outcome == "unknown"
    assert not store.run(operating.drop(job_id))


def test_a_letter_is_requeued_only_after_its_sentence_was_shown(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    for attempt in range(MAX_ATTEMPTS):
        claim(store, job, f"k{attempt}")
        store.run(lifecycle.release(job.id, f"k{attempt}", is_blamed=True))
    claim(store, job, "k-last")

    assert store.run(operating.requeue(job.id, LONG_MS)).outcome == "undelivered"


def test_a_dropped_letter_is_forgotten_like_any_other_job(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    kill(store, job)

    assert store.run(operating.drop(job.id))

    assert store.run(operating.dead_letters(10)) == ()
    lifetime = store.client.pttl(keys.job(job.id))
    assert isinstance(lifetime, int)
    assert 0 < lifetime <= keys.DELIVERED_JOB_LIFETIME_MS


# --- withdrawn questions --------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["waiting", "queued", "running", "done"])
def test_a_withdrawn_question_is_answered_no_more(store: BlockingStore, state: str) -> None:
    before, job, following = message(0), message(1), message(2)
    if state == "waiting":
        accept(store, before)
    accept(store, job)
    if state in {"running", "done"}:
        claim(store, job)
        store.run(presentation.note_posted(job, 0, "m0", LIMITS))
    if state == "done":
        finish(store, job)
    accept(store, following)

    withdrawn = store.run(answer_actions.withdraw(job.id))

    assert withdrawn.did is Did.WITHDRAWN
    assert withdrawn.posted == (("m0",) if state in {"running", "done"} else ())
    assert (withdrawn.ready is not None) == (state in {"queued", "running"})
    assert state_of(store, job) == "withdrawn"
    assert claim(store, job, "late").reason == "withdrawn"
    assert not finish(store, job).counted
    assert show(store, job, "b1", is_final=True) == ("over",)
    assert not store.run(presentation.note_posted(job, 1, "m1", LIMITS))
    assert store.run(answer_actions.withdraw(job.id)).did is Did.OVER


def test_withdrawing_lets_the_next_of_the_conversation_run(store: BlockingStore) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    accept(store, following)

    withdrawn = store.run(answer_actions.withdraw(job.id))

    assert withdrawn == Effect(Did.WITHDRAWN, Ready(following.id, Kind.CHAT, CHAT_QUEUE))


def test_a_withdrawn_dead_letter_is_no_letter_any_more(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    for attempt in range(MAX_ATTEMPTS):
        claim(store, job, f"k{attempt}")
        store.run(lifecycle.release(job.id, f"k{attempt}", is_blamed=True))
    claim(store, job, "k-last")

    store.run(answer_actions.withdraw(job.id))

    assert store.run(operating.dead_letters(10)) == ()


# --- what must not happen, and is borne -----------------------------------------------------------


def test_a_finish_whose_answer_was_lost_says_the_same_again(store: BlockingStore) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    accept(store, following)
    claim(store, job)
    first = finish(store, job)

    assert (
        finish(store, job)
        == first
        == lifecycle.Finished(counted=True, ready=Ready(following.id, Kind.CHAT, CHAT_QUEUE))
    )
    assert len(replies_of(store, job)) == 1


def test_a_lost_hash_blocks_neither_its_conversation_nor_the_sweep(store: BlockingStore) -> None:
    lost, following, other = message(1), message(2), message(3, "3")
    accept(store, lost)
    store.client.delete(keys.job(lost.id))
    accept(store, following)
    accept(store, other)
    store.client.hdel(keys.job(other.id), "deadline")
    for job in (lost, other):
        store.client.zadd(keys.OPEN, {job.id: 0})

    sweep(store)

    assert claim(store, following).lease is not None
    assert store.client.zscore(keys.OPEN, lost.id) is None


def test_an_attempt_that_never_began_counts_if_it_is_to_blame(store: BlockingStore) -> None:
    job = message(1)
    accept(store, job)
    for attempt in (1, 2):
        claim(store, job, f"t{attempt}")
        store.run(lifecycle.release(job.id, f"t{attempt}", is_blamed=True))
    store.run(lifecycle.claim(job.id, lifecycle.Claimant("w1", "t3", LONG_MS, MAX_ATTEMPTS)))

    store.run(lifecycle.release(job.id, "t3", is_blamed=True))

    assert claim(store, job, "t4").reason == "closed"


def test_a_backlog_is_not_sent_again_because_its_oldest_copy_is_claimed(
    store: BlockingStore,
) -> None:
    jobs = [message(n, str(n)) for n in range(3)]
    for job in jobs:
        accept(store, job)
        store.client.hincrby(keys.job(job.id), "handed_at", -keys.REPUBLISH_AT_LATEST_MS)
        store.client.hincrby(keys.job(job.id), "queued_at", -keys.REPUBLISH_AT_LATEST_MS)
        store.client.zadd(keys.OPEN, {job.id: 0})
    store.client.rpush("chat", *[job.id for job in jobs])
    assert len(sweep(store)) == 3  # once in a minute
    claim(store, jobs[0])  # by its oldest copy

    for job in jobs[1:]:
        store.client.hincrby(keys.job(job.id), "queued_at", -keys.OVERTAKEN_BY_MS - 1000)
        store.client.zadd(keys.OPEN, {job.id: 0})

    assert sweep(store) == []
