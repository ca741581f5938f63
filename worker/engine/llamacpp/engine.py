"""llama.cpp's server and the remote engine that speaks to it, as one engine of the worker."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Final

from shared.errors import EngineError
from worker.engine.fault_isolation import FaultIsolation, RunSlot
from worker.engine.llamacpp.server import LlamaServer
from worker.engine.pictures import MAX_SIDE_ON_CPU, as_png_url, decode_url
from worker.engine.protocol import ModelInfo, Request
from worker.engine.remote.engine import RemoteEngine, RemoteGeneration
from worker.engine.remote.retries import BrokenStreamError, ServerAwayError
from worker.engine.remote.tokenizer import PlainTokenizer

DEATH_S: Final = 0.5
"""A process is gone milliseconds after its sockets; without that a stream only broke."""
POLL_S: Final = 0.02
PATIENCE_S: Final = 600.0
"""A large model takes minutes to load after its process died; a job's deadline comes before."""


class LlamaEngine(RemoteEngine):
    """Answers by a server of our own, which is started again when it dies. Thread-safe.

    A prompt that its server does not survive would take the others with it each time: after a death
    the answers that were in it are tried alone, as those of a batch are (``fault_isolation``).
    """

    def __init__(self, llama: LlamaServer, max_new_tokens: int | None, max_requests: int) -> None:
        """Load the model; takes as long as that takes.

        Args:
            llama: its server, not started yet.
            max_new_tokens: the longest answer; None: what is left.
            max_requests: the most concurrent answers.

        Raises:
            ModelUnavailableError: it cannot be loaded.
        """
        self._llama = llama
        # Only the loop's thread uses these three.
        self._isolation = FaultIsolation()
        self._known: set[str] = set()
        self._in_flight: dict[str, int] = {}
        """Answer -> the process that it is at, or was at when that died."""
        self._changed = asyncio.Event()
        server = llama.start()
        super().__init__(server, max_new_tokens, max_requests, PATIENCE_S)
        self.info = ModelInfo(
            name=server.model,
            tokenizer=PlainTokenizer(),
            eos_token_ids=(),
            context_tokens=server.context_tokens,
            num_parameters=server.num_parameters,
            max_new_tokens=max_new_tokens,
        )

    @property
    def can_see(self) -> bool:
        """Whether the model accepts pictures."""
        return self._llama.can_see

    @property
    def weight_bytes(self) -> int:
        """The bytes of weights that a step reads."""
        return self._llama.weight_bytes

    def open(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """Start the thread that speaks to the server, and watch over the server.

        Args:
            on_lost: called once if the server dies again and again; the process should end.
        """
        self._llama.watch(on_lost)
        super().open()

    def submit(self, request: Request) -> RemoteGeneration:
        """Send the request to the server. See ``protocol.Engine``.

        Pictures are sent as PNG and of a sane size: llama.cpp reads no WebP.

        Raises:
            UnreadablePictureError: one of them is damaged.
        """
        urls = [as_png_url(decode_url(url, MAX_SIDE_ON_CPU)) for url in request.pictures]
        return super().submit(dataclasses.replace(request, pictures=tuple(urls)))

    def close(self) -> None:
        """Stop; unfinished answers end as if cancelled."""
        super().close()
        self._llama.close()

    @contextlib.asynccontextmanager
    async def _turn(self, request_id: str) -> AsyncIterator[int | None]:
        """Wait until an answer may be at the server, and see whether the server survives it."""
        if request_id not in self._known:
            self._known.add(request_id)
            self._isolation.arrive(request_id)
        slot = await self._slot(request_id)
        pid = self._llama.pid
        if pid is not None:
            self._in_flight[request_id] = pid
        try:
            yield slot.max_tokens
        except (BrokenStreamError, ServerAwayError):
            if pid is not None and await self._has_died(pid):
                self._suspect(pid, request_id)
            raise
        finally:
            self._in_flight.pop(request_id, None)
        if slot.max_tokens is not None:
            self._isolation.acquit(request_id)
            self._tell()

    async def _slot(self, request_id: str) -> RunSlot:
        """Wait for the turn of an answer: its neighbours may be on trial."""
        while True:
            for slot in self._isolation.current():
                if slot.id == request_id:
                    return slot
            changed = self._changed
            await changed.wait()

    async def _has_died(self, pid: int) -> bool:
        """Whether a process has broken a stream: its sockets close a moment before it is gone."""
        deadline_s = self._loop.time() + DEATH_S
        while self._llama.pid == pid and self._loop.time() < deadline_s:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(POLL_S)
        return self._llama.pid != pid

    def _suspect(self, pid: int, request_id: str) -> None:
        """Have the answers tried alone that were in a process when it died.

        Raises:
            EngineError: this one was alone in it.
        """
        together = [each for each, process in self._in_flight.items() if process == pid]
        if request_id not in together:
            return  # another of them has reported that death
        for each in together:
            del self._in_flight[each]
        culprit = self._isolation.die(together)
        self._tell()
        if culprit is not None:
            raise EngineError("llama.cpp's server died with this request alone in it.")

    def _leave(self, request_id: str) -> None:
        self._known.discard(request_id)
        self._isolation.leave(request_id)
        self._tell()

    def _tell(self) -> None:
        """Let all that wait look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
