"""The bots' Prometheus metrics, in a registry of their own, and a monitor of the event loop.

A blocked loop answers no heartbeat and no event, so its lag is measured. Time in which the machine
gave this thread no processor is not counted: other monitoring covers that.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.logs import get_logger


@dataclass(frozen=True, slots=True)
class Metrics:
    """The bots' counters."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    accepted: Counter = field(init=False)
    delivered: Counter = field(init=False)
    loop_lag: Histogram = field(init=False)

    def __post_init__(self) -> None:
        """Make the counters."""
        accepted = Counter(
            "parley_jobs_accepted", "Messages accepted", ["platform"], registry=self.registry
        )
        delivered = Counter(
            "parley_jobs_delivered",
            "Final replies shown, or found undeliverable",
            ["platform", "outcome"],
            registry=self.registry,
        )
        loop_lag = Histogram(
            "parley_event_loop_lag_seconds",
            "How long the event loop kept others waiting",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        object.__setattr__(self, "accepted", accepted)
        object.__setattr__(self, "delivered", delivered)
        object.__setattr__(self, "loop_lag", loop_lag)


log = get_logger(__name__)

LOOK_EVERY_S = 0.05
WARN_FROM_S = 0.1
WARN_EVERY_S = 10.0
SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, and of waiting for one: docs.kernel.org/scheduler/sched-stats."""
NS = 1_000_000_000


def waited_for_cpu_s() -> float:
    """How long this thread has waited for a processor so far; 0 where the OS does not say."""
    try:
        return int(SCHEDSTAT.read_text(encoding="ascii").split()[1]) / NS
    except (OSError, ValueError, IndexError):
        return 0.0


async def watch_loop(
    metrics: Metrics,
    clock: Callable[[], float] = time.monotonic,
    waited_s: Callable[[], float] = waited_for_cpu_s,
) -> None:
    """Measure the event loop's lag until cancelled."""
    warned_at_s = -WARN_EVERY_S
    while True:
        began_s, waited_before_s = clock(), waited_s()
        await asyncio.sleep(LOOK_EVERY_S)
        now_s = clock()
        lag_s = now_s - began_s - LOOK_EVERY_S - (waited_s() - waited_before_s)
        metrics.loop_lag.observe(max(0.0, lag_s))
        if lag_s >= WARN_FROM_S and now_s - warned_at_s >= WARN_EVERY_S:
            warned_at_s = now_s
            log.warning("event_loop_blocked", lag_ms=round(lag_s * 1000))
