"""The ledger, model-checked: its scripts in random orders, by workers and bots that die anywhere.

Hypothesis chooses the steps; after each of them the invariants below are read from a real Redis.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.jobs import Job
from shared.ledger import answer_actions, codec, keys, lifecycle, presentation, status
from shared.ledger.answer_actions import Did
from shared.ledger.lifecycle import Claimant, Hold
from shared.replies import Final, Snapshot
from tests.integration.ledger_steps import (
    LIMITS,
    LONG_MS,
    MAX_ATTEMPTS,
    OVER_MS,
    REFUSAL,
    deliver,
    finish,
    has_run_for_a_while,
    message,
    outbox_of,
    replies_of,
    state_of,
    sweep,
)
from worker.store import BlockingStore

OPEN_STATES = {"waiting", "queued", "running"}
OVER_STATES = {"done", "delivered", "withdrawn"}
THREADS = ("1.0", "2.0")
Run = tuple[Job, str]
"""A job and the token of one of its runs."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a bots process is about to do for a job."""

    job: Job
    me: str
    number: int
    part: str


class Blame:
    """Who is to blame, kept beside the ledger: see the table in docs/ledger.md."""

    def __init__(self) -> None:
        self._token: dict[str, str] = {}
        """Job -> its latest run, unless that gave it back."""
        self._lone: dict[str, str] = {}
        """Job -> the run that was alone with it and has written nothing."""
        self._taken_for_dead: dict[str, str] = {}
        self._num_lone_deaths: Counter[str] = Counter()
        self._is_blamed: set[str] = set()
        self._has_written: set[str] = set()
        """Runs that were alone, and have stood their trial."""

    def forgive(self, job: Job) -> None:
        """It is asked once more."""
        self.note_progress(job, self._lone.get(job.id, ""))
        self._token.pop(job.id, None)
        self._is_blamed.discard(job.id)

    def note_silence(self, job: Job) -> None:
        """The job may be run: a run that has said nothing is taken for dead."""
        token = self._token.pop(job.id, None)
        if token is not None and self._lone.get(job.id) == token:
            self._num_lone_deaths[job.id] += 1
            self._taken_for_dead[job.id] = token

    def note_run(self, job: Job, token: str) -> None:
        self._token[job.id] = token
        self._lone.pop(job.id, None)
        self._is_blamed.discard(job.id)

    def note_alone(self, job: Job, token: str) -> None:
        self._lone[job.id] = token

    def note_progress(self, job: Job, token: str) -> None:
        if self._lone.get(job.id) == token:
            self._has_written.add(token)
            for known in (self._lone, self._taken_for_dead, self._num_lone_deaths):
                known.pop(job.id, None)

    def note_given_back(self, job: Job, token: str, *, is_blamed: bool) -> None:
        self._token.pop(job.id, None)
        self._lone.pop(job.id, None)
        if is_blamed and token not in self._has_written:
            self._is_blamed.add(job.id)

    def note_alive(self, job: Job, token: str) -> None:
        """A run that was taken for dead is heard of."""
        if self._taken_for_dead.get(job.id) == token:
            del self._taken_for_dead[job.id]
            self._num_lone_deaths[job.id] -= 1

    def is_killer(self, job: Job) -> bool:
        return self._num_lone_deaths[job.id] >= keys.LONE_DEATHS

    def is_guilty(self, job: Job) -> bool:
        return job.id in self._is_blamed or self.is_killer(job)


