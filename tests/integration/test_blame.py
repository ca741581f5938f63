"""Who is to blame for a run's end: the table of docs/ledger.md, each row of it on a real ledger.

A row is an end of runs. It comes again and again, to a job with others and then to the same one
alone; what becomes of the job in the end says who is blamed.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import DeadlineError
from shared.ledger import keys, lifecycle, status
from shared.ledger.lifecycle import Claimant, Hold, Lease
from shared.replies import Failed, Snapshot
from tests.integration.ledger_steps import (
    LONG_MS,
    MAX_ATTEMPTS,
    OVER_MS,
    accept,
    deliver,
    finish,
    has_run_for_a_while,
    message,
    replies_of,
    state_of,
    sweep,
)
from tests.redis_servers import RedisServer
from worker.store import BlockingStore

PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
TIMES = 8
"""More often than any job is given up that is to blame."""
JOB = message(1)


class Rounds:
    """A job that is run again and again, as often as the ledger gives it out."""

    def __init__(self, store: BlockingStore, max_attempts: int = MAX_ATTEMPTS) -> None:
        self.store = store
        self._max_attempts = max_attempts
        self.num_runs = 0
        self.num_alone = 0
        accept(store, JOB)

    def next(self, lease_ms: int = LONG_MS) -> Lease | None:
        """The next run, begun; None if the job has ended."""
        token = f"t{self.num_runs}"
        claimant = Claimant("w1", token, lease_ms, self._max_attempts)
        lease = self.store.run(lifecycle.claim(JOB.id, claimant)).lease
        if lease is not None:
            self.num_runs += 1
            self.num_alone += lease.is_alone
            assert not lease.is_alone or self.store.run(lifecycle.begin(JOB.id, token))
        return lease

    def write(self, lease: Lease, num_chars: int) -> None:
        text = "x" * num_chars
        assert self.store.run(lifecycle.publish_snapshot(JOB.id, lease.token, Snapshot(text)))

    def is_given_up(self) -> bool:
        replies = replies_of(self.store, JOB)
        return any(isinstance(reply, Failed) and reply.code == "exhausted" for reply in replies)


End = Callable[[Rounds], bool]
"""Brings one run to its end; whether there was a run."""


def dies(rounds: Rounds) -> bool:
    return rounds.next(OVER_MS) is not None


def dies_after_some_text(rounds: Rounds) -> bool:
    if lease := rounds.next(OVER_MS):
        rounds.write(lease, rounds.num_runs)
    return lease is not None


def is_frozen_and_comes_back(rounds: Rounds) -> bool:
    """Its lease runs out, another run has the job before it is heard of again."""
    late = rounds.next(OVER_MS)
    next_one = rounds.next(OVER_MS)
    if late and next_one:
        assert rounds.store.run(lifecycle.renew(JOB.id, late.token, LONG_MS)) is Hold.LOST
        lifecycle_renewal = lifecycle.renew(JOB.id, next_one.token, LONG_MS)
        assert rounds.store.run(lifecycle_renewal) is Hold.HELD
        give_back(rounds, next_one, is_blamed=False)
    return next_one is not None


def loses_its_lease_to_no_other(rounds: Rounds) -> bool:
    """Redis is away for longer than the lease, and the run is still there."""
    if lease := rounds.next(OVER_MS):
        sweep(rounds.store)
        assert rounds.store.run(lifecycle.renew(JOB.id, lease.token, LONG_MS)) is Hold.HELD
        give_back(rounds, lease, is_blamed=False)
    return lease is not None


def is_handed_back(rounds: Rounds) -> bool:
    if lease := rounds.next():
        give_back(rounds, lease, is_blamed=False)
    return lease is not None


def raises(rounds: Rounds) -> bool:
    if lease := rounds.next():
        give_back(rounds, lease, is_blamed=True)
    return lease is not None


def raises_after_some_text(rounds: Rounds) -> bool:
    if lease := rounds.next():
        rounds.write(lease, rounds.num_runs)
        give_back(rounds, lease, is_blamed=True)
    return lease is not None


def dies_while_it_waits_to_be_alone(rounds: Rounds) -> bool:
    token = f"t{rounds.num_runs}"
    rounds.num_runs += 1
    claimant = Claimant("w1", token, OVER_MS, MAX_ATTEMPTS)
    return rounds.store.run(lifecycle.claim(JOB.id, claimant)).lease is not None


def give_back(rounds: Rounds, lease: Lease, *, is_blamed: bool) -> None:
    assert rounds.store.run(lifecycle.release(JOB.id, lease.token, is_blamed=is_blamed))


# Row of the table -> what ends the runs, and in how many of them the job is given up; 0: never.
ROWS: dict[str, tuple[End, int]] = {
    "the process dies": (dies, MAX_ATTEMPTS - 1 + keys.LONE_DEATHS),
    "the process dies, after the run has written more than was shown": (dies_after_some_text, 0),
    "the process dies while the run waits to be alone": (dies_while_it_waits_to_be_alone, 0),
    "the process is frozen, or cut off from Redis, and comes back": (is_frozen_and_comes_back, 0),
    "Redis is away for longer than the lease": (loses_its_lease_to_no_other, 0),
    "the worker hands the job back": (is_handed_back, 0),
    "the run raises an error of its own": (raises, MAX_ATTEMPTS),
    "the run raises one after it has written more than was shown": (raises_after_some_text, 0),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_job_is_given_up_only_where_the_table_says_so(store: BlockingStore, row: str) -> None:
    has_run_for_a_while(store)
    end, given_up_after = ROWS[row]
    rounds = Rounds(store)

    num_rounds = 0
    while num_rounds < TIMES and end(rounds):
        num_rounds += 1

    assert rounds.is_given_up() == bool(given_up_after)
    assert num_rounds == (given_up_after or TIMES)
    if not given_up_after:
        assert state_of(store, JOB) in {"queued", "running"}


def test_the_page_has_the_rows_and_says_the_same() -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition("## Who is to blame")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", section, re.MULTILINE))

    for row, (_, given_up_after) in ROWS.items():
        assert rows[row].startswith("the question" if given_up_after else "none"), row


def test_a_job_that_dies_alone_once_is_answered(store: BlockingStore) -> None:
    has_run_for_a_while(store)
    rounds = Rounds(store)
    for _ in range(MAX_ATTEMPTS):
        dies(rounds)

    lease = rounds.next()

    assert lease is not None
    assert (lease.is_alone, rounds.num_alone) == (True, 2)
    assert finish(store, JOB, lease.token).counted


def test_text_between_two_lone_deaths_acquits(store: BlockingStore) -> None:
    has_run_for_a_while(store)
    rounds = Rounds(store)
    for _ in range(MAX_ATTEMPTS):
        dies(rounds)
    dies_after_some_text(rounds)

    dies(rounds)

    assert dies(rounds), "the death before the text does not count"
    dies(rounds)
    assert rounds.next() is None
    assert rounds.is_given_up()


def test_the_same_text_again_is_no_progress(store: BlockingStore) -> None:
    has_run_for_a_while(store)
    rounds = Rounds(store)
    while lease := rounds.next(OVER_MS):
        rounds.write(lease, 5)

    assert rounds.num_runs == MAX_ATTEMPTS - 1 + keys.LONE_DEATHS
    assert rounds.is_given_up()


def test_with_a_single_attempt_a_death_among_others_is_not_the_end(store: BlockingStore) -> None:
    has_run_for_a_while(store)
    rounds = Rounds(store, max_attempts=1)

    while dies(rounds):
        pass

    assert (rounds.num_runs, rounds.num_alone) == (1 + keys.LONE_DEATHS, keys.LONE_DEATHS)
    assert rounds.is_given_up()


def test_a_job_that_was_given_up_begins_from_the_start_when_it_is_requeued(
    store: BlockingStore,
) -> None:
    has_run_for_a_while(store)
    rounds = Rounds(store)
    while dies(rounds):
        pass
    deliver(store, JOB)

    assert store.run(status.requeue(JOB.id, LONG_MS)).outcome == "requeued"

    num_before = rounds.num_runs
    while dies(rounds):
        pass
    assert rounds.num_runs == 2 * num_before


def test_a_redis_that_dies_with_its_workers_speaks_against_no_job(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, server.connect() as client:
        rounds = Rounds(BlockingStore(client))
        for _ in range(TIMES):
            assert dies(rounds)
            server.kill()
            server.start()

        lease = rounds.next()
        assert lease is not None
        assert finish(rounds.store, JOB, lease.token).counted


def test_the_deadline_ends_what_dies_for_ever(store: BlockingStore) -> None:
    rounds = Rounds(store)
    dies_after_some_text(rounds)
    store.client.hset(keys.job(JOB.id), "deadline", 0)

    assert rounds.next() is None

    (reply,) = replies_of(store, JOB)
    assert isinstance(reply, Failed)
    assert reply.code == DeadlineError.code
