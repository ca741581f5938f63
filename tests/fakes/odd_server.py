"""Servers that are not what a setting says: each answers everything with the same bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator

PAGE = "<html><body>Welcome to nginx!</body></html>"


def http(status: str, media_type: str, body: str | bytes, *headers: str) -> bytes:
    """One answer, after which the connection is closed."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(content)}"]
    lines += ["Connection: close", *([f"Content-Type: {media_type}"] if media_type else [])]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


NO_API = {
    "a page": http("200 OK", "text/html", PAGE),
    "a page that says it is JSON": http("200 OK", "application/json", PAGE),
    "text": http("200 OK", "text/plain", "hello"),
    "no media type": http("200 OK", "", "x"),
    "nothing, as a page": http("200 OK", "text/html", ""),
    "nothing, as JSON": http("200 OK", "application/json", ""),
    "no content": http("204 No Content", "", ""),
    "a JSON list": http("200 OK", "application/json", "[]"),
    "an empty JSON object": http("200 OK", "application/json", "{}"),
    "a JSON text": http("200 OK", "application/json", '"hello"'),
    "a JSON null": http("200 OK", "application/json", "null"),
    "a JSON number": http("200 OK", "application/json", "1"),
    "JSON that says only that it is well": http("200 OK", "application/json", '{"ok": true}'),
    "JSON with an id alone": http("200 OK", "application/json", '{"ok": true, "id": "1"}'),
    "JSON with other types": http(
        "200 OK",
        "application/json",
        '{"ok": true, "id": {}, "username": 5, "user_id": null, "team_id": 1, "url": []}',
    ),
    "JSON of another's fault": http("200 OK", "application/json", '{"ok": false, "error": {}}'),
    "JSON that is nested for ever": http("200 OK", "application/json", "[" * 100_000),
    "bytes that are no text": http("200 OK", "text/html; charset=utf-8", b"\xff\xfe\x00"),
    "JSON in no known coding": http("200 OK", "application/json; charset=nonsense", "{}"),
    "a proxy that forbids it": http("403 Forbidden", "text/html", PAGE),
    "a page that is not there": http("404 Not Found", "text/html", PAGE),
    "a proxy that wants a password": http("407 Proxy Authentication Required", "text/html", PAGE),
    "a page that wants a password": http("401 Unauthorized", "text/html", PAGE),
}
"""What answers to HTTP, and is no API that we know."""
NO_HTTP = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a Redis": b"-ERR unknown command 'POST'\r\n",
    "a TLS port": b"\x15\x03\x01\x00\x02\x02\x46",
    "nothing": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc",
    "a broken coding": http("200 OK", "application/json", "plain", "Content-Encoding: gzip"),
    "a login that leads back to itself": http("302 Found", "text/html", "", "Location: /login"),
}
"""What does not, or not to the end."""
NO_REDIS = {
    "OK to everything": b"+OK\r\n" * 8,
    "a number": b":1\r\n" * 8,
    "nil": b"$-1\r\n" * 8,
    "an empty list": b"*0\r\n" * 8,
    "a text": b"$5\r\nhello\r\n" * 8,
    "a version that is none": b"$20\r\nredis_version:odd.x\r\n" * 8,
    "a page": NO_API["a page"],
    "another protocol": NO_HTTP["another protocol"],
    "a TLS port": NO_HTTP["a TLS port"],
    "nothing": b"",
}
"""What answers at the address of Redis, and is none."""


@contextlib.contextmanager
def odd_server(answer: bytes) -> Iterator[int]:
    """The port of a server that gives this answer to whatever it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, answer), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, answer), daemon=True).start()


def _answer(connection: socket.socket, answer: bytes) -> None:
    with connection, contextlib.suppress(OSError):
        is_lasting = answer.startswith((b"+", b":", b"$", b"*"))
        while connection.recv(65_536):
            connection.sendall(answer)
            if not is_lasting:
                connection.shutdown(socket.SHUT_WR)
