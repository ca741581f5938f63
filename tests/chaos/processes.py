"""The processes under test, a log for each of their lives: start, kill, freeze, start again.

Knows neither platforms nor messages. A process that ends by itself is started again, as a
supervisor would, and that is written down.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis
import redis.backoff
import redis.retry
import redis.sentinel

from shared.cli.embedded_redis import find_redis_server
from shared.cli.processes import die_with_parent
from shared.connections.blocking import client_of
from tests.running import clean_environment

ROOT = Path(__file__).parents[2]
"""The code that is run is that of the tree in which the harness lies."""
STOP_TIMEOUT_S = 20.0
RESTART_AFTER_END_S = 1.0
POLL_S = 0.1
REDIS_START_TIMEOUT_S = 30.0
SERVICE = "parley"
NUM_SENTINELS = 3
PASSWORD, SENTINEL_PASSWORD = "of-redis", "of-sentinel"
DOWN_AFTER_MS = 1000
FAILOVER_TIMEOUT_MS = 5000
DURABLE_LINES = (
    "appendonly yes",
    "appendfsync always",
    'save ""',
    "maxmemory-policy noeviction",
    "repl-diskless-sync-delay 0",
)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Program:
    """How to run one process."""

    name: str
    command: Sequence[str | Path]
    settings: Mapping[str, str]
    folder: Path
    """Where it runs, and where its logs go."""
    ready_words: tuple[str, ...] = ()
    """It has begun to serve once the first of these stands in its log, and is ready with all."""


@dataclass(slots=True)
class Child:
    """One process over all its lives."""

    program: Program
    num_kills: int = 0
    ends: list[int] = field(default_factory=list)
    """The exit codes of those lives that ended unasked."""
    is_frozen: bool = False
    _process: "subprocess.Popen[bytes] | None" = None
    _num_lives: int = 0
    _num_ready_words: int = 0
    _start_at_s: float | None = None
    _is_ending: bool = False

    @property
    def name(self) -> str:
        """What logs and messages call it."""
        return self.program.name

    @property
    def log(self) -> Path:
        """The log of its present life."""
        return self.program.folder / f"{self.name}.{self._num_lives}.log"

    @property
    def pid(self) -> int:
        """Its process id; 0 if it never ran."""
        return self._process.pid if self._process else 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs (it may be frozen)."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether all of it serves."""
        return self._serves(len(self.program.ready_words))

    def has_begun(self) -> bool:
        """Whether it serves, though perhaps not everybody yet."""
        return self._serves(min(1, len(self.program.ready_words)))

    def _serves(self, num_words: int) -> bool:
        if not self.is_alive or self.is_frozen:
            return False
        if self._num_ready_words < num_words:
            text = self.log.read_text(errors="replace")
            self._num_ready_words = sum(word in text for word in self.program.ready_words)
        return self._num_ready_words >= num_words

    def start(self) -> None:
        """Begin another life."""
        self._num_lives += 1
        self._num_ready_words = 0
        self._start_at_s = None
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.program.command],
                env={**clean_environment(), "PYTHONPATH": str(ROOT), **self.program.settings},
                cwd=self.program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it calls one function of libc
            )

    def kill(self, pause_s: float) -> None:
        """SIGKILL it with all its own processes, if it lives; it comes back after a pause."""
        if self._process is None or not self.is_alive:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.is_frozen = False
        self.num_kills += 1
        self._start_at_s = time.monotonic() + pause_s

    def freeze(self) -> None:
        """SIGSTOP."""
        os.killpg(self.pid, signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if self.is_frozen and self.is_alive:
            os.killpg(self.pid, signal.SIGCONT)
        self.is_frozen = False

    def supervise(self) -> None:
        """Start it if that is due; write down that it ended by itself."""
        if self.is_alive or self._is_ending:
            return
        if self._start_at_s is None:
            self.ends.append(self._process.returncode if self._process else 0)
            self._start_at_s = time.monotonic() + RESTART_AFTER_END_S
        elif time.monotonic() >= self._start_at_s:
            self.start()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self.thaw()
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to what does not end."""
        self.ask_to_stop()
        self.see_end()

    def succeed(self, program: Program) -> None:
        """Let it end as a supervisor does, and start another program in its place."""
        self._is_ending = True
        self.stop()
        self.program = program
        self.start()
        self._is_ending = False

    def see_end(self) -> None:
        """Wait until it has ended; SIGKILL it, and what it has started, if it takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class RedisServer:
    """A Redis on a port of its own whose data outlives it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        folder.mkdir()
        config = folder / "redis.conf"
        lines = (
            "bind 127.0.0.1",
            f"port {port}",
            f'dir "{folder}"',
            "appendonly yes",
            "appendfsync always",
            'save ""',
            "maxmemory-policy noeviction",
        )
        config.write_text("\n".join(lines))
        self.child = Child(Program("redis", [find_redis_server(), config], {}, folder))
        self.children = [self.child]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.child.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            redis.RedisError: it does not.
        """
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(POLL_S), 300)
        with redis.Redis.from_url(self.url, retry=retry) as client:
            client.ping()


