"""The connection to a model server: one request, its stream, and what its faults mean."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any, Final

import httpx2

from shared.errors import ModelServerRefusesError
from worker.engine.remote.refusal import Refusal, refusal_of
from worker.engine.remote.retries import BrokenStreamError, ServerAwayError
from worker.engine.remote.server import Server, address
from worker.engine.remote.stream import Chunk, NoStreamError, chunks_of

CONNECT_S: Final = 10.0
WRITE_S: Final = 60.0
"""A long prompt, or pictures, over a slow network."""
ENDING_S: Final = 1.0
"""For the count of tokens after the end; some servers keep the connection open."""
KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 5}
"""Seconds and probes after which a machine that vanished is known to be gone."""
IDLE_S: Final = 5.0
"""Connections are kept for less time than servers keep them (uvicorn: 5 s)."""
NO_MODEL_SERVER: Final = 404
"""Told for what answers with something that no model writes, such as a web page."""


class RefusedRequestError(Exception):
    """The server refuses a request as it is."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"status {refusal.status}")
        self.refusal = refusal


class Connection:
    """A client of one server; used by one event loop."""

    def __init__(self, server: Server, silent_s: float) -> None:
        """``silent_s``: a server that is silent for so long within an answer counts as gone."""
        self._silent_s = silent_s
        self._base_url = server.base_url
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {server.api_key}"},
            timeout=httpx2.Timeout(None, connect=CONNECT_S, write=WRITE_S),
            follow_redirects=True,
            transport=httpx2.AsyncHTTPTransport(
                limits=httpx2.Limits(
                    max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S
                ),
                socket_options=_socket_options(),
            ),
        )

    async def close(self) -> None:
        """End all connections."""
        await self._client.aclose()

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        """Send a request; the first chunk, an empty one, says that it was accepted.

        Raises:
            RefusedRequestError: the server refuses it.
            ServerAwayError: it cannot be reached, or is too busy.
            BrokenStreamError: the stream broke.
            StreamError: the stream reports an error.
            ModelServerRefusesError: what answers is no model server.
        """
        request = self._client.build_request("POST", address(self._base_url, path), json=body)
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.TransportError as error:
            # also a connection that is accepted and closed: a proxy before a server that is away
            raise ServerAwayError("does not answer") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ModelServerRefusesError(NO_MODEL_SERVER) from error
        async with contextlib.aclosing(_closing(response)) as data:
            if not response.is_success:
                await _raise_for(response)
            yield Chunk()
            try:
                async with contextlib.aclosing(_timed(chunks_of(data), self._silent_s)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except (httpx2.HTTPError, TimeoutError) as error:
                raise BrokenStreamError from error
            except NoStreamError as error:
                raise ModelServerRefusesError(NO_MODEL_SERVER) from error


async def _closing(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for data in response.aiter_bytes():
            yield data
    finally:
        await response.aclose()


async def _timed(
    chunks: AsyncGenerator[Chunk, None], silent_s: float
) -> AsyncGenerator[Chunk, None]:
    """The chunks, with a limit for the silence between them once there is text.

    Raises:
        TimeoutError: nothing came for too long.
    """
    has_text = has_ended = False
    while True:
        limit_s = ENDING_S if has_ended else silent_s if has_text else None
        try:
            async with asyncio.timeout(limit_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if has_ended:
                return
            raise
        has_text = has_text or bool(chunk.pieces)
        has_ended = has_ended or chunk.reason is not None
        yield chunk


async def _raise_for(response: httpx2.Response) -> None:
    """Raise what a status means."""
    try:
        await response.aread()
    except httpx2.HTTPError as error:
        raise BrokenStreamError from error
    status = response.status_code
    refusal = refusal_of(status, response.text)
    if refusal.may_pass:
        is_loading = "load" in refusal.words.lower() and status == httpx2.codes.SERVICE_UNAVAILABLE
        raise ServerAwayError(f"answers {status}", _retry_after_s(response), is_loading=is_loading)
    raise RefusedRequestError(refusal)


def _retry_after_s(response: httpx2.Response) -> float | None:
    told = response.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else None


def _socket_options() -> list[tuple[int, int, int]]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in KEEPALIVE.items():
        if number := getattr(socket, name, None):  # not every system has all of them
            options.append((socket.IPPROTO_TCP, number, value))
    return options
