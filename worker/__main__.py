"""The composition root of a worker: settings, model, engine, Celery.

``python -m worker`` runs one; ``python -m worker doctor`` prints its checks. Its other commands are
in ``worker.commands``.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.errors import SettingsError, StartupError
from shared.jobs import CHAT_QUEUE
from shared.ledger.celery import build_celery, publish
from shared.ledger.lifecycle import Claimant, Ready
from shared.ledger.status import WorkerStart, WorkerState
from shared.logs import configure_logs, get_logger
from shared.settings import Settings, read_settings
from worker import doctor
from worker.celery_worker import add_tasks, make_tough, queues_of, run_celery, worker_arguments
from worker.chat_model import ChatModels, chat_model_of
from worker.console import say
from worker.handlers import Aids, handlers_of
from worker.heartbeat import SIGN_OF_LIFE_EVERY_S, SWEEP_EVERY_S, Heartbeat, Ticker, sweep
from worker.knowledge.reader_pool import ReaderPool
from worker.leases import PAUSE_S, LeaseKeeper, Listener
from worker.runner import TaskRunner
from worker.sentiment.rater import Rater
from worker.sentiment.ratings import Classifier
from worker.shutdown import EXIT_FORCED, FORCED_AFTER_S, Shutdown, leave_at_sigterm, stay
from worker.starts import StartRecord, model_name_of
from worker.store import BlockingStore, open_store
from worker.tasks.generate import ChatModel
from worker.watchdog import CHECK_EVERY_S, DEAF_AFTER_CHECKS, EngineWatchdog

log = get_logger("worker")


def main(arguments: Sequence[str]) -> int:
    """Run the worker, or one of its commands; return the exit code."""
    try:
        settings = read_settings(os.environ)
        configure_logs(settings.log_level)
        _quiet_foreign_loggers()
        match list(arguments):
            case []:
                return serve(settings)
            case ["paced", tokens_per_s]:
                from worker.benches.paced_engine import paced_chat_model  # noqa: PLC0415 - only a bench needs it

                return serve(
                    settings,
                    chat_models=lambda _settings, _timeout_s, abandon: paced_chat_model(
                        settings, float(tokens_per_s), abandon
                    ),
                )
            case ["doctor"]:
                return doctor.report(settings)
            case words:
                from worker import commands  # noqa: PLC0415 - a worker needs no commands

                configure_logs(settings.log_level, sys.stderr)  # standard output is for the result
                return commands.run(settings, words)
    except StartupError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


@dataclass(frozen=True, slots=True)
class Patience:
    """Timeouts: when a silent part counts as stuck, and when the process is forced to exit."""

    stall_timeout_s: float = 120.0
    """One step of a large model on a slow CPU takes tens of seconds; none takes two minutes."""
    deaf_after_checks: int = DEAF_AFTER_CHECKS
    forced_after_s: float = FORCED_AFTER_S


PATIENCE = Patience()
NO_MODEL = "no chat model"
"""The model name that a worker without a chat model reports."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a worker that exist before its model is loaded."""

    settings: Settings
    redis_url: str
    store: BlockingStore
    keeper: LeaseKeeper
    life: Heartbeat
    shutdown: Shutdown
    start: StartRecord
    patience: Patience
    chat_models: ChatModels


def serve(
    settings: Settings, patience: Patience = PATIENCE, chat_models: ChatModels = chat_model_of
) -> int:
    """Load the model and run jobs until a signal; return the exit code.

    Args:
        settings: the worker's.
        patience: the timeouts for its silent parts.
        chat_models: the factory of its chat model; see ``chat_model.chat_model_of``.
    """
    if settings.redis_url is None:
        raise SettingsError(
            "PARLEY_REDIS_URL is not set: name a Redis, or use `parley up`, which starts one."
        )
    redis_url = settings.redis_url.get_secret_value()
    store = open_store(redis_url, allow_volatile=settings.allow_volatile_redis)
    keeper = LeaseKeeper(store, settings.lease_ms)
    slots = settings.concurrency if CHAT_QUEUE in settings.queues else 0
    model = model_name_of(settings) if slots else NO_MODEL
    life = Heartbeat(store, _name(), model, slots, lambda: keeper.num_kept)

    def close() -> None:
        keeper.close()
        life.become(WorkerState.STOPPING)

    shutdown = Shutdown(settings.stop_s, close, keeper.hand_back, patience.forced_after_s)
    shutdown.open()
    leave_at_sigterm(shutdown)
    start = StartRecord(store, WorkerStart(_name(), socket.gethostname(), model, slots), shutdown)
    parts = _Parts(settings, redis_url, store, keeper, life, shutdown, start, patience, chat_models)
    is_well = True
    with contextlib.ExitStack() as stack:
        stack.callback(life.withdraw)
        stack.enter_context(Ticker("sign-of-life", SIGN_OF_LIFE_EVERY_S, life.give))
        stack.callback(stay)
        with contextlib.suppress(SystemExit), start.recorded():
            is_well = _load_and_answer(parts)
    if shutdown.is_abandoned:
        # At exit the interpreter may wait for a thread that never returns from the model.
        sys.stdout.flush()
        os._exit(EXIT_FORCED)
    return 0 if is_well else StartupError.exit_code


