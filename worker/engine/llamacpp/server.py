"""llama.cpp's server as a part of the worker: started, watched, started again, ended with it.

The worker speaks to it as to any model server (``worker.engine.remote``), which waits for one that
is away for a moment and goes on with its answers.
"""

import contextlib
import dataclasses
import importlib.util
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psutil

from shared.errors import ModelUnavailableError
from shared.logs import get_logger
from worker.engine.gguf import fields_of
from worker.engine.openvino.files import ModelSource, projector_of
from worker.engine.remote.server import LLAMACPP, Server, describe

log = get_logger(__name__)

COMMAND: Final = (sys.executable, "-m", "worker.engine.llamacpp.process")
HOST: Final = "127.0.0.1"
KEY_BYTES: Final = 16
CACHE_SHARE: Final = 0.3
"""Of the free memory; the weights lie beside it."""
TOKENS_A_REQUEST: Final = 4096
CACHE_BYTES_A_NUMBER: Final = 2
"""Keys and values are float16."""
MAX_DEATHS: Final = 6
"""In a row, without a minute between; then the worker ends."""
STEADY_S: Final = 60.0
STOP_TIMEOUT_S: Final = 10.0


def is_installed() -> bool:
    """Whether llama.cpp is here."""
    return importlib.util.find_spec("xllamacpp") is not None


class LlamaServer:
    """One server process after the other, at one address."""

    def __init__(
        self,
        source: ModelSource,
        max_requests: int,
        cache_tokens: int | None,
        *,
        reads_pictures: bool = False,
    ) -> None:
        """Read what the file says of itself; nothing is started.

        Args:
            source: the file.
            max_requests: the most concurrent answers.
            cache_tokens: size of the cache; None: from the free memory.
            reads_pictures: whether a projector beside the file is loaded.

        Raises:
            ModelUnavailableError: the file is damaged.
        """
        file = source.find()
        fields = fields_of(file)
        self._context = _context_tokens(fields)
        tokens = cache_tokens or _cache_tokens(fields, file, max_requests, self._context)
        self._options = {
            "file": str(file),
            "name": source.name,
            "port": _free_port(),
            "key": secrets.token_hex(KEY_BYTES),
            "max_requests": max_requests,
            "cache_tokens": tokens,
            "pictures": projector_of(source) if reads_pictures else "",
        }
        self.weight_bytes = file.stat().st_size
        self._lock = threading.Lock()
        """While a process is started, so that none begins behind the end."""
        self._process: subprocess.Popen[str] | None = None
        self._watch: threading.Thread | None = None
        self._is_closing = threading.Event()

    @property
    def can_see(self) -> bool:
        """Whether a projector for pictures was found beside the file."""
        return bool(self._options["pictures"])

    @property
    def pid(self) -> int | None:
        """Its process, unless that has ended."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def open(self, on_lost: Callable[[], None] = lambda: None) -> Server:
        """Start it and wait until it answers; then see to it that it is there.

        Args:
            on_lost: called once if it dies again and again.

        Raises:
            ModelUnavailableError: it cannot load the model.
        """
        server = self.start()
        self.watch(on_lost)
        return server

    def start(self) -> Server:
        """Start it and wait until it answers.

        Raises:
            ModelUnavailableError: it cannot load the model.
        """
        if reason := self._start():
            self.close()
            beside = Path(str(self._options["pictures"])).name
            projector = f" with its projector {beside}" if beside else ""
            advice = " PARLEY_READ_PICTURES=0 does without it." if beside else ""
            raise ModelUnavailableError(
                f"The model {self._options['name']} cannot be loaded by llama.cpp{projector} "
                f"({reason}).{advice}"
            )
        told = describe(
            f"http://{HOST}:{self._options['port']}/v1",
            str(self._options["key"]),
            str(self._options["name"]),
        )
        tokens = min(self._context, int(str(self._options["cache_tokens"])))
        return dataclasses.replace(told, context_tokens=tokens, owner=LLAMACPP)

    def watch(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """Start the process again whenever it ends.

        Args:
            on_lost: called once if it dies again and again.
        """
        self._watch = threading.Thread(target=self._restart, args=(on_lost,), daemon=True)
        self._watch.start()

    def close(self) -> None:
        """End it."""
        self._is_closing.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()
        if self._watch is not None and self._watch is not threading.current_thread():
            self._watch.join(STOP_TIMEOUT_S)
        if process is not None:
            _bury(process)

    def _start(self) -> str:
        """Start a process; return why it cannot serve, empty once it does."""
        with self._lock:
            if self._is_closing.is_set():
                return "it is closed"
            self._process = process = subprocess.Popen(  # noqa: S603 - our own module, in this Python
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            return "it has no pipes"
        with contextlib.suppress(OSError):
            stdin.write(json.dumps(self._options) + "\n")
            stdin.flush()
        line = stdout.readline()
        if not line:
            return f"it ended with {process.wait()}"
        said: dict[str, str] = json.loads(line)
        return said.get("error", "")

    def _restart(self, on_lost: Callable[[], None]) -> None:
        """Start the process again whenever it ends, until it does so again and again."""
        num_deaths = 0
        while (process := self._process) is not None:
            begun_s = time.monotonic()
            code = process.wait()
            if self._is_closing.is_set():
                return
            _bury(process)
            num_deaths = num_deaths + 1 if time.monotonic() - begun_s < STEADY_S else 1
            log.error("llamacpp_died", exit_code=code, num_deaths=num_deaths)
            if num_deaths > MAX_DEATHS:
                break
            if reason := self._start():
                log.error("llamacpp_not_started", error=reason)
        on_lost()


def _bury(process: subprocess.Popen[str]) -> None:
    """Wait for a process that ends, and close what led to it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _context_tokens(fields: dict[str, Any]) -> int:
    return int(fields.get(f"{fields.get('general.architecture')}.context_length", 2048))


def _cache_tokens(fields: dict[str, Any], file: Path, max_requests: int, context: int) -> int:
    """Tokens whose keys and values fit into the memory beside the weights."""
    architecture = fields.get("general.architecture")

    def number(name: str, default: int) -> int:
        value = fields.get(f"{architecture}.{name}", default)
        return int(value) if isinstance(value, int | float) else default

    heads = number("attention.head_count", 1)
    width = number("attention.key_length", number("embedding_length", 1) // max(1, heads))
    kv_heads = number("attention.head_count_kv", heads)
    a_token = 2 * number("block_count", 1) * kv_heads * width * CACHE_BYTES_A_NUMBER
    free = max(0, psutil.virtual_memory().available - file.stat().st_size)
    fitting = int(free * CACHE_SHARE) // max(1, a_token)
    return max(2048, min(fitting, max(context, TOKENS_A_REQUEST * max_requests)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
