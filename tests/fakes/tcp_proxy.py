"""A TCP proxy on loopback that misbehaves when asked: holds bytes back, or cuts connections.

For what a network does between two programs that are both well: a partition, a connection that is
half open, an answer that gets lost. It runs in threads of its own and knows no protocol.
"""

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Self

CHUNK_BYTES = 65_536
JOIN_S = 5.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends a reset instead of a goodbye."""
Pair = tuple[socket.socket, socket.socket]
"""The two ends of one connection: the client's and the target's."""


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to another one."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        """Where new connections lead; change it to move a service, as after a failover."""
        self._requests_flow = threading.Event()
        self._answers_flow = threading.Event()
        self._lock = threading.Lock()
        self._pairs: set[Pair] = set()
        self._threads: list[threading.Thread] = []
        self._is_closing = False
        self.port = 0
        self.num_accepted = 0
        """Connections so far."""
        self._held: list[bytes] = []
        self._answers_left: int | None = None

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.resume()
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        # Closing a listener does not wake the thread that waits on it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(JOIN_S)  # or it would add a connection after the others are cut
        self._listener.close()
        self.resume()
        self.reset()
        for thread in list(self._threads):
            thread.join(JOIN_S)

    def pause(self) -> None:
        """Hold back everything from now on; connections stay open, and new ones are taken."""
        self._requests_flow.clear()
        self._answers_flow.clear()

    def pause_answers(self) -> None:
        """Let requests through, but hold back what the target says to them."""
        self._answers_flow.clear()

    def pause_answers_after(self, num_bytes: int) -> None:
        """The same, once so many more bytes have been let through."""
        self._answers_left = num_bytes

    def resume(self) -> None:
        """Let through what was held back and all that follows."""
        self._requests_flow.set()
        self._answers_flow.set()

    def reset(self) -> None:
        """Cut every connection, with what is held back in it; new ones are taken."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for sock in itertools.chain.from_iterable(pairs):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
            sock.close()

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:  # whoever has seen the target's end can cut the connection
                try:
                    target = socket.create_connection(("127.0.0.1", self.target_port))
                except OSError:
                    client.close()
                    continue
                pair = (client, target)
                self._pairs.add(pair)
                self.num_accepted += 1
            self._run(self._pump, pair, client, target, self._requests_flow)
            self._run(self._pump, pair, target, client, self._answers_flow)

    def is_holding(self, text: bytes = b"") -> bool:
        """Whether a piece of data with this in it is held back now."""
        with self._lock:
            return any(text in chunk for chunk in self._held)

    def _parts(self, chunk: bytes, flow: threading.Event) -> Iterator[bytes]:
        """The chunk, cut where answers are held back from then on."""
        while flow is self._answers_flow and chunk and (left := self._answers_left) is not None:
            yield chunk[:left]
            chunk, self._answers_left = chunk[left:], max(0, left - len(chunk))
            if self._answers_left == 0:
                self._answers_left = None
                flow.clear()
                self._hold(chunk, flow)
        if chunk:
            yield chunk

    def _hold(self, chunk: bytes, flow: threading.Event) -> None:
        with self._lock:
            self._held.append(chunk)
        flow.wait()
        with self._lock:
            self._held.remove(chunk)

    def _pump(
        self, pair: Pair, source: socket.socket, sink: socket.socket, flow: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                for part in self._parts(chunk, flow):
                    self._hold(part, flow)
                    sink.sendall(part)
        flow.wait()  # a goodbye is held back like everything else
        with self._lock:
            if pair in self._pairs:  # it was not cut
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
