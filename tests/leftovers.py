"""Makes what a test leaves behind an error of that test: processes, files, sockets, tasks.

A plugin of pytest. What is left alive would make later tests fail: bots that a failed test had left
alive once read the outbox of twenty-four others. What a fixture of a wider scope starts may stay as
long as that fixture; everything else that is there after a test is ended and reported.
Reads Linux's ``/proc``; elsewhere it finds tasks only.
"""

import asyncio
import contextlib
import gc
import io
import os
import re
import signal
import socket
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from tests.forks import session_files, session_processes
from tests.running import RunningModule

GRACE_S = 3.0
"""Enough for what is about to end by itself. Only a leak waits so long."""
POLL_S = 0.01
FILES = "/proc/self/fd"
THREADS = "/proc/self/task"
RUNNER = re.compile(r"_\w+_scoped_runner")
"""Fixtures of pytest-asyncio, each of which has an event loop."""
OF_PYTHON = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Processes that Python keeps for as long as it runs."""
OF_LIBRARIES = re.compile(r"/dev/|/memfd:|/proc/|/sys/|.*/site-packages/|anon_inode:\[eventpoll\]")
"""Files that libraries keep open for as long as Python runs: fonts, and kombu's poller. (An event
loop that is left behind has sockets, too.)"""
CONNECTIONS = ("socket:", "pipe:", "anon_inode:")
OPEN_TYPES = (
    *(socket.socket, io.TextIOWrapper, io.BufferedWriter, io.BufferedReader),
    *(io.BufferedRandom, io.FileIO),
)
"""What holds a descriptor in Python, those that write to others first."""
File = tuple[int, str]
"""Descriptor, and what it leads to: the number alone is used again."""
Fixture = pytest.FixtureDef[Any]
REPORTED = (ResourceWarning, RuntimeWarning)
"""Unclosed files, and coroutines that were not awaited."""


class LeftBehindError(Exception):
    """A test or a fixture has left something behind."""


@dataclass(frozen=True, slots=True)
class Things:
    """What this process has at one moment."""

    processes: dict[int, str] = field(default_factory=dict)
    """Process id -> command line."""
    files: frozenset[File] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.processes or self.files)

    def __or__(self, others: "Things") -> "Things":
        return Things(self.processes | others.processes, self.files | others.files)

    def __sub__(self, others: "Things") -> "Things":
        pids = self.processes.keys() - others.processes.keys()
        return Things({pid: self.processes[pid] for pid in pids}, self.files - others.files)

    @property
    def ours(self) -> "Things":
        """Those that no library keeps open."""
        files = frozenset(file for file in self.files if not OF_LIBRARIES.match(file[1]))
        return Things(self.processes, files)

    @property
    def connections(self) -> frozenset[File]:
        """The files that are sockets, pipes, or belong to an event loop."""
        return frozenset(file for file in self.files if file[1].startswith(CONNECTIONS))


def look() -> Things:
    """See what is there now."""
    return Things(_children(), _open_files())


def _children() -> dict[int, str]:
    """Live processes that this one has started or had forked. A zombie holds nothing."""
    forkers = session_processes()
    started = [pid for thread in _names(THREADS) for pid in _started_by(f"{THREADS}/{thread}")]
    forked = [pid for forker in forkers for pid in _started_by(f"/proc/{forker}/task/{forker}")]
    found = {}
    for pid in {*started, *forked} - forkers:
        if _is_alive(pid):
            command = _command(pid)
            if not any(words in command for words in OF_PYTHON):
                found[pid] = command
    return found


def _started_by(thread: str) -> list[int]:
    return [int(word) for word in _read(f"{thread}/children").split()]


def _is_alive(pid: int) -> bool:
    state = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return bool(state) and state[0] not in {"Z", "X"}


def _command(pid: int) -> str:
    """A process's command line, which is not there yet just after it was started."""
    for _ in range(round(GRACE_S / POLL_S)):
        command = _read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
        if command or not _is_alive(pid):
            return command
        time.sleep(POLL_S)
    return ""


def _open_files() -> frozenset[File]:
    found = set()
    for name in _names(FILES):
        with contextlib.suppress(OSError):  # the one that lists them is closed by now
            found.add((int(name), os.readlink(f"{FILES}/{name}")))  # noqa: PTH115 - likewise
    kept = session_files()
    return frozenset(file for file in found if file[0] not in kept)


