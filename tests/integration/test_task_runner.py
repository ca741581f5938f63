"""The loop that runs jobs, on a real ledger."""

import dataclasses
from typing import Any

from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import codec, keys
from shared.ledger.lifecycle import Claimant, Ready
from shared.replies import Done
from shared.tasks import Learn
from tests.integration.ledger_steps import accept
from worker.handler import Outcome
from worker.leases import HeldLease, LeaseKeeper
from worker.runner import TaskRunner
from worker.store import BlockingStore

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1", act="learn")


def test_a_job_is_kept_without_the_file_that_it_brought(store: BlockingStore) -> None:
    job = make_job(Kind.LEARN, ORIGIN, "", task=Learn("a.txt", "QUJD"))
    seen: list[Job] = []
    woken: list[Ready] = []

    def learn(held: HeldLease) -> Outcome:
        seen.append(held.lease.job)
        return Outcome(Done("learned"))

    accept(store, job)
    keeper = LeaseKeeper(store, lease_ms=60_000)
    claimant = Claimant("w1", "", 60_000, max_attempts=3)
    TaskRunner(store, {Kind.LEARN: learn}, keeper, claimant, woken.append, 600.0).run(job.id)

    kept: Any = store.client.hget(keys.job(job.id), "job")
    assert seen == [job], "the work has the file"
    assert codec.decode(kept, Job) == dataclasses.replace(job, task=Learn("a.txt", ""))
