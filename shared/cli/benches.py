"""``parley bench`` ``scale``, ``serve``, ``load``, ``ingest``, ``startup``: the measurements.

Each has a Redis of its own. ``scale`` starts workers that compute nothing; ``serve`` and ``load``
start a worker and send questions; for ``ingest`` no worker runs; ``startup`` measures how long it
takes until a command, Redis, a worker or a chat is ready.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.cli.embedded_redis import embedded_redis
from shared.cli.processes import python_module, run_in_terminal, running, start, with_setting
from shared.cli.sessions import READY, ChildFailedError, Ward, keep_alive
from shared.errors import StartupError
from shared.settings import Settings

ANSWER_TOKENS = 96


@dataclass(frozen=True, slots=True)
class ScalingOrder:
    """The parameters of ``parley bench scale``."""

    workers: tuple[int, ...]
    """The numbers of processes, one measurement each."""
    slots: int
    """Answers at once of each worker."""
    tokens_per_s: float
    """The rate of each answer."""
    repeats: int
    as_json: bool


def bench_scaling(order: ScalingOrder) -> int:
    """Measure throughput by the number of workers; return the exit code.

    Raises:
        StartupError: a process could not start; its own sentence says why.
    """
    measured = [_scaled(order, count) for count in order.workers]
    for one in measured:
        one["ratio"] = round(one["tokens_per_s"] / measured[0]["tokens_per_s"], 2)
    if order.as_json:
        sys.stdout.write(json.dumps({"tokens_per_s_each": order.tokens_per_s, "scale": measured}))
        sys.stdout.write("\n")
        return 0
    sys.stdout.write(
        "workers  at once  tokens/s  ratio  of ideal  answers/s  bots CPU  Redis CPU\n"
    )
    for one in measured:
        sys.stdout.write(
            f"{one['workers']:>7} {one['at_once']:>8} {one['tokens_per_s']:>9.0f} "
            f"{one['ratio']:>6.2f} {one['of_ideal']:>9.2f} {one['answers_per_s']:>10.1f} "
            f"{one['bots_cpu']:>9.0%} {one['redis_cpu']:>10.0%}\n"
        )
    return 0


def _scaled(order: ScalingOrder, count: int) -> dict[str, float]:
    at_once = count * order.slots
    sizes = {
        "PARLEY_MAX_NEW_TOKENS": str(ANSWER_TOKENS),
        "PARLEY_QUEUES": "chat",
        "PARLEY_CONCURRENCY": str(order.slots),
    }
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        folder = Path(name)
        with embedded_redis(folder / "redis") as url, contextlib.ExitStack() as stack:
            env = {**with_setting("PARLEY_REDIS_URL", url), **sizes}
            module = python_module("worker", "paced", str(order.tokens_per_s))
            wards = []
            for number in range(count):
                log = folder / f"worker{number}.log"
                ward = Ward("worker", partial(start, module, env=env, log=log), log)
                stack.callback(ward.stop)
                wards.append(ward)
            out = folder / "load.json"
            words = (str(at_once), str(order.repeats), str(out), str(count))
            load = start(python_module("bots", "load", *words), env=env, shares_terminal=True)
            stack.enter_context(running(load))
            if keep_alive(wards, load.poll) or not out.is_file():
                raise StartupError("The questions were not answered to their end.")
            found = json.loads(out.read_text())
    seconds = sum(one["seconds"] for one in found["rounds"])
    all_s = seconds + sum(one["seconds"] for one in found["alone"])
    num_tokens = sum(
        len(each["answer"].split()) for one in found["rounds"] for each in one["asked"]
    )
    rate = num_tokens / seconds
    return {
        "workers": count,
        "at_once": at_once,
        "tokens_per_s": round(rate, 1),
        "of_ideal": round(rate / (at_once * order.tokens_per_s), 3),
        "answers_per_s": round(order.repeats * at_once / seconds, 2),
        "bots_cpu": round(found["cpu_s"]["bots"] / all_s, 3),
        "redis_cpu": round(found["cpu_s"]["redis"] / all_s, 3),
    }


@dataclass(frozen=True, slots=True)
class ServingOrder:
    """The parameters of ``parley bench serve`` and ``load``."""

    conversations: tuple[int, ...]
    """How many at once; several are measured one after the other."""
    new_tokens: int
    """The most tokens of an answer."""
    repeats: int
    as_json: bool


def bench_serving(settings: Settings, order: ServingOrder) -> int:
    """Measure the whole path of a message beside the bare engine; return the exit code.

    The worker ends before the bare engine is measured, because they would share the processor.

    Raises:
        StartupError: a process could not start; a worker's own sentence says why.
    """
    return _measured(settings, order, "serve")


def bench_load(settings: Settings, order: ServingOrder) -> int:
    """Measure throughput by the number of concurrent conversations; return the exit code.

    Raises:
        StartupError: as for ``bench_serving``.
    """
    return _measured(settings, order, "load")


def _measured(settings: Settings, order: ServingOrder, command: str) -> int:
    """Send a worker questions, and have a command of the worker's report the figures.

    With a Redis of its own, so that no other questions are counted.
    """
    sizes = {
        "PARLEY_MAX_NEW_TOKENS": str(order.new_tokens),
        "PARLEY_QUEUES": "chat",
        "PARLEY_CONCURRENCY": str(max(*order.conversations, settings.concurrency)),
    }
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        folder = Path(name)
        with embedded_redis(folder / "redis") as url, contextlib.ExitStack() as stack:
            env = {**with_setting("PARLEY_REDIS_URL", url), **sizes}
            if code := run_in_terminal(python_module("worker.prepare"), env):
                return code
            log = folder / "worker.log"
            ward = Ward("worker", lambda: start(python_module("worker"), env=env, log=log), log)
            stack.callback(ward.stop)
            files = []
            for count in order.conversations:
                files.append(folder / f"{count}.json")
                words = (str(count), str(order.repeats), str(files[-1]))
                load = start(python_module("bots", "load", *words), env=env, shares_terminal=True)
                with running(load):
                    if code := keep_alive([ward], load.poll):
                        return code
        return _told(command, files, env, as_json=order.as_json)


def _told(command: str, files: Sequence[Path], env: Mapping[str, str], *, as_json: bool) -> int:
    if not all(file.is_file() for file in files):
        raise StartupError("The questions were not answered to their end.")
    words = [*map(str, files), *(["--json"] if as_json else [])]
    return run_in_terminal(python_module("worker", "bench", command, *words), env)


def bench_ingesting(messages: int, per_s: int, *, as_json: bool) -> int:
    """Measure how questions are accepted while no worker runs; return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as name,
        embedded_redis(Path(name) / "redis") as url,
    ):
        sizes = {"PARLEY_MAX_QUEUE": str(2 * messages + 1000)}
        env = {**with_setting("PARLEY_REDIS_URL", url), **sizes}
        words = [str(messages), str(per_s), *(["--json"] if as_json else [])]
        return run_in_terminal(python_module("bots", "ingest", *words), env)


POLL_S = 0.01
NO_ANSWER = "`parley chat` has ended without an answer: `parley doctor` says what is missing."
STAGES = {
    "command_s": "`parley --help`",
    "redis_s": "the embedded Redis",
    "worker_s": "a worker, its model loaded",
    "first_text_s": "`parley chat`, to the first text of an answer",
}


def bench_startup(repeats: int, *, as_json: bool) -> int:
    """Measure start-up times, each time from nothing; return the exit code.

    The files of the model are in the system's cache: the disk is not measured.

    Raises:
        ChildFailedError: a process did not start; with its own exit code.
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
