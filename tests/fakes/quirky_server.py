"""A model server that answers as it is told to: bytes for each request, in turn.

    with QuirkyServer([stream(text("Hello."), DONE)]) as server: ...

The last reply is given again and again. It knows nothing of any particular client.
"""

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DONE = "[DONE]"
Event = dict[str, Any] | str


@dataclass(frozen=True)
class Reply:
    """One reply to one request."""

    status: int = 200
    kind: str = "text/event-stream"
    pieces: tuple[bytes, ...] = ()
    pause_s: float = 0.0
    """Before the first piece and between all others."""
    is_cut: bool = False
    """Whether the connection is reset at the end, in the middle of the body."""


def text(content: object, **delta: object) -> Event:
    """A chunk with text."""
    return {"choices": [{"index": 0, "delta": {"content": content, **delta}}]}


def end(reason: str | None = "stop", **delta: object) -> Event:
    """A chunk with a finish reason."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def stream(*events: Event, pause_s: float = 0.0, is_cut: bool = False) -> Reply:
    """A stream of these events."""
    pieces = (each if isinstance(each, str) else json.dumps(each) for each in events)
    return Reply(
        pieces=tuple(f"data: {piece}\n\n".encode() for piece in pieces),
        pause_s=pause_s,
        is_cut=is_cut,
    )


def refusal(status: int, message: str, **error: object) -> Reply:
    """An error with a JSON body."""
    body = {"error": {"message": message, **error}}
    return Reply(status, "application/json", (json.dumps(body).encode(),))


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@dataclass
class QuirkyServer:
    """One server. Use it as a context manager."""

    replies: Sequence[Reply]
    models: Reply = field(
        default_factory=lambda: Reply(
            kind="application/json", pieces=(b'{"data": [{"id": "m", "object": "model"}]}',)
        )
    )
    """What it says when it is asked for its models."""
    root: str = "/v1"
    """The path under which it answers; all else is unknown to it."""
    port: int = 0
    """Where it listens; 0 for any."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """The body of each request, the oldest first."""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The address without a path."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = _Quiet(("127.0.0.1", self.port), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        quirky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Answer what asks for the models."""
                quirky.send(self, quirky.models if self._is_known() else NOT_FOUND)

            def do_POST(self) -> None:
                """Answer with the reply whose turn it is."""
                length = int(self.headers.get("Content-Length", 0))
                quirky.bodies.append(json.loads(self.rfile.read(length)))
                at = min(len(quirky.bodies), len(quirky.replies)) - 1
                quirky.send(self, quirky.replies[at] if self._is_known() else NOT_FOUND)

            def _is_known(self) -> bool:
                return self.path.startswith(quirky.root)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        """Send a reply in chunks."""
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.kind)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with contextlib.suppress(OSError):  # the client may have hung up
            for piece in reply.pieces:
                time.sleep(reply.pause_s)
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                handler.wfile.flush()
            if reply.is_cut:
                handler.close_connection = True
                return
            handler.wfile.write(b"0\r\n\r\n")


NOT_FOUND = Reply(404, "text/html", (b"<html>Not found</html>",))
