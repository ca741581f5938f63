"""A Redis that a test may start, kill, fill up and start again, alone or as a pair with a replica.

It keeps its port and its folder over all its lives. Nothing here knows what Parley stores in it.
"""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
import redis.backoff
import redis.retry

from shared.cli.embedded_redis import find_redis_server
from shared.cli.processes import start, stop
from tests.e2e.conftest import free_port
from tests.fakes.tcp_proxy import TcpProxy

START_S = 20.0
POLL_S = 0.05
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
"""As docs/operations.md wants it."""
IGNORE_FILE_SIZE_SIGNAL = "trap '' XFSZ; exec \"$@\""
"""A write above RLIMIT_FSIZE then fails, as on a full disk, instead of killing the writer."""


class RedisServer:
    """One Redis on 127.0.0.1.

    Args:
        folder: where it keeps its data and its log.
        options: more of its settings; ``requirepass`` is its password, else it has none.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] = DURABLE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_port()
        self.log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._password = options.get("requirepass")
        ours = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(folder), "save": ""}
        self._options = [
            word for key, value in {**ours, **options}.items() for word in (f"--{key}", value)
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where processes reach it."""
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """Its present life, or the last one."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Start it, and wait until it answers."""
        shell = ["sh", "-c", IGNORE_FILE_SIZE_SIGNAL, "sh"]
        self._process = start([*shell, find_redis_server(), *self._options], log=self.log)
        with self.connect() as client:
            assert client.ping(), self.log.read_text()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        stop(self.process)

    def leave_room(self, num_bytes: int) -> None:
        """Let its append-only file grow by so much and no more, as a disk does that fills up."""
        size = max(file.stat().st_size for file in (self._folder / "appendonlydir").iterdir())
        limits = (size + num_bytes, resource.RLIM_INFINITY)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, limits)

    def connect(self) -> redis.Redis:
        """A client that waits for it to answer. The caller closes it."""
        patient = redis.retry.Retry(redis.backoff.ConstantBackoff(POLL_S), round(START_S / POLL_S))
        return redis.Redis(port=self.port, password=self._password, retry=patient)


@dataclass(frozen=True, slots=True)
class Pair:
    """A Redis, its replica, and the two ways that a network may cut."""

    master: RedisServer
    replica: RedisServer
    replication: TcpProxy
    """Between the replica and its master."""
    entry: TcpProxy
    """Where processes reach whichever is in charge: the address that a failover moves."""

    @property
    def url(self) -> str:
        """Where processes reach whichever is in charge."""
        return f"redis://127.0.0.1:{self.entry.port}/0"

    def promote(self) -> None:
        """Put the replica in charge, as an operator or a Sentinel does after the master's end."""
        with self.replica.connect() as client:
            client.replicaof("NO", "ONE")
        self.entry.target_port = self.replica.port
        self.entry.reset()

    def follow(self) -> None:
        """Start the old master again, as the replica of the one that was promoted."""
        self.master.start()
        with self.master.connect() as old, self.replica.connect() as new:
            old.replicaof("127.0.0.1", self.replica.port)
            wait_in_step(new)


def wait_in_step(master: redis.Redis) -> None:
    """Wait until a replica has all that its master has."""
    master.set("in-step", 1)
    assert master.wait(1, round(START_S * 1000)) == 1, "no replica"


@contextlib.contextmanager
def replicated_redis(folder: Path) -> Iterator[Pair]:
    """A master and a replica that is in step with it."""
    options = {**DURABLE, "repl-diskless-sync-delay": "0"}  # else it waits for more replicas
    with (
        RedisServer(folder / "master", options) as master,
        TcpProxy(master.port) as replication,
        TcpProxy(master.port) as entry,
    ):
        follow = {"replicaof": f"127.0.0.1 {replication.port}"}
        with RedisServer(folder / "replica", {**options, **follow}) as replica:
            with master.connect() as client:
                wait_in_step(client)
            yield Pair(master, replica, replication, entry)


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop a server in its tracks: connections stay open, and nothing is answered meanwhile."""
    with redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
