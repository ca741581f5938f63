"""docker-compose.yml without Docker: each service's own command, environment and health check as
processes of this machine. Only addresses and folders differ from what a container would see."""

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

import pytest
import yaml

from shared.cli.embedded_redis import find_redis_server
from shared.cli.processes import running, start
from tests.e2e.conftest import free_port
from tests.patience import PATIENCE_S
from tests.running import clean_environment

COMPOSE = Path(__file__).parents[1] / "docker-compose.yml"
PASSWORDS = {
    "REDIS_WORKER_PASSWORD": "made-up_Password1",
    "REDIS_BOTS_PASSWORD": "made-up_Password2",
}
POLL_S = 0.2
VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<form>:[-?])(?P<rest>[^}]*))?\})")
"""The forms of docs.docker.com/reference/compose-file/interpolation that the file has."""
REDIS_CLI = """#!{python}
import os, socket, sys

assert sys.argv[1:3] == ["-e", "--user"], "an error must be an exit code"
user, *command = sys.argv[3:]
with socket.create_connection(("127.0.0.1", {port})) as connection:
    for line in (f"AUTH {{user}} {{os.environ['REDISCLI_AUTH']}}", " ".join(command)):
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


def redis_url(service: Service, machine: "Machine") -> str:
    """The Redis of a service, with its user and password, as this machine sees it."""
    return machine.adapt(service).environment["PARLEY_REDIS_URL"]


class Machine:
    """Runs services as processes whose PATH, addresses and folders are this machine's."""

    def __init__(self, folder: Path) -> None:
        self.redis_port = free_port()
        self._folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        # In its container Redis has a port and a folder for itself, and redis-cli beside it.
        ours = f"--bind 127.0.0.1 --port {self.redis_port} --dir {folder}"
        redis_server = f'exec {find_redis_server()} "$@" {ours}'
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
            timeout=PATIENCE_S,
            check=False,
        )
        return ended.returncode == 0

    async def wait_healthy(self, service: Service, process: "subprocess.Popen[bytes]") -> None:
        """Wait until the service's health check passes; fail if the service ends before."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self.is_healthy(service):
                    assert process.poll() is None, self.log_of(service).read_text()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pytest.fail(f"{service.name} is not healthy:\n{self.log_of(service).read_text()}")

    def _add_program(self, name: str, text: str) -> None:
        program = self._programs / name
        program.write_text(text)
        program.chmod(0o755)
