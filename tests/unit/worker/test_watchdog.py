"""A worker is wedged if jobs wait, it has a free slot and none comes; or if a run does not end."""

from collections.abc import Iterator

import pytest

from shared.jobs import CHAT_QUEUE, Kind, Origin, Platform, make_job
from shared.ledger.lifecycle import Lease
from worker.leases import STUCK_AFTER_TURNS, Ending, LeaseKeeper
from worker.store import BlockingStore, open_store
from worker.watchdog import EngineWatchdog

CHECKS = 3
JOB = make_job(Kind.CHAT, Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1"), "hello")


class Bench:
    """A watch over a worker with one slot."""

    def __init__(self, store: BlockingStore) -> None:
        self.store = store
        self.keeper = LeaseKeeper(store, 1000)
        self.num_taken = 0
        self.num_alarms = 0
        self._watch = EngineWatchdog(
            self.keeper,
            lambda: self.num_taken,
            lambda: store.client.llen(CHAT_QUEUE),
            self._count,
            num_slots=1,
            deaf_after_checks=CHECKS,
        )

    def check(self, times: int) -> int:
        """Look so often; how many alarms there were until now."""
        for _ in range(times):
            self._watch.check()
        return self.num_alarms

    def _count(self) -> None:
        self.num_alarms += 1


@pytest.fixture
def bench(quiet_redis: str) -> Iterator[Bench]:
    store = open_store(quiet_redis, allow_volatile=False)
    yield Bench(store)
    store.client.connection_pool.disconnect()


def lay_job_in_queue(bench: Bench) -> None:
    bench.store.client.lpush(CHAT_QUEUE, "job")


def lease() -> Lease:
    return Lease(JOB, "token", attempt=1, is_alone=False, shown="", history=())


def test_an_idle_worker_before_an_empty_queue_is_well(bench: Bench) -> None:
    assert bench.check(10 * CHECKS) == 0


def test_a_worker_to_which_nothing_comes_while_jobs_wait_is_deaf(bench: Bench) -> None:
    lay_job_in_queue(bench)

    assert bench.check(CHECKS - 1) == 0
    assert bench.check(1) == 1
    assert bench.check(CHECKS) == 1, "it is said once"


def test_a_worker_that_is_full_is_well(bench: Bench) -> None:
    lay_job_in_queue(bench)

    with bench.keeper.keeping(lease()):
        assert bench.check(10 * CHECKS) == 0
    assert bench.check(CHECKS) == 1


def test_a_worker_that_takes_one_job_after_the_other_is_well(bench: Bench) -> None:
    lay_job_in_queue(bench)

    for _ in range(10):
        bench.num_taken += 1
        assert bench.check(CHECKS - 1) == 0


def test_a_queue_that_was_empty_for_a_moment_begins_the_count_again(bench: Bench) -> None:
    for _ in range(10):
        lay_job_in_queue(bench)
        assert bench.check(CHECKS - 1) == 0
        bench.store.client.delete(CHAT_QUEUE)
        assert bench.check(1) == 0


def test_a_run_that_does_not_end_when_it_must_makes_a_worker_useless(bench: Bench) -> None:
    with bench.keeper.keeping(lease()) as held:
        assert bench.check(CHECKS) == 0
        held.end(Ending.EXPIRED)
        for _ in range(STUCK_AFTER_TURNS + 1):
            bench.keeper.renew_all()

        assert bench.check(CHECKS) == 1
