"""Composition root of a worker: settings, model, engine, Celery.

``python -m worker`` runs one; ``python -m worker doctor`` prints its checks.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence

import redis

from shared.broker import build_celery, publish
from shared.errors import SettingsError, StartupError
from shared.ledger import Ready
from shared.logs import configure_logs, get_logger
from shared.settings import Settings, read_settings
from worker import doctor
from worker.app import add_tasks, worker_arguments
from worker.engine.generation import Sampling
from worker.leases import (
    SIGN_OF_LIFE_EVERY_S,
    SWEEP_EVERY_S,
    LeaseKeeper,
    SignOfLife,
    Ticker,
    sweep,
)
from worker.speech import say
from worker.store import open_store
from worker.tasks import Mind, Rules, TaskRunner

log = get_logger("worker")


def main(arguments: Sequence[str]) -> int:
    """Run the worker, or one of its commands; returns the exit code."""
    try:
        settings = read_settings(os.environ)
        configure_logs(settings.log_level)
        _quiet_foreign_loggers()
        match list(arguments):
            case []:
                return serve(settings)
            case ["doctor"]:
                return doctor.report(settings)
            case _:
                raise SettingsError("Usage: python -m worker [doctor].")
    except StartupError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def serve(settings: Settings) -> int:
    """Load the model and run jobs until a signal."""
    if settings.redis_url is None:
        raise SettingsError(
            "PARLEY_REDIS_URL is not set: name a Redis, or use `parley up`, which starts one."
        )
    redis_url = settings.redis_url.get_secret_value()
    store = open_store(redis_url, allow_volatile=settings.allow_volatile_redis)

    # Seconds of import: only a worker that is going to serve pays them.
    from worker.engine.batching import BatchingEngine, EngineOptions  # noqa: PLC0415
    from worker.engine.models import ModelChoice, load_model  # noqa: PLC0415

    choice = ModelChoice(settings.model, settings.device, settings.dtype, settings.cache_dir)
    loaded = load_model(choice, say)
    engine = BatchingEngine(
        loaded,
        EngineOptions(settings.max_new_tokens, settings.concurrency, settings.cache_tokens),
    )
    app = build_celery(redis_url)

    def wake(ready: Ready) -> None:
        publish(app, ready)

    keeper = LeaseKeeper(store, settings.lease_ms)
    mind = Mind(engine, loaded.tokenizer, engine.limits)
    name = f"{socket.gethostname()}:{os.getpid()}"
    runner = TaskRunner(store, mind, keeper, _rules(settings, name), wake)
    add_tasks(app, runner.run)
    life = SignOfLife(store, name, loaded.name, settings.concurrency, lambda: keeper.num_kept)
    tickers = (
        Ticker("leases", keeper.interval_s, keeper.renew_all),
        Ticker("sign-of-life", SIGN_OF_LIFE_EVERY_S, life.give),
        Ticker("sweep", SWEEP_EVERY_S, lambda: sweep(store, wake)),
    )
    is_lost = threading.Event()

    def end() -> None:
        is_lost.set()
        os.kill(os.getpid(), signal.SIGTERM)

    with contextlib.ExitStack() as stack:
        stack.callback(engine.close)
        # A worker without an engine is no use: end, and let the supervisor start another.
        engine.open(on_lost=end)
        for ticker in tickers:
            stack.enter_context(ticker)
        log.info("worker_ready", model=loaded.name, device=str(loaded.model.device))
        with contextlib.suppress(SystemExit):
            app.worker_main(worker_arguments(settings.concurrency))
    with contextlib.suppress(redis.RedisError, OSError):
        life.withdraw()
    return StartupError.exit_code if is_lost.is_set() else 0


def _rules(settings: Settings, worker: str) -> Rules:
    return Rules(
        worker=worker,
        system_prompt=settings.system_prompt,
        sampling=Sampling(settings.temperature, settings.top_p),
        deadline_s=settings.deadline_s,
        lease_ms=settings.lease_ms,
        max_attempts=settings.max_attempts,
        max_turns=settings.max_turns,
        retention_ms=settings.retention_ms,
    )


def _quiet_foreign_loggers() -> None:
    """Transformers' batching writes previews of prompts, with a handler of its own."""
    batching = logging.getLogger("ContinuousBatchingLogger")
    batching.setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