class LedgerMachine(RuleBasedStateMachine):
    """Jobs of two conversations, workers and bots that die and come back, at random."""

    store: BlockingStore
    accepted = Bundle("accepted")
    runs = Bundle("runs")
    posts = Bundle("posts")

    def __init__(self) -> None:
        super().__init__()
        self.store.client.flushall()
        self.jobs: dict[str, Job] = {}
        self.num_tokens = 0
        self.num_messages = 0
        self.ended: dict[str, Final] = {}
        """The reply that each job was seen to end with; a requeued letter may end once more."""
        self.finished: dict[str, str] = {}
        """Job -> the run that finished it."""
        self.held: dict[str, Run] = {}
        """Leases that cannot run out during the test."""
        self.num_shows = 0
        self.latest_show: dict[tuple[str, str], int] = {}
        self.on_platform: dict[str, set[str]] = {}
        """Job -> ids of the messages that the platform has taken for its first part."""
        self.order: dict[str, list[str]] = {thread: [] for thread in THREADS}
        """Jobs of a conversation in the order in which they have to be run."""
        self.blame = Blame()

    # --- the way in

    @rule(target=accepted, thread=st.sampled_from(THREADS), is_refused=st.booleans())
    def accept(self, thread: str, *, is_refused: bool) -> Job:
        job = message(len(self.jobs), thread)
        self.jobs[job.id] = job
        refusal = REFUSAL if is_refused else None
        assert self.store.run(lifecycle.accept(job, LIMITS, refusal=refusal)).is_new
        if not is_refused:
            self.order[thread].append(job.id)
        return job

    @rule(job=accepted)
    def accept_again(self, job: Job) -> None:
        assert not self.store.run(lifecycle.accept(job, LIMITS)).is_new

    @rule(job=accepted)
    def withdraw(self, job: Job) -> None:
        state = state_of(self.store, job)
        effect = self.store.run(answer_actions.withdraw(job.id))
        is_withdrawn = effect.did is Did.WITHDRAWN
        assert is_withdrawn == (state in {*OPEN_STATES, "done", "delivered"})
        if is_withdrawn:
            self.held.pop(job.id, None)
            assert set(effect.posted) <= self.on_platform.get(job.id, set())

    @rule(job=accepted)
    def stop(self, job: Job) -> None:
        state = state_of(self.store, job)
        did = self.store.run(answer_actions.stop(job.id)).did
        assert (did is Did.TOLD) == (state == "running")
        assert (did is Did.STOPPED) == (state in {"waiting", "queued"})

    @rule(job=accepted)
    def write_again(self, job: Job) -> None:
        """Somebody wants another answer, or has reworded the question."""
        state = state_of(self.store, job)
        did = self.store.run(answer_actions.again(job, LONG_MS)).did
        assert (did is Did.AGAIN) == (state in {*OPEN_STATES, "delivered"})
        if did is not Did.AGAIN:
            return
        self.blame.forgive(job)
        self.held.pop(job.id, None)
        self.finished.pop(job.id, None)
        if state == "delivered":
            self.ended.pop(job.id, None)
            order = self.order[job.origin.thread]
            if job.id in order:  # a message that was refused at once never had to be run
                order.remove(job.id)
            order.append(job.id)

    # --- workers

    @rule(target=runs, job=accepted, lease_ms=st.sampled_from([OVER_MS, LONG_MS]))
    def claim(self, job: Job, lease_ms: int) -> Run:
        self.num_tokens += 1
        run = (job, f"t{self.num_tokens}")
        claimant = Claimant("w1", run[1], lease_ms, MAX_ATTEMPTS)
        stopped, deadline, state = self.fields(job, "stopped", "deadline", "state")
        claimed = self.store.run(lifecycle.claim(job.id, claimant))
        is_free = claimed.lease is not None or claimed.reason == "closed"
        if is_free and not stopped and deadline:
            assert state in {"queued", "running"}
            self.blame.note_silence(job)
        if claimed.reason == "closed" and not stopped:
            assert self.blame.is_guilty(job), "it was given up, and was not to blame"
        if lease := claimed.lease:
            assert job.id not in self.held, "a lease was taken away before its time"
            assert 1 <= lease.attempt <= MAX_ATTEMPTS
            assert lease.is_alone == (lease.attempt == MAX_ATTEMPTS)
            assert not self.blame.is_killer(job), "it is known to kill what runs it"
            assert self.mailbox(job.origin.thread)[0] == job.id
            self.blame.note_run(*run)
            self.note_lease(run, lease_ms)
        return run

    @rule(run=runs)
    def begin(self, run: Run) -> None:
        counted = self.fields(run[0], "counted")[0]
        assert self.store.run(lifecycle.begin(run[0].id, run[1])) == self.is_holder(*run)
        if self.is_holder(*run) and counted == "0":
            self.blame.note_alone(*run)

    @rule(job=accepted, is_raising=st.sampled_from([False, False, True]))
    def fail(self, job: Job, *, is_raising: bool) -> None:
        """A run from its beginning to its bad end: it raises, or its process dies."""
        run = self.claim(job, OVER_MS)
        self.begin(run)
        if is_raising:
            self.release(run, is_blamed=True)

    @rule(run=runs, lease_ms=st.sampled_from([OVER_MS, LONG_MS]))
    def renew(self, run: Run, lease_ms: int) -> None:
        may_go_on = self.may_go_on(*run)
        hold = self.store.run(lifecycle.renew(run[0].id, run[1], lease_ms))
        is_kept = hold in {Hold.HELD, Hold.STOPPED}
        assert is_kept == may_go_on == self.is_holder(*run)
        if is_kept:
            self.note_lease(run, lease_ms)
        else:
            self.blame.note_alive(*run)

    @rule(run=runs, num_chars=st.integers(0, 3))
    def write(self, run: Run, num_chars: int) -> None:
        before = self.shown(run[0])
        snapshot = Snapshot("x" * num_chars)
        counted = self.store.run(lifecycle.publish_snapshot(run[0].id, run[1], snapshot))
        assert counted == self.is_holder(*run)
        assert self.shown(run[0]) == (snapshot.text if counted else before)
        if counted and len(snapshot.text) > len(before):
            self.blame.note_progress(*run)

    @rule(run=runs)
    def finish(self, run: Run) -> None:
        """Once, or again because the first answer of the ledger was lost."""
        job, token = run
        is_known = self.finished.get(job.id) == token and state_of(self.store, job) == "done"
        may_go_on = self.may_go_on(*run)
        assert finish(self.store, *run).counted == (may_go_on or is_known)
        if may_go_on:
            self.finished[job.id] = token
        elif not is_known:
            self.blame.note_alive(*run)
        self.let_go(run)

    @rule(run=runs, is_blamed=st.booleans())
    def release(self, run: Run, *, is_blamed: bool) -> None:
        is_holder = self.is_holder(*run)
        ready = self.store.run(lifecycle.release(run[0].id, run[1], is_blamed=is_blamed))
        assert (ready is not None) == is_holder
        if is_holder:
            self.blame.note_given_back(*run, is_blamed=is_blamed)
        self.let_go(run)

    @precondition(lambda self: self.jobs)
    @rule()
    def sweep(self) -> None:
        before = {job_id: state_of(self.store, job) for job_id, job in self.jobs.items()}
        for job_id in sweep(self.store):
            assert before[job_id] in {"queued", "running"}

    # --- bots

    @rule(target=posts, job=accepted, me=st.sampled_from(["b1", "b2"]), is_final=st.booleans())
    def begin_to_show(self, job: Job, me: str, *, is_final: bool) -> Post:
        """Ask for the lock; what it answers is carried out later, or never: a crash."""
        show = self.store.run(presentation.show(job.id, me, is_final=is_final, num_parts=1))
        self.num_shows += 1
        self.latest_show[job.id, me] = self.num_shows
        return Post(job, me, self.num_shows, show.parts[0] if show.parts else "")

    @rule(post=consumes(posts))
    def post_and_die(self, post: Post) -> None:
        """The platform takes the post; the process dies before it can note that."""
        if self.may_call(post) and post.part == presentation.PartState.NEW:
            self.take_post(post.job)

    @rule(post=consumes(posts))
    def post_and_note(self, post: Post) -> None:
        if not self.may_call(post) or post.part not in tuple(presentation.PartState):
            return
        job = post.job
        posted = self.on_platform.get(job.id) if post.part == presentation.PartState.DOUBT else None
        found = next(iter(posted)) if posted else self.take_post(job)
        noted: Any = self.store.client.hget(keys.job(job.id), "part:0")
        is_noted = self.store.run(presentation.note_posted(job, 0, found, LIMITS))
        is_free = noted is None or noted.decode() == found
        assert is_noted == (is_free and state_of(self.store, job) != "withdrawn")
        if not is_noted:
            self.on_platform[job.id].discard(found)

    @rule(job=accepted, me=st.sampled_from(["b1", "b2"]))
    def stop_showing(self, job: Job, me: str) -> None:
        self.store.run(presentation.free(job.id, me))

    @rule(job=accepted)
    def die_while_showing(self, job: Job) -> None:
        """The lock of a bots process that died runs out."""
        self.store.client.hdel(keys.job(job.id), "lock", "lock_until")

    @rule(job=accepted)
    def deliver(self, job: Job) -> None:
        if replies_of(self.store, job):
            deliver(self.store, job)

    # --- operators

    @rule(job=accepted)
    def requeue(self, job: Job) -> None:
        if self.store.run(status.requeue(job.id, LONG_MS)).outcome == "requeued":
            self.ended.pop(job.id)
            self.blame.forgive(job)
            self.order[job.origin.thread].remove(job.id)
            self.order[job.origin.thread].append(job.id)

    @rule(job=accepted)
    def drop(self, job: Job) -> None:
        self.store.run(status.drop(job.id))

    # --- what the rules keep in mind

    def take_post(self, job: Job) -> str:
        self.num_messages += 1
        name = f"m{self.num_messages}"
        self.on_platform.setdefault(job.id, set()).add(name)
        return name

    def may_call(self, post: Post) -> bool:
        """Whether a bots process holds the lock, without which it calls no platform.

        A process does one thing at a time for a job: what it began before is forgotten.
        """
        is_latest = self.latest_show[post.job.id, post.me] == post.number
        return is_latest and self.store.client.hget(keys.job(post.job.id), "lock") == (
            post.me.encode()
        )

    def note_lease(self, run: Run, lease_ms: int) -> None:
        self.held.pop(run[0].id, None)
        if lease_ms == LONG_MS:
            self.held[run[0].id] = run

    def let_go(self, run: Run) -> None:
        if self.held.get(run[0].id) == run:
            del self.held[run[0].id]

    def mailbox(self, thread: str) -> list[str]:
        name = keys.mailbox(message(0, thread).origin.conversation)
        names: Any = self.store.client.lrange(name, 0, -1)
        return [word.decode() for word in names]

    def is_holder(self, job: Job, token: str) -> bool:
        state, holder = self.store.client.hmget(keys.job(job.id), "state", "token")
        return state == b"running" and holder == token.encode()

    def may_go_on(self, job: Job, token: str) -> bool:
        """Whether a run has lost its job to no other."""
        state, holder = self.store.client.hmget(keys.job(job.id), "state", "token")
        return state in {b"running", b"queued"} and holder == token.encode()

    def fields(self, job: Job, *names: str) -> list[str]:
        values: Any = self.store.client.hmget(keys.job(job.id), names)
        return [value.decode() if value else "" for value in values]

    def shown(self, job: Job) -> str:
        snapshot: Any = self.store.client.get(keys.snapshot(job.id))
        return codec.decode(snapshot.decode(), Snapshot).text if snapshot else ""

    def states(self) -> dict[str, str | None]:
        return {job_id: state_of(self.store, job) for job_id, job in self.jobs.items()}

    # --- what holds after every step

    @invariant()
    def no_lease_is_lost_before_its_time(self) -> None:
        assert all(self.is_holder(*run) for run in self.held.values())

    @invariant()
    def every_job_has_at_most_one_reply_and_never_another(self) -> None:
        outbox = outbox_of(self.store)
        names = [job_id for _, job_id, _ in outbox]
        assert len(set(names)) == len(names)
        for _, job_id, reply in outbox:
            assert self.ended.setdefault(job_id, reply) == reply

    @invariant()
    def every_open_job_has_a_due_time_and_no_other_has(self) -> None:
        names: Any = self.store.client.zrange(keys.OPEN, 0, -1)
        is_open = {name for name, state in self.states().items() if state in OPEN_STATES}
        assert {name.decode() for name in names} == is_open

    @invariant()
    def what_waits_is_in_the_queue_and_nothing_else(self) -> None:
        names: Any = self.store.client.zrange(keys.QUEUE, 0, -1)
        waits = {name for name, state in self.states().items() if state in {"waiting", "queued"}}
        assert {name.decode() for name in names} == waits

    @invariant()
    def every_conversation_keeps_its_order_and_runs_one_job(self) -> None:
        states = self.states()
        for thread, order in self.order.items():
            is_open = [name for name in order if states[name] in OPEN_STATES]
            assert self.mailbox(thread) == is_open
            assert all(states[name] == "waiting" for name in is_open[1:])
            assert not is_open or states[is_open[0]] in {"queued", "running"}

    @invariant()
    def attempts_are_bounded(self) -> None:
        for job_id in self.jobs:
            attempts: Any = self.store.client.hget(keys.job(job_id), "attempts")
            assert 0 <= int(attempts) <= MAX_ATTEMPTS

    @invariant()
    def no_answer_stands_twice_on_the_platform(self) -> None:
        assert all(len(posted) <= 1 for posted in self.on_platform.values())

    @invariant()
    def every_state_is_one_of_the_known(self) -> None:
        assert set(self.states().values()) <= OPEN_STATES | OVER_STATES

    @invariant()
    def only_jobs_whose_attempts_are_used_up_are_dead_letters(self) -> None:
        for letter in self.store.run(status.dead_letters(100)):
            assert letter.attempts == MAX_ATTEMPTS


