"""What every adapter is to the process that runs it, and the parts it is handed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bots.delivery import Delivery, Surface
from bots.metrics import Metrics
from bots.outbox import Outbox
from bots.reception import Reception
from bots.store import Store
from shared.ledger import Limits, Ready


class Adapter(Protocol):
    """One platform's client."""

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            StartupError: the platform will not have us; the sentence says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all adapters of a process share."""

    store: Store
    redis_url: str
    limits: Limits
    max_chars: int
    auto_reply_channels: frozenset[str]
    wake: Callable[[Ready], None]
    metrics: Metrics


class Link:
    """One platform's way in and way out, between its client and the ledger."""

    def __init__(self, wiring: Wiring, surface: Surface, outbox_name: str) -> None:
        self.delivery = Delivery(wiring.store, surface, wiring.limits, wiring.metrics)
        self.reception = Reception(
            wiring.store, self.delivery, wiring.wake, wiring.limits, wiring.max_chars
        )
        self.outbox = Outbox(wiring.redis_url, outbox_name, self.delivery)

    async def run_with(self, adapter: Adapter) -> None:
        """Run the platform's client beside its outbox; the end of one is the end of both."""
        tasks = [asyncio.create_task(adapter.run()), asyncio.create_task(self.outbox.run())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.delivery.close()
