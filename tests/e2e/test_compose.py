"""docker-compose.yml, run without Docker: each service's own command, environment and health check
as processes of this machine. Only addresses and folders differ from what a container would see."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import redis.backoff
import redis.retry
import yaml

from shared.launcher.embedded_redis import find_redis_server
from shared.launcher.processes import running, start
from tests.e2e.conftest import ALICE, CHANNEL, free_port
from tests.fakes.slack_server import FakeSlack
from tests.running import clean_environment

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
PASSWORD = "made-up_Password1"
WAIT_S = 60
POLL_S = 0.2
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<form>:[-?])(?P<rest>[^}]*))?\})")
"""The forms of docs.docker.com/reference/compose-file/interpolation that the file has."""
REDIS_CLI = """#!{python}
import os, socket, sys

assert sys.argv[1] == "-e", "an error must be an exit code"
with socket.create_connection(("127.0.0.1", {port})) as connection:
    for line in ("AUTH " + os.environ["REDISCLI_AUTH"], " ".join(sys.argv[2:])):
        connection.sendall(line.encode() + b"\\r\\n")
        answer = connection.recv(1000).decode()
        if answer.startswith("-"):
            sys.exit(answer)
print(answer)
"""
"""No package brings a redis-cli; this one does what the health check asks of it."""


@dataclass(frozen=True)
class Service:
    """What Compose would run."""

    name: str
    command: list[str]
    health: list[str]
    environment: dict[str, str]
    ports: list[str]


def resolve(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - any YAML
    """A YAML value with its variables put in, as Compose does it."""

    def put_in(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        given = variables.get(found["name"], "")
        if not given and found["form"] == ":?":
            raise LookupError(f"{found['name']}: {found['rest']}")
        return given or (found["rest"] if found["form"] == ":-" else "")

    match value:
        case str():
            return VARIABLE.sub(put_in, value)
        case list():
            return [resolve(item, variables) for item in value]
        case dict():
            return {key: resolve(item, variables) for key, item in value.items()}
        case _:
            return value


def read_service(name: str, variables: Mapping[str, str]) -> Service:
    """A service of the file; a variable without a value is passed on if it is set."""
    raw = resolve(yaml.safe_load(COMPOSE.read_text())["services"][name], variables)
    kind, *health = raw["healthcheck"]["test"]
    assert kind == "CMD"
    environment = {
        key: variables.get(key) if v is None else v for key, v in raw["environment"].items()
    }
    passed = {key: str(value) for key, value in environment.items() if value is not None}
    return Service(name, raw["command"], health, passed, raw.get("ports", []))


class Machine:
    """Runs services as processes whose PATH, addresses and folders are this machine's."""

    def __init__(self, folder: Path) -> None:
        self.redis_port = free_port()
        self._folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        # In its container Redis has port 6379 for itself, and redis-cli beside it.
        redis_server = f'exec {find_redis_server()} "$@" --bind 127.0.0.1 --port {self.redis_port}'
        self._add_program("redis-server", f"#!/bin/sh\n{redis_server}\n")
        redis_cli = REDIS_CLI.format(python=sys.executable, port=self.redis_port)
        self._add_program("redis-cli", redis_cli)

    def adapt(self, service: Service) -> Service:
        """A service with what the image and the network would have given it."""
        ours = (str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"])
        folders = {key: str(self._folder) for key in ("PARLEY_DATA_DIR", "PARLEY_CACHE_DIR")}
        local = {
            key: value.replace("@redis:6379", f"@127.0.0.1:{self.redis_port}")
            for key, value in service.environment.items()
        }
        for port in service.ports:
            local["PARLEY_HTTP_PORT"] = port.split(":")[1]
        image = {**clean_environment(), **folders, "PATH": os.pathsep.join(ours)}
        return replace(service, environment={**image, **local})

    @contextlib.contextmanager
    def up(self, service: Service) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a service while the block runs."""
        log = self.log_of(service)
        with running(start(service.command, env=service.environment, log=log)) as process:
            yield process

    def log_of(self, service: Service) -> Path:
        return self._folder / f"{service.name}.log"

    async def is_healthy(self, service: Service) -> bool:
        """What the service's health check says once."""
        ended = await asyncio.to_thread(
            subprocess.run,
            service.health,
            env=service.environment,
            capture_output=True,
            timeout=WAIT_S,
            check=False,
        )
        return ended.returncode == 0

    async def wait_healthy(self, service: Service, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the service's health check passes; fail if the service ends before."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not await self.is_healthy(service):
                    assert process.poll() is None, self.log_of(service).read_text()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pytest.fail(f"{service.name} is not healthy:\n{self.log_of(service).read_text()}")

    def _add_program(self, name: str, text: str) -> None:
        program = self._programs / name
        program.write_text(text)
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose working folder holds no .env, as a container's."""
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


@pytest.fixture
def variables(slack: FakeSlack, endless_model: Path) -> dict[str, str]:
    """What .env says."""
    return {
        "REDIS_PASSWORD": PASSWORD,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "PARLEY_SLACK_API_URL": slack.api_url,
        "PARLEY_HTTP_PORT": str(free_port()),
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "8192",
        "PARLEY_MAX_NEW_TOKENS": "40",
    }


@pytest.mark.timeout(150)
async def test_services_become_healthy_and_answer_a_mention(
    machine: Machine, variables: dict[str, str], slack: FakeSlack
) -> None:
    names = ("redis", "worker", "bots")
    store, worker, bots = (machine.adapt(read_service(name, variables)) for name in names)
    assert not await machine.is_healthy(store)
    with machine.up(store) as store_process:
        await machine.wait_healthy(store, store_process)
        early = await asyncio.gather(machine.is_healthy(worker), machine.is_healthy(bots))
        assert not any(early)
        with machine.up(worker) as worker_process, machine.up(bots) as bots_process:
            await asyncio.gather(
                machine.wait_healthy(worker, worker_process),
                machine.wait_healthy(bots, bots_process),
            )
            await slack.wait_for_connections(1)

            asked = await slack.say(CHANNEL, ALICE, f"<@{slack.bot_user_id}> are you all up?")

            answer = await slack.wait_for_message(
                CHANNEL, containing="length limit", timeout_s=WAIT_S
            )
            assert answer.thread_ts == asked.ts
            for process in (store_process, worker_process, bots_process):
                arguments = psutil.Process(process.pid).cmdline()
                assert not any(PASSWORD in argument for argument in arguments), arguments


@pytest.mark.timeout(150)
async def test_redis_keeps_everything_and_lets_nobody_in_without_the_password(
    machine: Machine,
) -> None:
    store = machine.adapt(read_service("redis", {"REDIS_PASSWORD": PASSWORD}))

    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        stranger = replace(store, environment={**store.environment, "REDISCLI_AUTH": "wrong"})
        assert not await machine.is_healthy(stranger)
        once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        with (
            redis.Redis(port=machine.redis_port, retry=once) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        with redis.Redis(port=machine.redis_port, password=PASSWORD) as client:
            found: Any = client.config_get("appendonly", "appendfsync", "maxmemory-policy")

    assert found == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    # SIGTERM reached Redis itself, not a shell around it.
    assert process.returncode == 0


@pytest.mark.parametrize("password", ["with space", "p@ss", "line\nbind 0.0.0.0", "$(id)"])
async def test_password_that_would_break_the_url_is_refused_in_a_sentence(
    machine: Machine, password: str
) -> None:
    store = machine.adapt(read_service("redis", {"REDIS_PASSWORD": password}))

    with machine.up(store) as process:
        code = await asyncio.to_thread(process.wait, WAIT_S)

    assert code == 78
    assert "REDIS_PASSWORD may hold only letters" in machine.log_of(store).read_text()


@pytest.mark.parametrize("name", ["redis", "bots", "worker", "worker-gpu"])
def test_a_missing_password_stops_compose(name: str) -> None:
    with pytest.raises(LookupError, match="REDIS_PASSWORD: put a long random one"):
        read_service(name, {})