class RunsMachine(LedgerMachine):
    """Runs of two jobs, and their ends: so few rules that jobs are given up."""

    accept_again = withdraw = stop = drop = None  # type: ignore[assignment]  # no rules here
    begin_to_show = post_and_die = post_and_note = None  # type: ignore[assignment]
    stop_showing = die_while_showing = deliver = None  # type: ignore[assignment]
    write_again = requeue = None  # type: ignore[assignment]

    @precondition(lambda self: len(self.jobs) < len(THREADS))
    @rule(target=LedgerMachine.accepted)
    def accept(self) -> Job:
        job = message(len(self.jobs), THREADS[len(self.jobs)])
        self.jobs[job.id] = job
        self.order[job.origin.thread].append(job.id)
        assert self.store.run(lifecycle.accept(job, LIMITS)).is_new
        return job


@pytest.mark.parametrize(
    ("machine", "num_examples"),
    [(LedgerMachine, 50), (RunsMachine, 50)],
    ids=["all", "runs"],
)
def test_the_ledger_keeps_its_promises_in_any_order(
    store: BlockingStore, machine: type[LedgerMachine], num_examples: int
) -> None:
    class Machine(machine):  # type: ignore[misc,valid-type]
        pass

    has_run_for_a_while(store)
    Machine.store = store
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=num_examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # to make a failing run shorter takes minutes
        ),
    )
