"""A model server that answers by a function of what it is asked, byte by byte.

    with ScriptedServer(lambda body, number: [event(delta("Hello"))]) as server:
        ...

It knows nothing of any particular client.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends a reset instead of a goodbye."""
MODEL = "quirky"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A whole response, in place of a stream."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()


CUT = WholeReply(0, b"")
"""The connection is reset."""
Script = Callable[[dict[str, Any], int], Iterable[bytes | WholeReply]]
"""The body of a request and its number, from 0 -> what is written."""


def reply(status: int, said: object, *headers: tuple[str, str]) -> WholeReply:
    """A whole response in JSON."""
    return WholeReply(status, json.dumps(said).encode(), headers=headers)


def event(chunk: object) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def choice(**values: object) -> dict[str, Any]:
    """A chunk with one choice."""
    return {"id": "a", "object": "chat.completion.chunk", "choices": [{"index": 0, **values}]}


def delta(content: object, reason: str | None = None, **others: object) -> dict[str, Any]:
    """A chunk with a piece of text."""
    return choice(delta={"content": content, **others}, finish_reason=reason)


def end(reason: object = "stop") -> dict[str, Any]:
    """A chunk with the finish reason."""
    return choice(delta={}, finish_reason=reason)


def events(*chunks: object) -> list[bytes]:
    """A stream that ends as it should."""
    return [*map(event, chunks), DONE]


class ScriptedServer:
    """Listens on a free port of 127.0.0.1."""

    def __init__(
        self, script: Script, listed: WholeReply | None = None, port: int = 0, prefix: str = "/v1"
    ) -> None:
        """Prepare it.

        Args:
            script: what it answers.
            listed: its answer to the question for its models; None: one model.
            port: 0 for a free one.
            prefix: where its API begins.
        """
        self._script = script
        self._listed = listed or reply(200, {"data": [{"id": MODEL, "owned_by": "tests"}]})
        self._prefix = prefix
        self._lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        """Of all requests for answers, the oldest first."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.list_models(self)

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def list_models(self, handler: BaseHTTPRequestHandler) -> None:
        is_asked = handler.path == f"{self._prefix}/models"
        page = WholeReply(200, b"<!doctype html><title>Hello</title>", "text/html")
        _send(handler, self._listed if is_asked else page)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        body = json.loads(handler.rfile.read(length))
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
        has_begun = False
        for part in self._script(body, number):
            if part is CUT:
                _reset(handler)
                return
            if isinstance(part, WholeReply):
                _send(handler, part)
                return
            if not has_begun:
                has_begun = True
                handler.send_response(200)
                handler.send_header("Content-Type", "text/event-stream")
                handler.send_header("Transfer-Encoding", "chunked")
                handler.end_headers()
            try:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                handler.wfile.flush()
            except OSError:  # the client has left
                handler.close_connection = True
                return
        handler.wfile.write(b"0\r\n\r\n")


def _send(handler: BaseHTTPRequestHandler, said: WholeReply) -> None:
    handler.send_response(said.status)
    handler.send_header("Content-Type", said.content_type)
    handler.send_header("Content-Length", str(len(said.body)))
    for name, value in said.headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(said.body)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    handler.connection.close()
