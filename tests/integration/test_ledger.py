"""The ledger's promises on a real Redis: once, in order, by the holder of the lease alone."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared import keys, ledger, showing
from shared.jobs import Job, Kind, Origin, Platform, Turn, make_job
from shared.ledger import Claimant, Claimed, Hold, Lease, Limits, Memory, Ready
from shared.replies import Done, Failed, Final, Snapshot
from worker.store import Store

LIMITS = Limits(deadline_ms=60_000, retention_ms=60_000)
NO_TIME = Limits(deadline_ms=0, retention_ms=60_000)
LONG_MS = 60_000
SHORT_MS = 50
OVER_MS = 0
"""A lease that has run out when it is given: no clock decides what a random run finds."""
MAX_ATTEMPTS = 3
PATIENCE_S = 10.0
DONE = Done("Yes.")
REFUSAL = Failed("empty", "There was no text.")
REMEMBER = Memory(
    (Turn("user", "q"), Turn("assistant", "a")), max_turns=50, retention_ms=LIMITS.retention_ms
)


@pytest.fixture
def store(quiet_redis: str) -> Iterator[Store]:
    with redis.Redis.from_url(quiet_redis) as client:
        yield Store(client)


def message(number: int, thread: str = "1.0") -> Job:
    """The job of one message in a thread."""
    origin = Origin(Platform.SLACK, "T1", "C1", thread, f"{number}.5", "U1")
    return make_job(Kind.CHAT, origin, f"question {number}")


def accept(store: Store, job: Job, limits: Limits = LIMITS) -> Ready | None:
    return store.run(ledger.accept(job, limits)).ready


def claim(store: Store, job: Job, token: str = "t1", lease_ms: int = LONG_MS) -> Claimed:
    claimed = store.run(ledger.claim(job.id, Claimant("w1", token, lease_ms, MAX_ATTEMPTS)))
    if claimed.lease and claimed.lease.is_alone:
        assert store.run(ledger.begin(job.id, token))
    return claimed


def lease_of(claimed: Claimed) -> Lease:
    assert claimed.lease is not None, claimed.reason
    return claimed.lease


def finish(store: Store, job: Job, token: str = "t1", reply: Final = DONE) -> ledger.Finished:
    return store.run(ledger.finish(job.id, token, reply, REMEMBER))


def state_of(store: Store, job: Job) -> str | None:
    state: Any = store.client.hget(keys.job(job.id), "state")
    return state.decode() if state else None


def outbox_of(store: Store) -> list[tuple[str, str, Final]]:
    """Entry id, job id and reply of everything that waits to be shown."""
    entries: Any = store.client.xrange(keys.outbox("slack"))
    return [
        (entry.decode(), fields[b"job"].decode(), showing.read_final(fields[b"reply"]))
        for entry, fields in entries
    ]


def replies_of(store: Store, job: Job) -> list[Final]:
    return [reply for _, job_id, reply in outbox_of(store) if job_id == job.id]


def sweep(store: Store) -> list[str]:
    return [ready.id for ready in store.run(ledger.sweep(100))]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for something that Redis's clock brings about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "It did not come about."
        time.sleep(0.005)


def sweep_until_ready(store: Store, job: Job) -> None:
    wait_for(lambda: job.id in sweep(store))


# --- accept ---------------------------------------------------------------------------------------


def test_accept_records_a_job_and_says_that_it_may_run(store: Store) -> None:
    job = message(1)

    accepted = store.run(ledger.accept(job, LIMITS))

    assert accepted == ledger.Accepted(is_new=True, ready=Ready(job.id, Kind.CHAT))
    assert state_of(store, job) == "queued"
    assert store.client.zscore(keys.OPEN, job.id) is not None
    assert store.client.exists(keys.presence(job.origin.conversation)) == 1


def everything_in(store: Store) -> dict[bytes, bytes | None]:
    """Every key with its value as Redis would dump it."""
    names: Any = store.client.keys("*")
    dumps: Any = [store.client.dump(name) for name in names]
    return dict(zip(names, dumps, strict=True))


@pytest.mark.parametrize("refusal", [None, REFUSAL])
@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_accept_of_a_known_message_changes_nothing(
    store: Store, state: str, refusal: Failed | None
) -> None:
    job = message(1)
    accept(store, job)
    if state != "queued":
        claim(store, job)
    if state == "done":
        finish(store, job)
    before = everything_in(store)

    accepted = store.run(ledger.accept(job, LIMITS, refusal=refusal))

    assert accepted == ledger.Accepted(is_new=False, ready=None)
    assert everything_in(store) == before


def test_accept_of_a_delivered_message_is_a_duplicate(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)
    deliver(store, job)

    assert not store.run(ledger.accept(job, LIMITS)).is_new
    assert outbox_of(store) == []


def test_accept_with_a_refusal_answers_at_once(store: Store) -> None:
    job = message(1)

    accepted = store.run(ledger.accept(job, LIMITS, refusal=REFUSAL))

    assert accepted == ledger.Accepted(is_new=True, ready=None)
    assert replies_of(store, job) == [REFUSAL]
    assert store.client.zcard(keys.OPEN) == 0
    assert claim(store, job).reason == "done"


def test_accept_with_a_refusal_does_not_block_the_conversation(store: Store) -> None:
    store.run(ledger.accept(message(1), LIMITS, refusal=REFUSAL))
    job = message(2)

    assert accept(store, job) == Ready(job.id, Kind.CHAT)


def test_accept_with_a_refusal_leaves_the_running_job_its_lease(store: Store) -> None:
    running, refused = message(1), message(2)
    accept(store, running)
    claim(store, running)

    store.run(ledger.accept(refused, LIMITS, refusal=REFUSAL))

    assert state_of(store, running) == "running"
    assert store.run(ledger.renew(running.id, "t1", LONG_MS)) is Hold.HELD
    assert finish(store, running).counted


def test_accept_with_a_refusal_leaves_the_order_of_those_who_wait(store: Store) -> None:
    first, second, refused = message(1), message(2), message(3)
    accept(store, first)
    accept(store, second)

    assert store.run(ledger.accept(refused, LIMITS, refusal=REFUSAL)).ready is None

    claim(store, first)
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT)


# --- order ----------------------------------------------------------------------------------------


def test_jobs_of_a_conversation_run_one_after_the_other(store: Store) -> None:
    first, second, third = message(1), message(2), message(3)

    assert [accept(store, job) for job in (first, second, third)] == [
        Ready(first.id, Kind.CHAT),
        None,
        None,
    ]
    assert claim(store, second).reason == "waiting"

    claim(store, first)
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT)
    assert claim(store, third).reason == "waiting"
    lease_of(claim(store, second))
    assert finish(store, second).ready == Ready(third.id, Kind.CHAT)
    lease_of(claim(store, third))
    assert finish(store, third) == ledger.Finished(counted=True, ready=None)


def test_jobs_of_different_conversations_run_side_by_side(store: Store) -> None:
    jobs = [message(1, "1.0"), message(2, "2.0"), message(3, "")]

    assert [accept(store, job) for job in jobs] == [Ready(job.id, Kind.CHAT) for job in jobs]
    for job in jobs:
        lease_of(claim(store, job))


def test_a_finished_conversation_leaves_no_mailbox(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    finish(store, job)

    assert store.client.exists(keys.mailbox(job.origin.conversation)) == 0
    assert store.client.exists(keys.snapshot(job.id)) == 0


# --- leases ---------------------------------------------------------------------------------------


def test_claim_gives_all_that_a_run_needs(store: Store) -> None:
    job = message(1)
    accept(store, job)

    assert lease_of(claim(store, job)) == Lease(
        job, "t1", attempt=1, is_alone=False, shown="", history=()
    )


def test_claim_of_a_running_job_is_refused(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)

    assert claim(store, job, "t2") == Claimed(lease=None, reason="taken", ready=None)


def test_claim_of_an_unknown_job_is_refused(store: Store) -> None:
    assert claim(store, message(1)) == Claimed(lease=None, reason="unknown", ready=None)


def test_an_older_token_can_change_nothing(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "old", lease_ms=1)
    sweep_until_ready(store, job)
    lease_of(claim(store, job, "new"))
    store.run(ledger.publish_snapshot(job.id, "new", Snapshot("new text")))
    before = everything_in(store)

    assert store.run(ledger.renew(job.id, "old", LONG_MS)) is Hold.LOST
    assert not store.run(ledger.publish_snapshot(job.id, "old", Snapshot("old text")))
    assert finish(store, job, "old") == ledger.Finished(counted=False, ready=None)
    assert store.run(ledger.release(job.id, "old", is_blamed=True)) is None
    assert store.run(ledger.release(job.id, "old", is_blamed=False)) is None

    assert everything_in(store) == before
    assert finish(store, job, "new").counted
    assert len(replies_of(store, job)) == 1


def test_a_job_that_was_swept_is_nobodys_until_it_is_claimed(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, "old", lease_ms=1)
    sweep_until_ready(store, job)

    assert store.run(ledger.renew(job.id, "old", LONG_MS)) is Hold.LOST
    assert not finish(store, job, "old").counted
    assert outbox_of(store) == []


def test_a_lease_that_ran_out_but_was_not_taken_over_still_counts(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, lease_ms=1)

    assert finish(store, job).counted


def test_a_renewed_lease_holds(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job, lease_ms=SHORT_MS)
    renewed = store.run(ledger.renew(job.id, "t1", LONG_MS))
    accept(store, message(2, "2.0"))
    claim(store, message(2, "2.0"), lease_ms=SHORT_MS)

    sweep_until_ready(store, message(2, "2.0"))  # by then the first lease would be over too

    assert renewed is Hold.HELD
    assert state_of(store, job) == "running"
    assert claim(store, job, "t2").reason == "taken"


def take_over(store: Store, job: Job, token: str) -> Lease:
    """Claim a job as soon as its lease has run out."""
    leases: list[Lease] = []

    def has_claimed() -> bool:
        lease = claim(store, job, token).lease
        leases.extend([lease] if lease else [])
        return bool(leases)

    wait_for(has_claimed)
    return leases[0]


def sweep_and_take_over(store: Store, job: Job, token: str) -> Lease:
    sweep_until_ready(store, job)
    return lease_of(claim(store, job, token))


@pytest.mark.parametrize("taking_over", [take_over, sweep_and_take_over])
def test_a_job_whose_worker_died_goes_on_where_it_was(
    store: Store, taking_over: Callable[[Store, Job, str], Lease]
) -> None:
    first, second = message(1), message(2)
    accept(store, first)
    accept(store, second)
    claim(store, first)
    finish(store, first)
    claim(store, second, "t1", lease_ms=SHORT_MS)
    store.run(ledger.publish_snapshot(second.id, "t1", Snapshot("Half of it")))

    lease = taking_over(store, second, "t2")

    assert lease == Lease(
        second, "t2", 2, is_alone=False, shown="Half of it", history=REMEMBER.turns
    )


def test_a_snapshot_nudges_those_who_show_it(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    with store.client.pubsub() as listener:  # type: ignore[no-untyped-call]  # redis-py
        listener.subscribe(keys.nudge("slack"))
        assert listener.get_message(timeout=PATIENCE_S) is not None  # subscribed

        assert store.run(ledger.publish_snapshot(job.id, "t1", Snapshot("So far")))

        heard: Any = listener.get_message(timeout=PATIENCE_S)
    assert heard["data"] == job.id.encode()


def test_a_job_that_used_up_its_attempts_fails_and_lets_the_next_one_run(store: Store) -> None:
    job, following = message(1), message(2)
    accept(store, job)
    accept(store, following)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert lease_of(claim(store, job, f"t{attempt}")).attempt == attempt
        assert store.run(ledger.release(job.id, f"t{attempt}", is_blamed=True)) is not None

    claimed = claim(store, job, "t4")

    assert claimed == Claimed(lease=None, reason="closed", ready=Ready(following.id, Kind.CHAT))
    (reply,) = replies_of(store, job)
    assert isinstance(reply, Failed)
    assert reply.code == "exhausted"
    assert f"ref {job.id[:8]}" in reply.sentence
    lease_of(claim(store, following))


def test_a_job_whose_workers_all_died_fails_too(store: Store) -> None:
    job = message(1)
    accept(store, job)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        lease_of(claim(store, job, f"t{attempt}", lease_ms=1))
        sweep_until_ready(store, job)

    assert claim(store, job, "t4").reason == "closed"
    assert len(replies_of(store, job)) == 1


def test_a_release_without_blame_gives_the_attempt_back(store: Store) -> None:
    job = message(1)
    accept(store, job)

    for _ in range(MAX_ATTEMPTS + 2):
        assert lease_of(claim(store, job)).attempt == 1
        released = store.run(ledger.release(job.id, "t1", is_blamed=False))
        assert released == Ready(job.id, Kind.CHAT)
        assert state_of(store, job) == "queued"


def test_a_released_job_keeps_what_was_shown(store: Store) -> None:
    job = message(1)
    accept(store, job)
    claim(store, job)
    store.run(ledger.publish_snapshot(job.id, "t1", Snapshot("Half")))
    store.run(ledger.release(job.id, "t1", is_blamed=True))

    assert lease_of(claim(store, job, "t2")).shown == "Half"


# --- deadlines ------------------------------------------------------------------------------------


def test_a_claim_after_the_deadline_fails_the_job(store: Store) -> None:
    job, following = message(1), message(2)
    accept(store, job, NO_TIME)
    accept(store, following)

    claimed = claim(store, job)

    assert claimed == Claimed(lease=None, reason="closed", ready=Ready(following.id, Kind.CHAT))
    assert replies_of(store, job) == [ledger.EXPIRED]


def test_a_renewal_after_the_deadline_says_so_and_the_holder_may_finish(store: Store) -> None:
    job = message(1)
    accept(store, job, Limits(deadline_ms=SHORT_MS, retention_ms=1000))
    claim(store, job)

    wait_for(lambda: store.run(ledger.renew(job.id, "t1", LONG_MS)) is Hold.EXPIRED)

    late = Failed("deadline", "Too late.", "Half")
    assert finish(store, job, reply=late).counted
    assert replies_of(store, job) == [late]


def test_the_sweep_fails_a_job_whose_worker_died_and_whose_time_is_over(store: Store) -> None:
    job, following = message(1), message(2)
    accept(store, job, Limits(deadline_ms=SHORT_MS, retention_ms=1000))
    accept(store, following)
    claim(store, job, lease_ms=2 * SHORT_MS)

    sweep_until_ready(store, following)

    assert replies_of(store, job) == [ledger.EXPIRED]
    assert not finish(store, job).counted
    assert len(replies_of(store, job)) == 1


def test_the_sweep_fails_a_waiting_job_and_leaves_the_running_one_its_lease(store: Store) -> None:
    running, waiting = message(1), message(2)
    accept(store, running)
    claim(store, running)
    accept(store, waiting, NO_TIME)

    wait_for(lambda: not sweep(store) and bool(replies_of(store, waiting)))

    assert replies_of(store, waiting) == [ledger.EXPIRED]
    assert store.run(ledger.renew(running.id, "t1", LONG_MS)) is Hold.HELD
    assert finish(store, running).counted


# --- sweep ----------------------------------------------------------------------------------------


def look_now(store: Store, *jobs: Job) -> None:
    """Let the sweep look at jobs as if the time for it had come."""
    for job in jobs:
        store.client.zadd(keys.OPEN, {job.id: 0})


def test_the_sweep_publishes_a_job_that_was_lost_on_its_way(store: Store) -> None:
    job = message(1)
    accept(store, job)
    assert sweep(store) == []  # it was published just now
    look_now(store, job)

    assert sweep(store) == [job.id]
    assert sweep(store) == []


def test_the_sweep_waits_while_the_queue_is_not_empty(store: Store) -> None:
    job = message(1)
    accept(store, job)
    store.client.rpush("chat", "somebody else's message")
    look_now(store, job)

    assert sweep(store) == []
    store.client.hset(keys.job(job.id), "queued_at", 0)  # but not for ever
    look_now(store, job)
    assert sweep(store) == [job.id]


def test_the_sweep_leaves_waiting_jobs_waiting(store: Store) -> None:
    first, second = message(1), message(2)
    accept(store, first)
    accept(store, second)
    claim(store, first)
    look_now(store, second)

    assert sweep(store) == []
    assert state_of(store, second) == "waiting"
    assert finish(store, first).ready == Ready(second.id, Kind.CHAT)


def test_the_sweep_looks_at_no_more_jobs_than_it_is_told_and_forgets_none(store: Store) -> None:
    jobs = [message(number, str(number)) for number in range(5)]
    for job in jobs:
        accept(store, job)
    look_now(store, *jobs)

    found = [[ready.id for ready in store.run(ledger.sweep(2))] for _ in range(4)]

    assert [len(ids) for ids in found] == [2, 2, 1, 0]
    assert {job_id for ids in found for job_id in ids} == {job.id for job in jobs}


def test_the_sweep_forgets_jobs_that_are_gone(store: Store) -> None:
    store.client.zadd(keys.OPEN, {"a" * 20: 0})

    assert sweep(store) == []
    assert store.client.zcard(keys.OPEN) == 0


# --- transcript -----------------------------------------------------------------------------------


def converse(store: Store, number: int, memory: Memory) -> tuple[Turn, ...]:
    """Run one message to its end; returns the history it was given."""
    job = message(number)
    accept(store, job)
    lease = lease_of(claim(store, job))
    assert store.run(ledger.finish(job.id, "t1", DONE, memory)).counted
    return lease.history


def turns(number: int) -> tuple[Turn, Turn]:
    return Turn("user", f"q{number}"), Turn("assistant", f"a{number}")


def test_the_transcript_is_given_in_order_and_capped(store: Store) -> None:
    seen = [
        converse(store, number, Memory(turns(number), max_turns=4, retention_ms=LONG_MS))
        for number in range(4)
    ]

    assert seen == [
        (),
        turns(0),
        (*turns(0), *turns(1)),
        (*turns(1), *turns(2)),
    ]


def test_the_transcript_of_another_conversation_is_never_given(store: Store) -> None:
    converse(store, 1, REMEMBER)
    other = message(2, "2.0")
    accept(store, other)

    assert lease_of(claim(store, other)).history == ()


def test_forgetting_clears_the_transcript(store: Store) -> None:
    converse(store, 1, REMEMBER)

    assert converse(store, 2, Memory(forget=True)) == REMEMBER.turns
    assert converse(store, 3, REMEMBER) == ()


def test_an_ending_that_remembers_nothing_forgets_nothing(store: Store) -> None:
    """A refused or failed message is no reason to lose the conversation before it."""
    converse(store, 1, REMEMBER)
    converse(store, 2, Memory())

    assert converse(store, 3, REMEMBER) == REMEMBER.turns


def test_the_transcript_is_kept_as_long_as_it_is_told(store: Store) -> None:
    converse(store, 1, Memory(turns(1), max_turns=4, retention_ms=LONG_MS))
    transcript = keys.transcript(message(1).origin.conversation)
    lifetime: Any = store.client.pttl(transcript)
    assert LONG_MS / 2 < lifetime <= LONG_MS

    converse(store, 2, Memory(turns(2), max_turns=4, retention_ms=1))

    wait_for(lambda: not store.client.exists(transcript))


# --- showing --------------------------------------------------------------------------------------


Shown = tuple[str, ...]
"""What a process may do, and the state of each part."""


def show(store: Store, job: Job, me: str, num_parts: int = 1, *, is_final: bool = False) -> Shown:
    """Whether this process may show a job, and its parts."""
    shown = store.run(showing.show(job.id, me, is_final=is_final, num_parts=num_parts))
    return (str(shown.turnstile), *shown.parts)


def deliver(store: Store, job: Job) -> None:
    """Close a job as a bots process does that has shown its reply."""
    ((entry, _, _),) = [found for found in outbox_of(store) if found[1] == job.id]
    assert store.run(showing.note_delivered(job.id, job.origin.outbox, entry))


@pytest.fixture
def running(store: Store) -> Job:
    job = message(1)
    accept(store, job)
    claim(store, job)
    return job


def test_show_gives_new_parts_once_and_then_their_messages(store: Store, running: Job) -> None:
    assert show(store, running, "b1", 2) == ("go", "new", "new")
    store.run(showing.note_posted(running, 0, "m0", LIMITS))
    store.run(showing.note_posted(running, 1, "m1", LIMITS))

    assert show(store, running, "b1", 3) == ("go", "m0", "m1", "new")


def test_show_doubts_a_part_that_somebody_began_to_post(store: Store, running: Job) -> None:
    assert show(store, running, "b1") == ("go", "new")  # and the process dies
    store.run(showing.free(running.id, "b1"))

    assert show(store, running, "b2", is_final=True) == ("go", "doubt")
    store.run(showing.note_posted(running, 0, "found", LIMITS))
    assert show(store, running, "b2", is_final=True) == ("go", "found")


def test_show_has_no_doubt_about_a_refused_post(store: Store, running: Job) -> None:
    show(store, running, "b1")
    store.run(showing.note_not_posted(running.id, 0))

    assert show(store, running, "b1") == ("go", "new")


def test_show_lets_one_process_at_a_time_call_the_platform(store: Store, running: Job) -> None:
    show(store, running, "b1")

    assert show(store, running, "b2") == ("busy",)
    assert show(store, running, "b2", is_final=True) == ("busy",)
    assert show(store, running, "b1") == ("go", "doubt")


def test_show_leaves_partial_answers_to_the_one_who_shows_them(store: Store, running: Job) -> None:
    show(store, running, "b1")
    store.run(showing.free(running.id, "b1"))

    assert show(store, running, "b2") == ("theirs",)
    assert show(store, running, "b2", is_final=True)[0] == "go"
    store.run(showing.free(running.id, "b2"))
    assert show(store, running, "b1") == ("theirs",)  # it has passed to the other one


def test_show_takes_over_from_a_process_that_is_silent(store: Store, running: Job) -> None:
    show(store, running, "b1")
    # as if the lifetimes had passed
    store.client.hset(keys.job(running.id), mapping={"lock_until": 0, "presenter_until": 0})

    assert show(store, running, "b2") == ("go", "doubt")
    assert not store.run(showing.hold(running.id, "b1"))


def test_show_is_over_when_the_answer_is_there_but_for_the_answer(
    store: Store, running: Job
) -> None:
    finish(store, running)

    assert show(store, running, "b1") == ("over",)
    assert show(store, running, "b1", is_final=True) == ("go", "new")
    deliver(store, running)
    assert show(store, running, "b1") == ("over",)
    assert show(store, running, "b1", is_final=True) == ("over",)


def test_show_knows_no_unknown_job(store: Store) -> None:
    assert show(store, message(1), "b1") == ("unknown",)
    assert store.client.keys("*") == []


def test_hold_is_for_the_holder_alone(store: Store, running: Job) -> None:
    assert not store.run(showing.hold(running.id, "b1"))
    show(store, running, "b1")
    store.client.hset(keys.job(running.id), "lock_until", 0)

    assert store.run(showing.hold(running.id, "b1"))
    assert not store.run(showing.hold(running.id, "b2"))
    assert show(store, running, "b2", is_final=True) == ("busy",)


def test_free_is_for_the_holder_alone(store: Store, running: Job) -> None:
    show(store, running, "b1")
    store.run(showing.free(running.id, "b2"))
    assert show(store, running, "b2", is_final=True) == ("busy",)

    store.run(showing.free(running.id, "b1"))
    assert show(store, running, "b2", is_final=True)[0] == "go"


def test_note_posted_makes_replies_to_the_message_follow_ups(store: Store, running: Job) -> None:
    store.run(showing.note_posted(running, 0, "m0", LIMITS))

    answer = keys.answer("slack", "T1", "C1", "m0")
    assert store.client.get(answer) == b"1.0"
    lifetime: Any = store.client.pttl(answer)
    assert 0 < lifetime <= LIMITS.retention_ms


def test_note_delivered_removes_the_entry_for_every_reader(store: Store, running: Job) -> None:
    outbox = keys.outbox("slack")
    store.client.xgroup_create(outbox, keys.OUTBOX_GROUP, id="0", mkstream=True)
    finish(store, running)
    store.client.xreadgroup(keys.OUTBOX_GROUP, "b1", {outbox: ">"})

    deliver(store, running)

    pending: Any = store.client.xpending(outbox, keys.OUTBOX_GROUP)
    assert pending["pending"] == 0
    assert store.client.xlen(outbox) == 0
    assert state_of(store, running) == "delivered"


def test_note_delivered_of_a_job_that_is_gone_leaves_nothing_behind(store: Store) -> None:
    assert store.run(showing.note_delivered("a" * 20, "slack", "1-0"))

    assert store.client.keys("*") == []


def test_delivered_jobs_expire_and_others_never_do(store: Store) -> None:
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


# --- everything in any order ----------------------------------------------------------------------


class LedgerMachine(RuleBasedStateMachine):
    """Jobs of two conversations, workers that die and come back, at random."""

    store: Store
    accepted = Bundle("accepted")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.store.client.flushall()
        self.jobs: dict[str, Job] = {}
        self.num_tokens = 0
        self.ended: dict[str, Final] = {}
        """The first reply that each job was seen to end with."""
        self.held: dict[str, tuple[Job, str]] = {}
        """Leases that cannot run out during the test."""

    @rule(target=accepted, thread=st.sampled_from(["1.0", "2.0"]), is_refused=st.booleans())
    def accept_one(self, thread: str, *, is_refused: bool) -> Job:
        job = message(len(self.jobs), thread)
        self.jobs[job.id] = job
        assert self.store.run(
            ledger.accept(job, LIMITS, refusal=REFUSAL if is_refused else None)
        ).is_new
        return job

    @rule(job=accepted)
    def accept_again(self, job: Job) -> None:
        assert not self.store.run(ledger.accept(job, LIMITS)).is_new

    @rule(target=claims, job=accepted, lease_ms=st.sampled_from([OVER_MS, LONG_MS]))
    def claim_one(self, job: Job, lease_ms: int) -> tuple[Job, str]:
        self.num_tokens += 1
        token = f"t{self.num_tokens}"
        if lease := claim(self.store, job, token, lease_ms).lease:
            assert lease.attempt <= MAX_ATTEMPTS
            assert self.mailbox(job)[0] == job.id
            self.note_lease((job, token), lease_ms)
        return job, token

    @rule(claimed=claims, lease_ms=st.sampled_from([OVER_MS, LONG_MS]))
    def renew(self, claimed: tuple[Job, str], lease_ms: int) -> None:
        job, token = claimed
        hold = self.store.run(ledger.renew(job.id, token, lease_ms))
        assert (hold is Hold.HELD) == self.is_holder(job, token)
        if hold is Hold.HELD:
            self.note_lease(claimed, lease_ms)

    @rule(claimed=claims)
    def finish(self, claimed: tuple[Job, str]) -> None:
        job, token = claimed
        is_holder = self.is_holder(job, token)
        assert finish(self.store, job, token).counted == is_holder
        self.let_go(claimed)

    @rule(claimed=claims, is_blamed=st.booleans())
    def release(self, claimed: tuple[Job, str], *, is_blamed: bool) -> None:
        job, token = claimed
        is_holder = self.is_holder(job, token)
        ready = self.store.run(ledger.release(job.id, token, is_blamed=is_blamed))
        assert (ready is not None) == is_holder
        self.let_go(claimed)

    @precondition(lambda self: self.jobs)
    @rule()
    def sweep(self) -> None:
        before = {job_id: state_of(self.store, job) for job_id, job in self.jobs.items()}
        for job_id in sweep(self.store):
            assert before[job_id] in {"queued", "running"}

    @rule(job=accepted)
    def deliver(self, job: Job) -> None:
        if replies_of(self.store, job):
            deliver(self.store, job)

    def note_lease(self, claimed: tuple[Job, str], lease_ms: int) -> None:
        self.held.pop(claimed[0].id, None)
        if lease_ms == LONG_MS:
            self.held[claimed[0].id] = claimed

    def let_go(self, claimed: tuple[Job, str]) -> None:
        if self.held.get(claimed[0].id) == claimed:
            del self.held[claimed[0].id]

    def mailbox(self, job: Job) -> list[str]:
        names: Any = self.store.client.lrange(keys.mailbox(job.origin.conversation), 0, -1)
        return [name.decode() for name in names]

    def is_holder(self, job: Job, token: str) -> bool:
        state, holder = self.store.client.hmget(keys.job(job.id), "state", "token")
        return state == b"running" and holder == token.encode()

    @invariant()
    def no_lease_is_lost_before_its_time(self) -> None:
        assert all(self.is_holder(job, token) for job, token in self.held.values())

    @invariant()
    def every_job_has_at_most_one_reply_and_never_another(self) -> None:
        names = [job_id for _, job_id, _ in outbox_of(self.store)]
        assert len(set(names)) == len(names)
        for _, job_id, reply in outbox_of(self.store):
            assert self.ended.setdefault(job_id, reply) == reply

    @invariant()
    def every_unfinished_job_is_open_and_no_other(self) -> None:
        names: Any = self.store.client.zrange(keys.OPEN, 0, -1)
        states = {job_id: state_of(self.store, job) for job_id, job in self.jobs.items()}
        unfinished = {name for name, state in states.items() if state not in {"done", "delivered"}}
        assert {name.decode() for name in names} == unfinished

    @invariant()
    def every_conversation_keeps_its_order_and_runs_one_job(self) -> None:
        for thread in ("1.0", "2.0"):
            jobs = [job for job in self.jobs.values() if job.origin.thread == thread]
            states = [state_of(self.store, job) for job in jobs]
            unfinished = [
                (job.id, state)
                for job, state in zip(jobs, states, strict=True)
                if state not in {"done", "delivered"}
            ]
            assert [name for name, _ in unfinished] == (self.mailbox(jobs[0]) if jobs else [])
            assert all(state == "waiting" for _, state in unfinished[1:])
            assert not unfinished or unfinished[0][1] in {"queued", "running"}

    @invariant()
    def attempts_are_bounded(self) -> None:
        for job_id in self.jobs:
            attempts: Any = self.store.client.hget(keys.job(job_id), "attempts")
            assert 0 <= int(attempts) <= MAX_ATTEMPTS


def test_the_ledger_keeps_its_promises_in_any_order(store: Store) -> None:
    class Machine(LedgerMachine):
        pass

    Machine.store = store
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # to make a failing run shorter takes minutes
        ),
    )
