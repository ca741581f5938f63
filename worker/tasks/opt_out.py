"""The opt out task: excludes a person's messages from summaries, ratings and documents."""

from shared.ledger import keys
from shared.replies import Done
from shared.tasks import Opt
from worker.handler import Outcome
from worker.leases import HeldLease
from worker.store import BlockingStore

OUT = (
    "Your messages are left out of summaries, ratings and lessons from now on. Questions that you "
    "ask me are answered as before. Say “opt me in” to change that."
)
IN = "Your messages count in summaries, ratings and lessons again."


class Opter:
    """Records who opted out."""

    def __init__(self, store: BlockingStore) -> None:
        self._store = store

    def opt(self, held: HeldLease) -> Outcome:
        """Record a person's choice, for their whole workspace. See ``handler.Handler``."""
        job = held.lease.job
        is_out = job.task.is_out if isinstance(job.task, Opt) else True
        people = keys.opted_out(job.origin.tenant)
        if is_out:
            self._store.client.sadd(people, job.origin.user)
        else:
            self._store.client.srem(people, job.origin.user)
        return Outcome(Done(OUT if is_out else IN))
