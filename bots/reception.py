"""Accepts messages: intake, one atomic step in the ledger, and only then a wake-up call.

When ``receive`` returns, the message is recorded (or was before, or is not ours) and the platform's
event may be acknowledged. When it raises, nothing is promised and the platform should ask again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bots.delivery import Delivery
from bots.intake import Incoming, intake
from bots.store import Store
from shared import ledger
from shared.jobs import Job
from shared.ledger import Allowance, Limits, Ready
from shared.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator decides about who may ask what."""

    limits: Limits
    allowance: Allowance | None
    max_chars: int


class Reception:
    """The way in of one platform."""

    def __init__(
        self, store: Store, delivery: Delivery, wake: Callable[[Ready], None], rules: Rules
    ) -> None:
        self.store = store
        self._delivery = delivery
        self._wake = wake
        self._rules = rules
        self._calls: set[asyncio.Task[None]] = set()

    async def receive(self, incoming: Incoming) -> Job | None:
        """Record a message that is for us; the job if it is a new one that ends visibly.

        Raises:
            redis.RedisError, TimeoutError: the ledger could not be asked.
        """
        rules = self._rules
        taken = intake(incoming, rules.max_chars)
        if taken is None:
            return None
        accepted = await self.store.run_confirmed(
            ledger.accept(
                taken.job,
                rules.limits,
                rules.allowance,
                taken.refusal,
                is_said_sparingly=taken.is_said_sparingly,
            )
        )
        if accepted.refused:
            log.info("message_refused", job=taken.job.id, reason=accepted.refused)
        if not accepted.is_new:
            return None
        log.info("job_accepted", job=taken.job.id, platform=taken.job.origin.platform)
        self._delivery.announce(taken.job)
        if accepted.ready:
            call = asyncio.create_task(self._call(accepted.ready))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return taken.job

    async def wait_delivered(self, job_id: str) -> None:
        """Wait until a job's final reply has been shown by this process."""
        await self._delivery.wait_delivered(job_id)

    async def _call(self, ready: Ready) -> None:
        """Wake a worker, off the event loop: Celery's client blocks."""
        try:
            await asyncio.to_thread(self._wake, ready)
        except Exception as error:  # noqa: BLE001 - the ledger has the job, the sweep wakes it
            log.warning("publish_failed", job=ready.id, error=type(error).__name__)
