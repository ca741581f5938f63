"""Load bench (``python -m bots load``): many questions at once, and when their answers arrive.

For ``parley bench serve``. All is real but the platform, which is this process: the times do not
include a platform's own network.
"""

import asyncio
import io
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bots.adapter import Link, Wiring
from bots.console import TEAM, ConsoleSurface, wait_for_worker
from bots.delivery.surface import Piece
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.store import AsyncStore
from shared import streaming_cadence
from shared.jobs import Job, Origin, Platform, Turn, job_id
from shared.ledger import codec, keys
from shared.ledger import status as operating
from shared.ledger.status import WorkerState
from shared.streaming_cadence import Cadence

SUBJECTS = (
    "a lighthouse",
    "bread",
    "the moon",
    "a small town",
    "rain",
    "an old ship",
    "tea",
    "snow",
)
MEGABYTE = 1_000_000
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class LoadBenchOptions:
    """The bench's options."""

    concurrency: int
    repeats: int
    out: Path
    num_workers: int = 1
    """The number of workers to wait for before the first question."""


def read_options(arguments: Sequence[str]) -> LoadBenchOptions:
    """Parse a command line: questions at once, repeats, the output file, workers."""
    concurrency, repeats, out, *workers = arguments
    return LoadBenchOptions(int(concurrency), int(repeats), Path(out), *map(int, workers))


@dataclass(frozen=True, slots=True)
class TimedQuestion:
    """The times of one question."""

    question: str
    answer: str
    first_text_ms: float
    """From the time the platform hands it over to the first text that is posted."""
    last_text_ms: float


@dataclass(frozen=True, slots=True)
class Round:
    """Questions that were asked at the same time."""

    seconds: float
    """From the first question to the last answer."""
    asked: tuple[TimedQuestion, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """The measurements; ``parley bench serve`` adds the figures to compare with."""

    rounds: tuple[Round, ...]
    alone: tuple[Round, ...]
    """The same with one question at a time."""
    memory_mb: dict[str, float]
    """Of each process, at the end."""
    cpu_s: dict[str, float]
    """Processor time of each process, over all rounds."""


class _TimedSurface(ConsoleSurface):
    """A surface that records when texts are posted, and shows nothing."""

    cadence = Cadence(streaming_cadence.SLACK.edit_every_s)

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.first_s: dict[str, float] = {}
        """Job -> when its first text was posted."""

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Record the time of an answer's first text."""
        del piece
        self.first_s.setdefault(job.id, time.perf_counter())
        return f"{job.id}-{part}"

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Do nothing."""


class _Asker:
    """An adapter that asks its questions and stops."""

    def __init__(
        self, link: Link, surface: _TimedSurface, session: str, order: LoadBenchOptions
    ) -> None:
        self._link, self._surface, self._store = link, surface, link.reception.store
        self._session, self._order = session, order
        self._num_asked = 0

    async def run(self) -> None:
        """Ask in rounds, and write the measurements to the file."""
        order = self._order
        await self._round(order.concurrency)  # warms up
        rounds, alone = [], []
        processes = await self._processes()
        begun_s = _cpu_s(processes)
        for _ in range(order.repeats):
            rounds.append(await self._round(order.concurrency))
            alone.append(await self._round(1))
        ended_s = _cpu_s(processes)
        load = Load(
            tuple(rounds),
            tuple(alone),
            {
                name: round(_resident_bytes(process) / MEGABYTE, 1)
                for name, process in processes.items()
            },
            {name: round(ended_s[name] - begun_s[name], 2) for name in processes},
        )
        order.out.write_text(json.dumps(asdict(load)))

    async def _round(self, count: int) -> Round:
        begun_s = time.perf_counter()
        asked = await asyncio.gather(*(self._ask() for _ in range(count)))
        return Round(time.perf_counter() - begun_s, tuple(asked))

    async def _ask(self) -> TimedQuestion:
        self._num_asked += 1
        number = str(self._num_asked)
        origin = Origin(Platform.CONSOLE, TEAM, self._session, number, number, f"user{number}")
        subject = SUBJECTS[self._num_asked % len(SUBJECTS)]
        question = f"{number}. Tell me a long and slow story about {subject}, with every detail."
        begun_s = time.perf_counter()
        situation = Situation(is_from_person=True, is_direct=True)
        await self._link.reception.receive(Incoming(origin, question, situation))
        job = job_id(origin)
        await self._link.reception.wait_delivered(job)
        ended_s = time.perf_counter()
        first_s = self._surface.first_s[job]
        turns = await self._store.client.lrange(keys.transcript(origin.conversation), -1, -1)
        answer = codec.decode(turns[0], Turn).text if turns else ""
        return TimedQuestion(
            question, answer, 1000 * (first_s - begun_s), 1000 * (ended_s - begun_s)
        )

    async def _processes(self) -> dict[str, psutil.Process]:
        status = await self._store.run(operating.status())
        server = await self._store.client.info("server")
        pids = {"bots": os.getpid(), "redis": int(server["process_id"])}
        for number, worker in enumerate(status.workers, start=1):
            pids[f"worker {number}"] = int(worker.name.rpartition(":")[2])
        return {name: psutil.Process(pid) for name, pid in pids.items()}


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    """A process and those that it has started: a worker's engine is one of them."""
    return [process, *process.children(recursive=True)]


def _resident_bytes(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in _with_children(process))


def _cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    spent = {
        name: [each.cpu_times() for each in _with_children(process)]
        for name, process in processes.items()
    }
    return {name: sum(one.user + one.system for one in times) for name, times in spent.items()}


async def _wait_for_workers(store: AsyncStore, count: int) -> None:
    await wait_for_worker(store)
    while count > 1:
        status = await store.run(operating.status())
        if sum(worker.state is WorkerState.READY for worker in status.workers) >= count:
            return
        await asyncio.sleep(POLL_S)


async def load(wiring: Wiring, order: LoadBenchOptions) -> None:
    """Run the bench once a worker is ready."""
    session = secrets.token_hex(6)
    surface = _TimedSurface()
    link = Link(wiring, surface, f"{Platform.CONSOLE}:{session}")
    await link.outbox.open()
    await _wait_for_workers(wiring.store, order.num_workers)
    await link.run_with(_Asker(link, surface, session, order))
