"""llama.cpp's server and the remote engine that speaks to it, as one engine of the worker."""

import dataclasses
from collections.abc import Callable
from typing import Final

from worker.engine.llamacpp.server import LlamaServer
from worker.engine.pictures import MAX_SIDE_ON_CPU, as_png_url, decode_url
from worker.engine.protocol import ModelInfo, Request
from worker.engine.remote.engine import RemoteEngine, RemoteGeneration
from worker.engine.remote.tokenizer import PlainTokenizer

PATIENCE_S: Final = 600.0
"""A large model takes minutes to load after its process died; a job's deadline comes before."""


class LlamaEngine(RemoteEngine):
    """Answers by a server of our own, which is started again when it dies. Thread-safe."""

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
