"""Snapshots come five times a second, and less often where many answers are written at once."""

import pytest
import redis

from shared.jobs import Kind, Origin, Platform, make_job
from shared.ledger import codec, keys, lifecycle, thoughts
from shared.ledger.lifecycle import Claimant, JobLimits, Lease
from shared.replies import Snapshot, ThoughtSoFar
from shared.streaming_cadence import MOST_SNAPSHOTS_PER_S, SNAPSHOT_EVERY_S
from worker.store import BlockingStore
from worker.tasks.snapshots import SnapshotPublisher

STEP_S = 0.01
SECONDS = 4


def leased(store: BlockingStore) -> Lease:
    """A job in a worker's hand."""
    job = make_job(Kind.CHAT, Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1"), "hello")
    store.run(lifecycle.accept(job, JobLimits(60_000, 60_000)))
    lease = store.run(lifecycle.claim(job.id, Claimant("w1", "token", 60_000, 9))).lease
    assert lease
    return lease


@pytest.mark.parametrize(
    ("num_written", "every_s"), [(1, SNAPSHOT_EVERY_S), (8, SNAPSHOT_EVERY_S), (40, 1.0)]
)
def test_all_answers_together_are_published_at_a_bounded_rate(
    quiet_redis: str, num_written: int, every_s: float
) -> None:
    now_s = 0.0
    with redis.Redis.from_url(quiet_redis) as client:
        store = BlockingStore(client)
        lease = leased(store)
        job = lease.job
        publisher = SnapshotPublisher(
            store, lease, num_written=lambda: num_written, clock=lambda: now_s
        )
        seen = set()
        for step in range(round(SECONDS / STEP_S)):
            now_s = step * STEP_S
            publisher.push("x")
            seen.add(client.get(keys.snapshot(job.id)))

    assert len(seen) == pytest.approx(SECONDS / every_s, abs=1)
    assert len(seen) * num_written <= (SECONDS + 1) * MOST_SNAPSHOTS_PER_S


def test_people_see_how_long_a_model_thinks_and_then_its_answer(quiet_redis: str) -> None:
    now_s = 0.0
    with redis.Redis.from_url(quiet_redis) as client:
        store = BlockingStore(client)
        lease = leased(store)
        job = lease.job
        publisher = SnapshotPublisher(store, lease, num_written=lambda: 1, clock=lambda: now_s)
        seen: list[Snapshot] = []
        for step in range(30):
            now_s = step / 10
            publisher.think("x")
            seen.append(codec.decode(client.get(keys.snapshot(job.id)) or b"", Snapshot))
        thinking = store.run(thoughts.read(job.id))
        publisher.end_thought()
        publisher.push("Hello.")
        written = codec.decode(client.get(keys.snapshot(job.id)) or b"", Snapshot)
        thought = store.run(thoughts.read(job.id))

    assert [round(one.thinking_s or 0) for one in dict.fromkeys(seen)] == [0, 1, 2]
    assert {one.text for one in seen} == {""}
    assert thinking == ThoughtSoFar("x" * 21)
    assert written == Snapshot("Hello.")
    assert thought == ThoughtSoFar("x" * 30, is_over=True)
