"""Watches that nothing blocks the event loop: a blocked loop answers no heartbeat and no event.

Time in which the machine had no processor for us is not counted: that is the machine's fault, and
another one's to see.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from bots.metrics import Metrics
from shared.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_S = 0.05
WARN_FROM_S = 0.1
WARN_EVERY_S = 10.0
SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, and of waiting for one: docs.kernel.org/scheduler/sched-stats."""
NS = 1_000_000_000


def waited_for_cpu_s() -> float:
    """How long this thread has waited for a processor so far; 0 where nobody counts."""
    try:
        return int(SCHEDSTAT.read_text(encoding="ascii").split()[1]) / NS
    except (OSError, ValueError, IndexError):
        return 0.0


async def watch_loop(
    metrics: Metrics,
    clock: Callable[[], float] = time.monotonic,
    waited_s: Callable[[], float] = waited_for_cpu_s,
) -> None:
    """Measure until cancelled."""
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
