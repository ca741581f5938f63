"""Parley's own processes in tests: start, wait until one says ready, stop."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO

from shared.cli.processes import die_with_parent, python_module
from tests.forks import PARENTS, WORKER, Forked, find_forker
from tests.patience import PATIENCE_S

STOP_TIMEOUT_S = 15.0
ROOT = Path(__file__).parents[1]


class RunningModule:
    """``python -m MODULE`` with settings of its own, its output read line by line."""

    def __init__(self, *module: str, settings: Mapping[str, str]) -> None:
        self._module = module
        self._settings = settings
        self._changed = threading.Condition()
        self.lines: list[str] = []
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._output: TextIO | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        environment = {**clean_environment(), "PYTHONPATH": str(ROOT), **self._settings}
        read_end, write_end = os.pipe()
        self._output = os.fdopen(read_end, encoding="utf-8")
        try:
            if forker := find_forker(self._module[0], self._settings):
                self._process = forker.fork(self._module, environment, write_end, write_end)
            else:
                self._process = subprocess.Popen(
                    python_module(*self._module),
                    env=environment,
                    cwd=tempfile.gettempdir(),  # where there is no .env of a developer
                    stdin=subprocess.DEVNULL,
                    stdout=write_end,
                    stderr=write_end,
                    preexec_fn=die_with_parent(),  # noqa: PLW1509 - it calls one function of libc
                )
        finally:
            os.close(write_end)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, soon: a worker's Celery takes two seconds to see that it is asked to."""
        if PARENTS.get(self._module[0]) is WORKER:
            self.kill()
        self.stop()

    @property
    def process(self) -> "subprocess.Popen[bytes] | Forked":
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int | None:
        """None before it is started."""
        return self._process.pid if self._process else None

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The structured log lines of one event, so far."""
        found = [line for line in list(self.lines) if f'"event": "{name}"' in line]
        return [json.loads(line) for line in found]

    def wait_for_event(self, name: str, count: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until an event has been logged so often; fail if the process ends before."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while len(self.events(name)) < count:
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"no {name} in {timeout_s} s:\n{self.output}"
                assert self.process.poll() is None, f"ended before {name}:\n{self.output}"
                self._changed.wait(min(left_s, 0.5))

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, as a supervisor would; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGCONT)  # a test that failed may have frozen it
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reader.join(STOP_TIMEOUT_S)
        if self._output:
            self._output.close()
        return self.process.wait()

    def _read(self) -> None:
        assert self._output is not None
        for line in self._output:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()


def run_module(module: str, settings: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run one of our processes to its end."""
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT), **settings}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        if forker := find_forker(module, settings):
            forked = forker.fork((module,), environment, output.fileno(), errors.fileno())
            try:
                code = forked.wait(PATIENCE_S)
            finally:
                forked.kill()
                forked.wait()
        else:
            code = subprocess.run(
                python_module(module),
                env=environment,
                cwd=tempfile.gettempdir(),  # where there is no .env of a developer
                stdout=output,
                stderr=errors,
                timeout=PATIENCE_S,
                check=False,
            ).returncode
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(module, code, output.read(), errors.read())


def clean_environment() -> dict[str, str]:
    """Our environment without anybody's settings of Parley.

    One thread a model: threads of several models that share a few cores wait for one another.
    """
    ours = ("PARLEY_", "SLACK_", "DISCORD_")
    theirs = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**theirs, "OMP_NUM_THREADS": "1"}
