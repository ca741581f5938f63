"""Ingest bench (``python -m bots ingest``): the rate and cost of accepting questions.

For ``parley bench ingest``, with a Redis of its own. All is real but the platform and the worker:
the time measured is from a parsed event to its job in Redis, with all limits on. Each question is a
conversation of its own; a person has five of them and a channel twenty.
"""

import asyncio
import gc
import io
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import psutil

from bots.adapter import Link, Wiring
from bots.console import TEAM, ConsoleSurface
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.incoming.reception import Reception
from shared.errors import StartupError
from shared.jobs import CHAT_QUEUE, Origin, Platform

MEGABYTE = 1_000_000
NUM_WARM_UP = 200
PER_USER, PER_CHANNEL = 5, 20
AT_ONCE = 64
"""Calls under way when it goes as fast as it can."""
PERCENT = 100
POLL_S = 0.05
WOKEN_S = 120.0
"""How long to wait until Celery's messages are in the queue as well."""


@dataclass(frozen=True, slots=True)
class IngestBenchOptions:
    """The bench's options."""

    messages: int
    per_s: int
    """Of the first half."""
    as_json: bool


def read_options(arguments: Sequence[str]) -> IngestBenchOptions:
    """Parse a command line: messages, messages a second, perhaps ``--json``."""
    messages, per_s, *rest = arguments
    return IngestBenchOptions(int(messages), int(per_s), rest == ["--json"])


@dataclass(frozen=True, slots=True)
class BotsMemory:
    """The bots' memory with this many questions waiting."""

    waiting: int
    redis_mb: float
    bots_mb: float


@dataclass(frozen=True, slots=True)
class IngestBenchResult:
    """What ``--json`` prints."""

    messages: int
    per_s: int
    """What the pace was set to."""
    accept_ms: dict[str, float]
    """p50 and p95 at that pace, from the time at which a question was due."""
    flat_out_per_s: float
    """With no pace."""
    redis_bytes_each: int
    """Of a waiting question, with Celery's message for it."""
    bots_growth_mb: float
    memory: tuple[BotsMemory, ...]


class _Crowd:
    """An adapter whose people ask one question each; it stops after that."""

    def __init__(self, reception: Reception, order: IngestBenchOptions) -> None:
        self._reception, self._order = reception, order
        self._num_asked = 0

    async def run(self) -> None:
        """Ask all questions and report the measurements."""
        order = self._order
        await self._flat_out(NUM_WARM_UP)
        empty = await self._memory(0)
        num_paced = order.messages // 2
        steps = [10**power for power in range(8) if 10**power < order.messages]
        memory = [empty]
        waits_ms = await self._paced(num_paced, steps, memory)
        begun_s = time.perf_counter()
        await self._flat_out(order.messages - num_paced)
        flat_out_per_s = (order.messages - num_paced) / (time.perf_counter() - begun_s)
        await self._wait_woken()
        memory.append(await self._memory(order.messages))
        found = IngestBenchResult(
            messages=order.messages,
            per_s=order.per_s,
            accept_ms=_percentiles(waits_ms),
            flat_out_per_s=round(flat_out_per_s),
            redis_bytes_each=round(
                (memory[-1].redis_mb - empty.redis_mb) * MEGABYTE / order.messages
            ),
            bots_growth_mb=round(memory[-1].bots_mb - empty.bots_mb, 1),
            memory=tuple(memory),
        )
        sys.stdout.write(json.dumps(asdict(found)) + "\n" if order.as_json else _told(found))

    async def _paced(
        self, count: int, steps: Sequence[int], memory: list[BotsMemory]
    ) -> list[float]:
        """Ask at the given pace; the latency of each from the time it was due, in ms."""
        begun_s, waits_ms = time.perf_counter(), []
        rest_s = 0.0
        tasks: set[asyncio.Task[None]] = set()

        async def ask(due_s: float) -> None:
            await self._ask()
            waits_ms.append(1000 * (time.perf_counter() - due_s))

        for number in range(count):
            if number in steps:
                paused_s = time.perf_counter()
                await asyncio.gather(*tasks)
                memory.append(await self._memory(number))
                rest_s += time.perf_counter() - paused_s
            due_s = begun_s + rest_s + number / self._order.per_s
            await asyncio.sleep(due_s - time.perf_counter())
            task = asyncio.create_task(ask(due_s))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return waits_ms

    async def _flat_out(self, count: int) -> None:
        left = iter(range(count))

        async def ask_on() -> None:
            for _ in left:
                await self._ask()

        await asyncio.gather(*(ask_on() for _ in range(AT_ONCE)))

    async def _ask(self) -> None:
        self._num_asked += 1
        name = str(self._num_asked)
        user, channel = (
            f"user{self._num_asked // PER_USER}",
            f"channel{self._num_asked // PER_CHANNEL}",
        )
        origin = Origin(Platform.CONSOLE, TEAM, channel, name, name, user)
        situation = Situation(is_from_person=True, is_direct=True)
        question = f"{name}. What do we know about the release of next week, and who is at it?"
        if await self._reception.receive(Incoming(origin, question, situation)) is None:
            raise StartupError("A question was not accepted: this Redis is not empty.")

    async def _wait_woken(self) -> None:
        """Wait until there is a Celery message for each question."""
        store = self._reception.store
        async with asyncio.timeout(WOKEN_S):
            while await store.client.llen(CHAT_QUEUE) < self._num_asked:  # noqa: ASYNC110 - by a thread
                await asyncio.sleep(POLL_S)

    async def _memory(self, waiting: int) -> BotsMemory:
        await self._wait_woken()
        info = await self._reception.store.client.info("memory")
        gc.collect()
        bots_mb = psutil.Process().memory_info().rss / MEGABYTE
        return BotsMemory(waiting, round(info["used_memory"] / MEGABYTE, 3), round(bots_mb, 1))


def _percentiles(waits_ms: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(waits_ms, n=PERCENT)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2)}


def _told(found: IngestBenchResult) -> str:
    p50, p95 = found.accept_ms["p50"], found.accept_ms["p95"]
    lines = [
        f"at {found.per_s:,} a second: accepted in {p50:.1f} ms (p50), {p95:.1f} ms (p95)",
        f"as fast as it goes: {found.flat_out_per_s:,.0f} a second",
        f"a waiting question: {found.redis_bytes_each:,} bytes of Redis",
        f"the bots grew by {found.bots_growth_mb:.1f} MB",
        "waiting  Redis MB  bots MB",
        *(f"{one.waiting:>7,} {one.redis_mb:>9.1f} {one.bots_mb:>8.1f}" for one in found.memory),
    ]
    return "\n".join(lines) + "\n"


async def ingest(wiring: Wiring, order: IngestBenchOptions) -> None:
    """Run the bench without a worker."""
    link = Link(wiring, ConsoleSurface(io.StringIO()), f"{Platform.CONSOLE}:ingest")
    await link.outbox.open()
    await link.run_with(_Crowd(link.reception, order))