def _load_and_answer(parts: _Parts) -> bool:
    """Load what is needed and run jobs; return whether a signal ended that."""

    def abandon() -> None:
        """End this worker, which cannot answer any more; its supervisor starts another."""
        parts.shutdown.abandon()
        os.kill(os.getpid(), signal.SIGTERM)

    needs_chat_model = CHAT_QUEUE in parts.settings.queues
    with _loaded(parts, abandon) if needs_chat_model else contextlib.nullcontext() as chat_model:
        return _answer(parts, chat_model, abandon)


@contextlib.contextmanager
def _loaded(parts: _Parts, abandon: Callable[[], None]) -> Iterator[ChatModel]:
    """The loaded chat model, while the block runs."""
    with parts.chat_models(parts.settings, parts.patience.stall_timeout_s, abandon) as (
        model,
        chat_model,
    ):
        parts.life.model = model
        yield chat_model


def _answer(parts: _Parts, chat_model: ChatModel | None, abandon: Callable[[], None]) -> bool:
    """Run jobs until Celery ends; return whether a signal ended it."""
    settings, store, keeper = parts.settings, parts.store, parts.keeper
    app = build_celery(parts.redis_url)
    queues = queues_of(parts.life.model, settings.queues)

    def wake(ready: Ready) -> None:
        publish(app, ready)

    claimant = Claimant(_name(), "", settings.lease_ms, settings.max_attempts)
    rater = _rater(settings)
    if settings.sentiment_channels:
        rater.open()  # a model that cannot be loaded must fail now
    readers = ReaderPool()
    handlers = handlers_of(settings, store, chat_model, parts.life.model, Aids(rater, readers))
    runner = TaskRunner(store, handlers, keeper, claimant, wake, settings.deadline_s)
    add_tasks(app, runner.run)
    make_tough(app, parts.shutdown.ask)
    watchdog = EngineWatchdog(
        keeper,
        lambda: runner.num_taken,
        lambda: sum(store.client.llen(name) for name in queues),
        abandon,
        num_slots=settings.concurrency,
        deaf_after_checks=parts.patience.deaf_after_checks,
    )
    listener = Listener(store, keeper)
    with contextlib.ExitStack() as stack:
        stack.callback(rater.close)
        stack.callback(readers.close)
        stack.callback(listener.close)
        for ticker in (
            Ticker("leases", keeper.interval_s, keeper.renew_all),
            Ticker("look", PAUSE_S, listener.listen),
            Ticker("sweep", SWEEP_EVERY_S, lambda: sweep(store, wake)),
            Ticker("watchdog", CHECK_EVERY_S, watchdog.check),
        ):
            stack.enter_context(ticker)
        parts.life.become(WorkerState.READY)
        parts.start.succeed()
        log.info("worker_ready", model=parts.life.model)
        arguments = worker_arguments(settings.concurrency, queues)
        return run_celery(app, arguments, lambda: parts.shutdown.is_asked)


def _rater(settings: Settings) -> Rater:
    """The sentiment model, loaded at its first use."""

    def load() -> Classifier:
        from worker.sentiment.classifier import (  # noqa: PLC0415 - as of the chat model
            ClassifierChoice,
            load_classifier,
        )

        return load_classifier(
            ClassifierChoice(settings.cache_dir, settings.sentiment_model, settings.device)
        )

    return Rater(load)


def _name() -> str:
    """This worker's name among all that use the same Redis."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _quiet_foreign_loggers() -> None:
    """Silence Transformers' batching, which logs previews of prompts with a handler of its own."""
    batching = logging.getLogger("ContinuousBatchingLogger")
    batching.setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
