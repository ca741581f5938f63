"""The worker's checks for ``parley doctor``: the models, their devices, and the prompts."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared import bounds
from shared.checks import Check, print_checks
from shared.errors import ParleyError, StartupError, UnreadableDocumentError
from shared.jobs import CHAT_QUEUE
from shared.settings import Settings
from worker.knowledge.reader_pool import ReaderPool
from worker.prompts.library import read_library

if TYPE_CHECKING:
    from worker.engine.factory import OwnEngine

ONE_TOKEN = 1
MILLION = 1_000_000
NOT_READ = "not read; PARLEY_READ_PICTURES is for models that can see"


def report(settings: Settings) -> int:
    """Print one line per check; the exit code is 1 if one failed."""
    return print_checks(
        [
            *_check_model(settings),
            _check_device(settings),
            _check_prompts(settings),
            _check("embeddings", lambda: _embeddings(settings)),
            _check("sentiment", lambda: _sentiment(settings)),
            _check("translation", lambda: _translation(settings)),
            _check_files(),
        ]
    )


def _silent(_sentence: str) -> None:
    """Discard progress."""


def _check_model(settings: Settings) -> list[Check]:
    """The model's line, and the one about pictures, where it can be said."""
    if CHAT_QUEUE not in settings.queues:
        taken = ", ".join(sorted(settings.queues))
        return [Check.ok("model", f"not needed: PARLEY_QUEUES is {taken}")]
    if settings.engine == "openai":
        pictures = "passed on to the model server" if settings.read_pictures else NOT_READ
        return [_check_server(settings), Check.ok("pictures", pictures)]
    return _check_own_model(settings)


def _check_own_model(settings: Settings) -> list[Check]:
    from worker.engine.engine import EngineOptions  # noqa: PLC0415 - seconds of import
    from worker.engine.factory import build, choice_of, is_ready_to_build  # noqa: PLC0415 - the same
    from worker.engine.probe import open_proven  # noqa: PLC0415 - the same

    choice = choice_of(settings)
    try:
        if not is_ready_to_build(settings.engine, choice):
            return [
                Check.warn(
                    "model", f"{settings.model} is not prepared yet; the first start does that"
                )
            ]
        own = build(settings.engine, choice, EngineOptions(ONE_TOKEN, 1), _silent)
        try:
            open_proven(own)
            sight = _check_sight(settings, own)
        finally:
            own.engine.close()
    except ParleyError as error:
        return [Check.fail("model", str(error))]
    millions = own.info.num_parameters / MILLION
    found = (
        f"{own.info.name}, {millions:,.0f} M parameters, {own.kind} on {own.device}; it wrote a "
        "token"
    )
    return [Check.ok("model", found), sight]


def _check_server(settings: Settings) -> Check:
    try:
        return Check.ok("model", _served(settings))
    except StartupError as error:
        return Check.fail("model", str(error), error.exit_code)


def _served(settings: Settings) -> str:
    from worker.engine.remote.server import find_server  # noqa: PLC0415 - a second of import

    server = find_server(settings)
    return (
        f"{server.model} at {server.base_url}, {server.context_tokens:,} tokens; what people write "
        "is sent there"
    )


def _check_sight(settings: Settings, own: "OwnEngine") -> Check:
    """Whether the model sees; its engine is open."""
    from worker.chat_model import seeing  # noqa: PLC0415 - as above
    from worker.tasks.generate import chat_model_around  # noqa: PLC0415 - as above

    if not settings.read_pictures:
        return Check.ok("pictures", NOT_READ)
    chat_model, reason = seeing(own, chat_model_around(own.engine, own.info, own.engine.limits))
    if chat_model.can_see:
        return Check.ok("pictures", f"seen by {own.info.name} on {own.kind}")
    return Check.warn(
        "pictures",
        f"PARLEY_READ_PICTURES is 1, and {own.info.name} sees none on {own.kind} ({reason}); "
        "answers say so",
    )


def _check_device(settings: Settings) -> Check:
    from worker.engine.devices import pick_device, pick_dtype  # noqa: PLC0415 - seconds of import

    try:
        device = pick_device(settings.device)
    except ParleyError as error:
        return Check.fail("device", str(error))
    dtype = str(pick_dtype(settings.dtype, device)).removeprefix("torch.")
    return Check.ok("device", f"{device.type}, {dtype}; PARLEY_ENGINE is {settings.engine}")


def _check(name: str, find: Callable[[], str]) -> Check:
    """Run a check; report its finding, or the fault."""
    try:
        return Check.ok(name, find())
    except ParleyError as error:
        return Check.fail(name, str(error))


def _check_prompts(settings: Settings) -> Check:
    def find() -> str:
        library = read_library(settings.prompts_dir)
        where = f", some from {settings.prompts_dir}" if settings.prompts_dir else ""
        return f"{len(library.templates)} prompts{where}"

    return _check("prompts", find)


def _check_files() -> Check:
    """Start a process that reads files, and tell what holds for it on this machine."""
    with contextlib.closing(ReaderPool()) as readers:
        try:
            isolation = readers.isolation()
        except UnreadableDocumentError:
            return Check.fail(
                "files", "no process that reads them starts; a line with `why` says how it ended"
            )
    if not (isolation.has_no_descriptors and isolation.has_bounded_memory):
        return Check.warn(
            "files", "read in a process of its own, whose memory this system does not bound"
        )
    network = "in no network" if isolation.has_no_network else "without connections"
    megabytes = bounds.READ_MEMORY_BYTES // bounds.MB
    return Check.ok(
        "files",
        f"read in a process of its own, {network}, with {megabytes} MB and {bounds.READ_CPU_S} s",
    )


def _embeddings(settings: Settings) -> str:
    from worker.engine.encoders.embedder import load_embedder  # noqa: PLC0415 - seconds of import

    embedder = load_embedder(settings.embedding_model, settings.device, settings.cache_dir)
    width = embedder.embed([embedder.name]).shape[1]
    return f"{embedder.name}, vectors of {width} numbers"


def _sentiment(settings: Settings) -> str:
    from worker.sentiment.classifier import ClassifierChoice, load_classifier  # noqa: PLC0415 - the same

    load_classifier(ClassifierChoice(settings.cache_dir, settings.sentiment_model, settings.device))
    return "ours" if settings.sentiment_model == "default" else settings.sentiment_model


def _translation(settings: Settings) -> str:
    if settings.translation_model is None:
        return "by the chat model"
    from worker.engine.seq2seq import load_seq2seq  # noqa: PLC0415 - the same

    load_seq2seq(settings.translation_model, settings.device)
    return settings.translation_model
