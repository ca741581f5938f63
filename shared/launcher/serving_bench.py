"""``parley bench serve`` and ``ingest``: what they measure has a Redis of its own.

For ``serve`` there is a worker and a load of questions, and what to compare it to; for ``ingest``
nobody answers.
"""

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared.errors import StartupError
from shared.launcher.embedded_redis import embedded_redis
from shared.launcher.processes import python_module, run_in_terminal, running, start, with_setting
from shared.launcher.sessions import Ward, keep_alive
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class ServingOrder:
    """What is to be measured."""

    concurrency: int
    """Conversations at once."""
    new_tokens: int
    """The most of an answer."""
    repeats: int
    as_json: bool


def bench_serving(settings: Settings, order: ServingOrder) -> int:
    """Measure the whole way of a message; returns the exit code.

    A Redis of its own, so that nobody's questions are among those that count. The worker ends
    before the bare engine is measured, which would share the processor with it else.

    Raises:
        StartupError: something could not start; a worker's own sentence says why.
    """
    sizes = {
        "PARLEY_MAX_NEW_TOKENS": str(order.new_tokens),
        "PARLEY_QUEUES": "chat",
        "PARLEY_CONCURRENCY": str(max(order.concurrency, settings.concurrency)),
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
            measured = folder / "load.json"
            words = (str(order.concurrency), str(order.repeats), str(measured))
            load = start(python_module("bots", "load", *words), env=env, shares_terminal=True)
            stack.enter_context(running(load))
            if code := keep_alive([ward], load.poll):
                return code
        if not measured.is_file():
            raise StartupError("The questions were not answered to their end.")
        more = ["--json"] if order.as_json else []
        return run_in_terminal(python_module("worker", "bench", "serve", str(measured), *more), env)


def bench_ingesting(messages: int, per_s: int, *, as_json: bool) -> int:
    """Measure how questions are taken while nobody answers; returns the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as name,
        embedded_redis(Path(name) / "redis") as url,
    ):
        sizes = {"PARLEY_MAX_QUEUE": str(2 * messages + 1000)}
        env = {**with_setting("PARLEY_REDIS_URL", url), **sizes}
        words = [str(messages), str(per_s), *(["--json"] if as_json else [])]
        return run_in_terminal(python_module("bots", "ingest", *words), env)
