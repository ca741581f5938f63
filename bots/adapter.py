"""The adapter protocol, what all adapters of a process share, and how an adapter is run."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from bots.access.gate import AccessGate, AccessPlatform
from bots.delivery.manager import Delivery, Surface
from bots.delivery.outbox import Outbox
from bots.delivery.surface import MAX_PARTS
from bots.incoming.answer_actions import AnswerActions
from bots.incoming.context import HistoryReader
from bots.incoming.preferences import PreferenceCache
from bots.incoming.reception import LEDGER_AWAY, Reception, Rules
from bots.metrics import Metrics
from bots.store import AsyncStore
from bots.tasks import end
from bots.waker import Waker
from shared.access import AccessOptions
from shared.ledger import lifecycle
from shared.ledger.lifecycle import AskAllowance, JobLimits
from shared.logs import get_logger

log = get_logger(__name__)

SWEEP_EVERY_S = 2.0
SWEEP_MAX_JOBS = 500


class Adapter(Protocol):
    """One platform's client."""

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            StartupError: the platform refuses the bot; the sentence says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all adapters of a process share."""

    store: AsyncStore
    redis_url: str
    limits: JobLimits
    allowance: AskAllowance | None
    """None where shares are not limited: in the terminal."""
    max_chars: int
    wake: Callable[..., None]
    """``ledger.celery.publish`` with its app: blocks."""
    metrics: Metrics
    preference_cache: PreferenceCache | None = None
    """The preferences of workspaces and channels; None in the terminal."""
    max_parts: int = MAX_PARTS
    """The number of messages that an answer may span."""
    access: AccessOptions = dataclasses.field(default_factory=AccessOptions)
    """Who may ask."""

    def access_gate(self, platform: AccessPlatform) -> AccessGate:
        """The access gate of a platform."""
        return AccessGate(self.access, self.store, platform, self.preference_cache)


class Link:
    """One platform's reception, delivery and outbox, between its client and the ledger."""

    def __init__(
        self,
        wiring: Wiring,
        surface: Surface,
        outbox_name: str,
        history_reader: HistoryReader | None = None,
        access_platform: AccessPlatform | None = None,
    ) -> None:
        """``access_platform``: says who asks; None where everybody may: in the terminal."""
        self.access_gate = wiring.access_gate(access_platform) if access_platform else None
        self.delivery = Delivery(wiring.store, surface, wiring.limits, wiring.metrics)
        rules = Rules(wiring.limits, wiring.allowance, wiring.max_chars, wiring.preference_cache)
        self._waker = Waker(wiring.wake)
        self.reception = Reception(
            wiring.store, self.delivery, self._waker.wake, rules, history_reader, self.access_gate
        )
        self.answer_actions = AnswerActions(
            wiring.store, self.delivery, self._waker.wake, wiring.limits, wiring.max_chars
        )
        self.preference_cache = wiring.preference_cache
        self._wiring = wiring
        self._platform = outbox_name.partition(":")[0]
        self.outbox = Outbox(wiring.redis_url, outbox_name, self.delivery)

    async def run_with(self, adapter: Adapter) -> None:
        """Run the platform's client beside its outbox; when one ends, the other is cancelled."""
        try:
            await all_or_none(
                adapter.run(),
                self.outbox.run(),
                self._sweep(),
                self.reception.forgetter.run(self._platform),
            )
        finally:
            await self.delivery.close()

    async def _sweep(self) -> None:
        """Sweep overdue jobs, as workers do, so that deadlines hold when no worker is alive."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                for ready in await self._wiring.store.run(lifecycle.sweep(SWEEP_MAX_JOBS)):
                    self._waker.wake(ready)
            except LEDGER_AWAY as error:
                log.warning("sweep_failed", error=type(error).__name__)


async def all_or_none(*parts: Coroutine[None, None, None]) -> None:
    """Run all; when one ends, cancel the others and raise its exception unwrapped."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)
