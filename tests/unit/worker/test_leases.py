"""Leases are renewed for as long as their runs go on, and a run is told once why it must end."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import keys, lifecycle
from shared.ledger.lifecycle import Claimant, JobLimits, Lease
from worker.leases import STUCK_AFTER_TURNS, Ending, HeldLease, LeaseKeeper
from worker.store import BlockingStore, open_store

LEASE_MS = 60_000


@pytest.fixture
def store(quiet_redis: str) -> Iterator[BlockingStore]:
    store = open_store(quiet_redis, allow_volatile=False)
    yield store
    store.client.connection_pool.disconnect()


def leased(store: BlockingStore, number: int = 1, deadline_ms: int = LEASE_MS) -> Lease:
    """The lease of a new job."""
    origin = Origin(Platform.SLACK, "T1", "C1", f"{number}.0", f"{number}.0", "U1")
    job: Job = make_job(Kind.CHAT, origin, "hello")
    store.run(lifecycle.accept(job, JobLimits(deadline_ms, LEASE_MS)))
    claimed = store.run(lifecycle.claim(job.id, Claimant("w1", f"token-{number}", LEASE_MS, 3)))
    assert claimed.lease is not None
    return claimed.lease


def lease_until(store: BlockingStore, lease: Lease) -> int:
    """When a lease runs out, in ms."""
    until: Any = store.client.hget(keys.job(lease.job.id), "lease_until")
    return int(until)


def take_away(store: BlockingStore, lease: Lease) -> None:
    """Let another run have the job."""
    store.run(lifecycle.release(lease.job.id, lease.token, is_blamed=True))


def end_time(store: BlockingStore, lease: Lease) -> None:
    """Let the job's deadline be over."""
    store.client.hset(keys.job(lease.job.id), "deadline", 0)


def test_a_lease_is_renewed_while_it_is_kept(store: BlockingStore) -> None:
    keeper, lease = LeaseKeeper(store, 2 * LEASE_MS), leased(store)
    before = lease_until(store, lease)

    with keeper.keeping(lease) as held:
        keeper.renew_all()
        renewed = lease_until(store, lease)
        assert not held.is_over
        assert keeper.num_kept == 1
    keeper.renew_all()

    assert renewed > before
    assert lease_until(store, lease) == renewed
    assert keeper.num_kept == 0


def test_a_run_is_told_that_its_lease_is_lost_and_its_neighbour_is_not(
    store: BlockingStore,
) -> None:
    keeper = LeaseKeeper(store, LEASE_MS)
    lost, other = leased(store, 1), leased(store, 2)
    with keeper.keeping(lost) as held, keeper.keeping(other) as neighbour:
        take_away(store, lost)

        keeper.renew_all()

        assert held.ending is Ending.LOST
        assert neighbour.ending is None


def test_a_run_whose_deadline_is_over_has_one_more_lease_to_say_so(store: BlockingStore) -> None:
    keeper, lease = LeaseKeeper(store, 2 * LEASE_MS), leased(store)
    with keeper.keeping(lease) as held:
        before = lease_until(store, lease)
        end_time(store, lease)

        keeper.renew_all()
        renewed = lease_until(store, lease)
        keeper.renew_all()

        assert held.ending is Ending.EXPIRED
        assert renewed > before
        assert lease_until(store, lease) == renewed, "and no more"


def test_handing_back_tells_every_run(store: BlockingStore) -> None:
    keeper = LeaseKeeper(store, LEASE_MS)
    with keeper.keeping(leased(store, 1)) as one, keeper.keeping(leased(store, 2)) as other:
        keeper.close()
        assert not one.is_over, "what runs may finish"

        keeper.hand_back()

        assert [one.ending, other.ending] == [Ending.STOPPED, Ending.STOPPED]


def test_a_closed_keeper_hands_new_leases_back_at_once(store: BlockingStore) -> None:
    keeper = LeaseKeeper(store, LEASE_MS)
    keeper.close()

    with keeper.keeping(leased(store)) as held:
        assert held.ending is Ending.STOPPED


def test_a_run_that_ignores_its_end_is_stuck(store: BlockingStore) -> None:
    keeper = LeaseKeeper(store, LEASE_MS)
    with keeper.keeping(leased(store)) as held:
        held.end(Ending.EXPIRED)
        for _ in range(STUCK_AFTER_TURNS):
            keeper.renew_all()
        assert not keeper.is_stuck

        keeper.renew_all()
        assert keeper.is_stuck
    assert not keeper.is_stuck


def test_only_the_first_reason_counts_and_is_told_once(store: BlockingStore) -> None:
    held = HeldLease(leased(store))
    told: list[Ending | None] = []
    held.when_over(lambda: told.append(held.ending))

    held.end(Ending.LOST)
    held.end(Ending.STOPPED)

    assert told == [Ending.LOST]


def test_who_asks_late_is_told_at_once(store: BlockingStore) -> None:
    held = HeldLease(leased(store))
    told: list[Ending | None] = []
    held.end(Ending.EXPIRED)

    held.when_over(lambda: told.append(held.ending))

    assert told == [Ending.EXPIRED]
