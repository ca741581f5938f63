"""Processes that need not import their libraries first: forked from one that has them already.

Importing takes bots a second of a core and workers four, which every test that starts a process
paid for. ``python -m tests.forks MODULE...`` imports these modules once and then does nothing but
fork, each time with the environment, the folder and the standard output of its own that it is told.
What it forks runs as ``python -m MODULE`` does: a process like any other, with its own signals and
its own exit code. It has one thread, so what it forks starts clean.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.cli.processes import PR_SET_PDEATHSIG, python_module
from shared.languages import read_names

NUMBER = struct.Struct("i")
"""A process id, or an exit code as ``subprocess`` gives it."""
MAX_ORDER_BYTES = 65_536
ROOT = Path(__file__).parents[1]
BOTS = (
    "bots.incoming.explain",
    "bots.incoming.preferences",
    "bots.platforms",
    "celery.app.base",
    "kombu.transport.redis",
    "shared.ledger.celery",
)
WORKER = (
    "billiard.pool",
    "celery.apps.multi",
    "celery.bin.amqp",
    "celery.bin.celery",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "shared.ledger.celery",
    "tests.fakes.tiny_model",
    "worker.benches.paced_engine",
    "worker.celery_worker",
    "worker.shutdown",
    "worker.doctor",
    "worker.leases",
    "worker.chat_model",
    "worker.handlers",
    "worker.heartbeat",
    "worker.runner",
    "worker.watchdog",
    "worker.engine.engine",
    "worker.engine.transformers_engine.loader",
    "worker.engine.encoders.classifier",
    "worker.engine.encoders.embedder",
)
PARENTS = {
    "bots": BOTS,
    "worker": WORKER,
    "tests.paced_worker": WORKER,
    "tests.chaos.faulty_worker": WORKER,
    "tests.chaos.bare_worker": WORKER,
}
"""Module -> what the process that it is forked from has imported."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}
"""No test asks a model hub. The library reads this when it is imported."""
OURS = ("PARLEY_", "SLACK_", "DISCORD_", "PYTHONPATH", *OFFLINE)
"""What is read when a process begins; the rest of an environment, while libraries are imported."""


@dataclass(frozen=True, slots=True)
class _Order:
    """One process to be forked."""

    module: Sequence[str]
    """Its name and its arguments."""
    environment: Mapping[str, str]
    folder: str


class Forked:
    """A process that was forked for us; the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, module: Sequence[str], status: socket.socket) -> None:
        self.args = tuple(module)
        self._status = status
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._read_number()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], 0)[0]:
                self.returncode = self._read_number()
                self._status.close()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs longer than this, in seconds.
        """
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            if timeout is not None and left_s is not None and left_s <= 0:
                raise subprocess.TimeoutExpired(list(self.args), timeout)
            self._wait_readable(left_s)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _wait_readable(self, timeout_s: float | None) -> None:
        try:
            select.select([self._status], [], [], timeout_s)
        except (OSError, ValueError):  # another thread has just read the code and closed it
            return

    def _read_number(self) -> int:
        data = self._status.recv(NUMBER.size)
        assert data, f"the process that forks has ended, and with it {self.args}"
        return int(NUMBER.unpack(data)[0])


class Forker:
    """The process that forks, to those who want one forked. Thread-safe."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                python_module(__name__, str(theirs.fileno()), *modules),
                env={**environment, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=tempfile.gettempdir(),
                pass_fds=[theirs.fileno()],
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """The descriptor of the socket on which it is told what to fork."""
        return self._orders.fileno()

    def fork(
        self, module: Sequence[str], environment: Mapping[str, str], output: int, errors: int
    ) -> Forked:
        """Fork one that runs this module.

        Args:
            module: its name and its arguments.
            environment: all of it.
            output: the file descriptor of its standard output.
            errors: the same for its standard error.
        """
        order = _Order(module, environment, tempfile.gettempdir())
        ours, theirs = socket.socketpair()
        with theirs:
            data = json.dumps(asdict(order)).encode()
            assert len(data) < MAX_ORDER_BYTES
            with self._lock:
                socket.send_fds(self._orders, [data], [output, errors, theirs.fileno()])
        return Forked(module, ours)

    def close(self) -> None:
        """End it, and with it all that it has forked."""
        self._orders.close()
        self._process.wait()


def find_forker(module: str, settings: Mapping[str, str]) -> Forker | None:
    """What this module is forked from with these settings; None if it is to begin by itself."""
    modules = PARENTS.get(module)
    return _forker_of(modules) if modules and all(map(_is_ours, settings)) else None


def _is_ours(setting: str) -> bool:
    return setting.startswith(OURS)


@functools.cache
def _forker_of(modules: Sequence[str]) -> Forker:
    """The process of this session that has imported these; it ends with the session."""
    forker = Forker(modules, {**os.environ, "OMP_NUM_THREADS": "1", **OFFLINE})
    atexit.register(forker.close)
    _FORKERS.append(forker)
    return forker


_FORKERS: list[Forker] = []
"""Those of this session."""


def session_files() -> set[int]:
    """The file descriptors that stay open as long as the session: one for each that forks."""
    return {forker.fileno() for forker in _FORKERS}


def session_processes() -> set[int]:
    """The processes of this session that fork."""
    return {forker.pid for forker in _FORKERS}


class _Parent:
    """In the process that forks: waits for orders and for the ends of what it has forked."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._statuses: dict[int, socket.socket] = {}
        self._woken, self._wakes = socket.socketpair()

    def serve(self) -> _Order | None:
        """Fork until everybody is gone who could want it; an order in what has been forked."""
        os.set_blocking(self._wakes.fileno(), False)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            readable, _, _ = select.select([self._orders, self._woken], [], [])
            if self._woken in readable:
                self._woken.recv(4096)
                self._report_ends()
            if self._orders in readable:
                data, files, _, _ = socket.recv_fds(self._orders, MAX_ORDER_BYTES, 3)
                if not data:
                    return None
                if order := self._fork(_Order(**json.loads(data)), *files):
                    return order

    def _fork(self, order: _Order, output: int, errors: int, status: int) -> _Order | None:
        """Fork; the order in the new process, None in this one."""
        pid = os.fork()
        if pid == 0:
            os.close(status)
            self._leave(output, errors)
            return order
        os.close(output)
        os.close(errors)
        self._statuses[pid] = socket.socket(fileno=status)
        self._statuses[pid].send(NUMBER.pack(pid))
        return None

    def _report_ends(self) -> None:
        while self._statuses:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._statuses.pop(pid) as asker, contextlib.suppress(BrokenPipeError):
                asker.send(NUMBER.pack(os.waitstatus_to_exitcode(status)))

    def _leave(self, output: int, errors: int) -> None:
        """Become a process of its own, that knows nothing of this one but dies with it."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as ``processes.die_with_parent`` does
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number, given in ((1, output), (2, errors)):
            os.dup2(given, number)
            os.close(given)
        for each in (self._orders, self._woken, self._wakes, *self._statuses.values()):
            each.close()


def _become(order: _Order) -> None:
    """Run a module as ``python -m`` does."""
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    name, *arguments = order.module
    sys.argv[1:] = arguments
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def main(orders: int, modules: Sequence[str]) -> None:
    """Import, and fork."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in modules:
        importlib.import_module(name)
    read_names()  # half a second, which is bots' first
    gc.freeze()  # or each that is forked looks through all of this, and copies it, at its end
    if order := _Parent(socket.socket(fileno=orders)).serve():
        _become(order)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