class SentinelRedis:
    """A primary, replicas, and three Sentinels; ``child`` is the primary that it begins with."""

    def __init__(self, folder: Path, num_replicas: int = 1) -> None:
        folder.mkdir()
        self._num_replicas = num_replicas
        primary = free_port()
        own = (*DURABLE_LINES, f"requirepass {PASSWORD}", f"masterauth {PASSWORD}")
        follow = (*own, f"replicaof 127.0.0.1 {primary}")
        self.child = self._program(folder / "primary", primary, own)
        replicas = [
            self._program(folder / f"replica-{number}", free_port(), follow)
            for number in range(num_replicas)
        ]
        watch = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"requirepass {SENTINEL_PASSWORD}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT_MS}",
        )
        ports = [free_port() for _ in range(NUM_SENTINELS)]
        sentinels = [self._program(folder / f"sentinel-{port}", port, watch) for port in ports]
        self.children = [self.child, *replicas, *sentinels]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = (
            f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}?sentinel_password={SENTINEL_PASSWORD}"
        )

    def _program(self, folder: Path, port: int, lines: Sequence[str]) -> Child:
        folder.mkdir()
        config = folder / "redis.conf"
        config.write_text("\n".join(("bind 127.0.0.1", f"port {port}", f'dir "{folder}"', *lines)))
        mode = ["--sentinel"] if any(line.startswith("sentinel") for line in lines) else []
        command: list[str | Path] = [find_redis_server(), config, *mode]
        return Child(Program(folder.name, command, {}, folder))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self.children):
            child.stop()

    @property
    def primary(self) -> tuple[str, int] | None:
        """Where the Redis is that the Sentinels name now; None while it is away."""
        with (
            contextlib.suppress(redis.sentinel.MasterNotFoundError),
            client_of(self.url, socket_timeout=1) as client,
        ):
            found: tuple[str, int] = client.connection_pool.get_master_address()
            return found
        return None

    def start(self) -> None:
        """Start all, and wait until the replica has all and the Sentinels know each other."""
        for child in self.children:
            child.start()
        deadline_s = time.monotonic() + REDIS_START_TIMEOUT_S
        while not self._is_ready():
            assert time.monotonic() < deadline_s, "no replica, or no Sentinels"
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        try:
            with client_of(self.url, socket_timeout=1) as client:
                client.set("in-step", 1)
                manager = client.connection_pool.sentinel_manager
                states = [s.sentinel_master(SERVICE) for s in manager.sentinels]
                seen = all(
                    s["num-other-sentinels"] == NUM_SENTINELS - 1
                    and s["num-slaves"] == self._num_replicas
                    for s in states
                )
                return seen and client.wait(self._num_replicas, 100) == self._num_replicas
        except (redis.RedisError, OSError):
            return False


class Household:
    """All processes of a run, supervised."""

    def __init__(
        self,
        redis_server: "RedisServer | SentinelRedis",
        workers: Sequence[Program],
        bots: Sequence[Program],
    ) -> None:
        self.redis = redis_server
        self.successors: dict[str, Program] = {}
        """What replaces a process in an upgrade, by its name."""
        self.workers = [Child(program) for program in workers]
        self.bots = [Child(program) for program in bots]

    @property
    def children(self) -> Iterator[Child]:
        """Everybody."""
        yield from self.redis.children
        yield from self.workers
        yield from self.bots

    def start(self) -> None:
        """Start Redis, then everybody else."""
        self.redis.start()
        for child in (*self.workers, *self.bots):
            child.start()

    def is_healthy(self) -> bool:
        """Whether everybody serves."""
        return all(child.is_ready() for child in self.children)

    async def supervise(self) -> None:
        """Start again whoever is due, until cancelled."""
        while True:
            for child in self.children:
                child.supervise()
            await asyncio.sleep(POLL_S)

    async def wait_healthy(self, timeout_s: float) -> None:
        """Wait until everybody serves.

        Raises:
            TimeoutError: somebody does not.
        """
        async with asyncio.timeout(timeout_s):
            while not self.is_healthy():  # noqa: ASYNC110 - other processes set no event
                await asyncio.sleep(POLL_S)

    def stop(self) -> None:
        """Stop everybody at once, Redis last."""
        served = [*self.bots, *self.workers]
        for child in served:
            child.ask_to_stop()
        for child in served:
            child.see_end()
        for child in reversed(self.redis.children):
            child.stop()
