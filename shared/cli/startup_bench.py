"""``parley bench startup``: how long until a command, Redis, a worker or a chat is there."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from shared.cli.embedded_redis import embedded_redis
from shared.cli.processes import python_module, run_in_terminal, running, start, with_setting
from shared.cli.sessions import READY, ChildFailedError, Ward, keep_alive
from shared.errors import StartupError

POLL_S = 0.01
NO_ANSWER = "`parley chat` has ended without an answer: `parley doctor` says what is missing."
STAGES = {
    "command_s": "`parley --help`",
    "redis_s": "the embedded Redis",
    "worker_s": "a worker, its model loaded",
    "first_text_s": "`parley chat`, to the first text of an answer",
}


def bench_startup(repeats: int, *, as_json: bool) -> int:
    """Measure it, each time from nothing; returns the exit code.

    The files of the model are in the system's cache: what is measured is not the disk.

    Raises:
        ChildFailedError: something did not start; with its own exit code.
    """
    if code := run_in_terminal(python_module("worker.prepare"), os.environ):
        return code
    rounds = [_once() for _ in range(repeats)]
    medians = {
        stage: round(statistics.median(times[stage] for times in rounds), 2) for stage in STAGES
    }
    if as_json:
        sys.stdout.write(json.dumps(medians) + "\n")
        return 0
    for stage, name in STAGES.items():
        sys.stdout.write(f"{medians[stage]:>7.2f} s  {name}\n")
    return 0


def _once() -> dict[str, float]:
    began_s = time.monotonic()
    subprocess.run(python_module("shared.cli", "--help"), capture_output=True, check=True)  # noqa: S603 - our own
    times = {"command_s": time.monotonic() - began_s}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        began_s = time.monotonic()
        with embedded_redis(Path(name) / "redis") as url:
            times["redis_s"] = time.monotonic() - began_s
            env = with_setting("PARLEY_REDIS_URL", url)
            times["worker_s"] = _worker_s(env, Path(name) / "worker.log")
            times["first_text_s"] = _first_text_s(env, Path(name))
    return times


def _worker_s(env: Mapping[str, str], log: Path) -> float:
    began_s = time.monotonic()
    worker = Ward("worker", lambda: start(python_module("worker"), env=env, log=log), log)
    try:
        keep_alive([worker], lambda: 0 if READY in log.read_text() else None)
        return time.monotonic() - began_s
    finally:
        worker.stop()


def _first_text_s(env: Mapping[str, str], folder: Path) -> float:
    asked, answer = folder / "asked", folder / "answer"
    asked.write_text("What is a queue?\n")
    began_s = time.monotonic()
    with asked.open("rb") as said, answer.open("wb") as heard:
        chat = subprocess.Popen(  # noqa: S603 - our own program, no shell
            python_module("shared.cli", "chat"),
            env=dict(env),
            stdin=said,
            stdout=heard,
            stderr=subprocess.DEVNULL,
        )
    with running(chat):
        while not answer.stat().st_size:
            if chat.poll() is not None:
                raise ChildFailedError(NO_ANSWER, chat.returncode or StartupError.exit_code)
            time.sleep(POLL_S)
        took_s = time.monotonic() - began_s
        chat.wait()
    return took_s
