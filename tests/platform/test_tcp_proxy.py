"""The proxy does what tests ask of it, between two plain sockets."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.fakes.tcp_proxy import TcpProxy

TIMEOUT_S = 5.0
QUIET_S = 0.2
"""So long a wait for nothing: what is held back would have come within microseconds."""


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Something that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        yield listener


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[TcpProxy]:
    with TcpProxy(server.getsockname()[1]) as running:
        yield running


@contextlib.contextmanager
def connect(
    proxy: TcpProxy, server: socket.socket
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection through the proxy."""
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as near:
        far, _ = server.accept()
        with far:
            far.settimeout(TIMEOUT_S)
            yield near, far


def hears_nothing(end: socket.socket) -> bool:
    end.settimeout(QUIET_S)
    try:
        return end.recv(100) == b"never"
    except TimeoutError:
        return True
    finally:
        end.settimeout(TIMEOUT_S)


def test_bytes_and_goodbyes_pass_both_ways(proxy: TcpProxy, server: socket.socket) -> None:
    with connect(proxy, server) as (near, far):
        near.sendall(b"ask")
        assert far.recv(100) == b"ask"
        far.sendall(b"answer")
        assert near.recv(100) == b"answer"
        near.shutdown(socket.SHUT_WR)
        assert far.recv(100) == b""
    assert proxy.num_accepted == 1


def test_pause_holds_both_ways_back_until_resume(proxy: TcpProxy, server: socket.socket) -> None:
    with connect(proxy, server) as (near, far):
        proxy.pause()
        near.sendall(b"ask")
        far.sendall(b"answer")
        assert hears_nothing(far)
        assert hears_nothing(near)

        proxy.resume()

        assert (far.recv(100), near.recv(100)) == (b"ask", b"answer")


def test_pause_answers_lets_requests_through(proxy: TcpProxy, server: socket.socket) -> None:
    with connect(proxy, server) as (near, far):
        proxy.pause_answers()
        near.sendall(b"ask")
        assert far.recv(100) == b"ask"
        far.sendall(b"answer")
        assert hears_nothing(near)


def test_answers_pass_up_to_so_many_bytes_and_no_further(
    proxy: TcpProxy, server: socket.socket
) -> None:
    with connect(proxy, server) as (near, far):
        proxy.pause_answers_after(3)
        far.sendall(b"123456")
        assert near.recv(100) == b"123"
        assert hears_nothing(near)
        proxy.pause_answers_after(2)
        proxy.resume()
        assert near.recv(100) == b"45"
        assert hears_nothing(near)
        proxy.resume()
        assert near.recv(100) == b"6"


def test_reset_cuts_connections_and_what_is_held_back_in_them(
    proxy: TcpProxy, server: socket.socket
) -> None:
    with connect(proxy, server) as (near, far):
        proxy.pause_answers()
        far.sendall(b"answer")
        proxy.reset()

        with pytest.raises(ConnectionResetError):
            near.recv(100)
    proxy.resume()
    with connect(proxy, server) as (near, far):
        far.sendall(b"answer of the new one")
        assert near.recv(100) == b"answer of the new one"


def test_target_that_does_not_listen_is_a_closed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with (
        TcpProxy(port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as near,
    ):
        assert near.recv(100) == b""
