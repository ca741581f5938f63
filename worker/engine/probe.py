"""One token before a worker says that it is ready: what cannot compute says so at once."""

import secrets
import threading
from collections.abc import Callable

from shared.errors import EngineError, ModelUnavailableError
from worker.engine.factory import OwnEngine
from worker.engine.protocol import GREEDY, Request

PROBE = "Hello"
TOO_LITTLE_MEMORY = ("OutOfMemoryError", "MemoryError")


def open_proven(own: OwnEngine, on_lost: Callable[[], None] = lambda: None) -> None:
    """Open an engine and let it write one token.

    Args:
        own: an engine that is not open yet.
        on_lost: as of ``BatchingEngine.open``; not called for what happens here.

    Raises:
        ModelUnavailableError: it cannot be opened, or writes nothing.
    """
    is_proven = threading.Event()

    def lost() -> None:
        if is_proven.is_set():
            on_lost()

    try:
        own.engine.open(on_lost=lost)
        _write_one_token(own)
    except (EngineError, MemoryError, RuntimeError, ValueError, OSError, ImportError) as error:
        raise ModelUnavailableError(_why(own, error)) from error
    is_proven.set()


def _write_one_token(own: OwnEngine) -> None:
    """Have one token written.

    Raises:
        EngineError: it was not.
    """
    ids = own.info.tokenizer.encode(PROBE, add_special_tokens=True) or [0]
    request = Request(f"probe-{secrets.token_hex(8)}", tuple(ids), 1, GREEDY)
    generation = own.engine.submit(request)
    for _ in generation:
        pass
    if generation.num_tokens != 1:
        raise EngineError("no token came")


def _why(own: OwnEngine, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0].rstrip(".")[:300] if str(error).strip() else ""
    cause = reason or type(error).__name__
    is_memory = any(name in f"{type(error).__name__} {cause}" for name in TOO_LITTLE_MEMORY)
    advice = (
        "There is too little memory: set PARLEY_CACHE_TOKENS or PARLEY_CONCURRENCY lower, or "
        "choose a smaller model or a quantised form of it"
        if is_memory
        else "Choose another PARLEY_ENGINE or PARLEY_MODEL, or leave PARLEY_DTYPE and "
        "PARLEY_DEVICE on auto"
    )
    return (
        f"The model {own.info.name} was loaded by {own.kind} on {own.device} but writes no token "
        f"({cause}). {advice}."
    )