def _names(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208 - after each of thousands of tests, and pathlib is slow
    return []


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - likewise
        return file.read()
    return ""


class Guard:
    """Knows which fixture has started what, and looks after each test for what is nobody's."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._known = Things()
        """What was there before the tests, and what has been reported."""
        self._owned: dict[Fixture, Things] = {}
        """Living fixture of a wider scope than a test -> what it has started."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Begin to look: all modules are imported."""
        self._known = look()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: Fixture, request: pytest.FixtureRequest
    ) -> Generator[None, Any, object]:
        """Note what a fixture of a wider scope starts; look for tasks before a loop ends."""
        before = look() if fixturedef.scope != "function" else None
        try:
            value = yield
        finally:
            if before is not None:
                self._owned[fixturedef] = look() - before
        if RUNNER.fullmatch(fixturedef.argname):
            # This runs after all that use the loop have ended, and before the loop does.
            request.addfinalizer(lambda: check_tasks(value, self._grace_s))
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: Fixture) -> None:
        """A fixture has ended: what it has started has to be gone."""
        self._owned.pop(fixturedef, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Look once all that only this test needed has ended.

        Raises:
            LeftBehindError: something is left.
        """
        try:
            return (yield)
        finally:
            if self._left() and (told := self._end_all()):
                raise LeftBehindError(f"{item.nodeid} leaves behind:\n" + "\n".join(told))

    def _end_all(self) -> list[str]:
        """End what does not end by itself; what to report."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gc.collect()  # it closes what is open only because it is part of a cycle
            until_s = time.monotonic() + self._grace_s
            while (left := self._left()).ours and time.monotonic() < until_s:
                time.sleep(POLL_S)
            told = [f"process {pid}: {command}" for pid, command in left.processes.items()]
            told += [f"file {number}: {target}" for number, target in sorted(left.ours.files)]
            told += [str(each.message) for each in caught if issubclass(each.category, REPORTED)]
            for pid in left.processes:
                _kill(pid)
            _close({number for number, _ in left.ours.files})
        self._known |= left
        return told

    def _left(self) -> Things:
        """What is there and belongs to no living fixture."""
        left = look() - self._known
        for owned in self._owned.values():
            left -= owned
        left = Things(self._without_successors(left.processes), left.files)
        if left.files and self._may_connect():
            left = Things(left.processes, left.files - left.connections)
        return left

    def _may_connect(self) -> bool:
        """Whether new connections may belong to a module's fixture: they are its until it ends."""
        return any(
            owned.connections
            for fixture, owned in self._owned.items()
            if fixture.scope != "session"
        )

    def _without_successors(self, processes: dict[int, str]) -> dict[int, str]:
        """Leave out what was started again in the place of a fixture's process that has ended."""
        ended = Counter(
            command
            for owned in self._owned.values()
            for pid, command in owned.processes.items()
            if not _is_alive(pid)
        )
        left = {}
        for pid, command in sorted(processes.items()):  # the oldest first
            if ended[command]:
                ended[command] -= 1
            else:
                left[pid] = command
        return left


def _kill(pid: int) -> None:
    """End a process, a frozen one too, and what this process holds of it."""
    for thing in gc.get_objects():
        # Not isinstance, at whose question some objects of libraries import a module.
        if type(thing) is RunningModule and thing.pid == pid:
            thing.kill()
            thing.stop()
        elif type(thing) is subprocess.Popen and thing.pid == pid:
            thing.kill()
            thing.wait()
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _close(numbers: set[int]) -> None:
    """Close what was left open, or it would be reported of the test in which it is collected."""
    found = [thing for thing in gc.get_objects() if type(thing) in OPEN_TYPES]
    for thing in sorted(found, key=lambda thing: OPEN_TYPES.index(type(thing))):
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            if thing.fileno() in numbers:
                thing.close()


def check_tasks(runner: asyncio.Runner, grace_s: float) -> None:
    """Look for tasks that still run when everything that uses a loop has ended.

    Raises:
        LeftBehindError: there are some.
    """
    loop = runner.get_loop()
    until_s = time.monotonic() + grace_s
    while (tasks := asyncio.all_tasks(loop)) and time.monotonic() < until_s:
        loop.run_until_complete(asyncio.sleep(POLL_S))
    if tasks:
        names = "\n".join(sorted(map(repr, tasks)))
        raise LeftBehindError(f"Tasks are left behind:\n{names}")


def check_clients(redis_url: str) -> None:
    """Look for whoever still has a connection to a Redis that is for one test after the other.

    Raises:
        LeftBehindError: somebody has.
    """
    with redis.Redis.from_url(redis_url) as client:
        own = client.client_id()
        until_s = time.monotonic() + GRACE_S
        while (
            others := [each for each in client.client_list() if int(each["id"]) != own]
        ) and time.monotonic() < until_s:
            time.sleep(POLL_S)
    if others:
        told = "\n".join(f"{each['addr']} {each['name']} {each['cmd']}" for each in others)
        raise LeftBehindError(f"Connections to Redis are left behind:\n{told}")
