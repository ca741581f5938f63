"""Reads a hostile file as a worker does, and measures what that takes."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from shared.errors import RefusedError
from tests.hostile.files import DATA, Made
from worker.knowledge.reader_pool import ReaderPool

MAX_MB = 11
MAX_CHARS = 100_000
LOOK_EVERY_S = 0.05
CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
"""Linux's."""
PROCESSES: dict[int, psutil.Process | None] = {}
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a file."""

    name: str
    kilobytes: float
    begun_s: float
    seconds: float
    cpu_s: float
    """Processor time of the reader."""
    megabytes: float
    """The most memory that a reader had."""
    told: str
    """What the person reads; or how much was read."""


def read(pool: ReaderPool, name: str, made: Made) -> Reading:
    """Read a file."""
    content = made()
    is_over, most = threading.Event(), [0.0]
    before = {process.pid: _cpu_s(process) for process in _readers()}
    used = dict(before)
    watching = threading.Thread(target=_watch, args=(is_over, most, used))
    watching.start()
    begun_s = time.monotonic()
    try:
        told = _told(pool, name, content)
    finally:
        seconds = time.monotonic() - begun_s
        is_over.set()
        watching.join()
    cpu_s = sum(used.values()) - sum(before.values())
    return Reading(name, len(content) / 1000, begun_s, seconds, cpu_s, most[0], told)


def _told(pool: ReaderPool, name: str, content: bytes) -> str:
    try:
        if name in DATA:
            found = pool.read_text(content, name, MAX_MB, MAX_CHARS)
            return f"({len(found.text):,} of {found.num_chars:,} characters)"
        return f"({len(pool.read_document(content, name, MAX_MB).passages):,} passages)"
    except RefusedError as error:
        return error.sentence


def _watch(is_over: threading.Event, most: list[float], used: dict[int, float]) -> None:
    is_last = False
    while not is_last:
        is_last = is_over.wait(LOOK_EVERY_S)
        for process in _readers():
            with contextlib.suppress(psutil.Error):
                used[process.pid] = _cpu_s(process)
                most[0] = max(most[0], process.memory_info().rss / MB)


def _readers() -> Iterator[psutil.Process]:
    """The readers that this thread has started. Looking for them must not hold answers up."""
    found = CHILDREN.read_text(encoding="ascii").split()
    for pid in map(int, found):
        with contextlib.suppress(psutil.Error):
            if pid not in PROCESSES:
                process = psutil.Process(pid)
                is_reader = "worker.knowledge.reader_process" in process.cmdline()
                PROCESSES[pid] = process if is_reader else None
        if known := PROCESSES.get(pid):
            yield known


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
