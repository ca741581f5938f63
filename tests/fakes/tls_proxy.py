"""TLS in front of a server that has none, as stunnel: the embedded Redis is built without TLS."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.certificates import Signed

CHUNK_BYTES = 65_536
FAREWELL_S = 2.0


@contextlib.contextmanager
def tls_proxy(target_port: int, own: Signed, client_ca: Path | None = None) -> Iterator[int]:
    """Listen on a free port of 127.0.0.1 while the block runs; yields the port.

    Args:
        target_port: where what was decrypted goes.
        own: the server's certificate.
        client_ca: the authority of the certificates that clients must have; None: they need none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    open_sockets: set[socket.socket] = set()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                open_sockets.add(client)
                threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
                threads[-1].start()

    def serve(client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            _shake_hands(context, client) as upper,
            socket.create_connection(("127.0.0.1", target_port)) as lower,
        ):
            open_sockets.update((upper, lower))
            _pump(upper, lower)

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        for sock in (listener, *open_sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        listener.close()


def _shake_hands(context: ssl.SSLContext, client: socket.socket) -> ssl.SSLSocket:
    """The client's socket in TLS; a client that is refused hears why before it is closed."""
    try:
        return context.wrap_socket(client.dup(), server_side=True)
    except ssl.SSLError:
        client.shutdown(socket.SHUT_WR)
        client.settimeout(FAREWELL_S)
        while client.recv(CHUNK_BYTES):  # closing with something unread would be a reset
            pass
        raise


def _pump(upper: ssl.SSLSocket, lower: socket.socket) -> None:
    """Pass bytes on in both directions until one side closes."""
    while True:
        ready = [upper] if upper.pending() else select.select([upper, lower], [], [])[0]
        for source in ready:
            chunk = source.recv(CHUNK_BYTES)
            if not chunk:
                return
            (lower if source is upper else upper).sendall(chunk)
