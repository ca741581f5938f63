"""``parley doctor`` and ``parley health``: is everything installed, and does it run?

The worker and the bots have their own checks, which run as processes where they are installed.
"""

import dataclasses
import importlib.util
import os
import platform
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

import redis
import redis.sentinel

from shared.checks import Check, one_code, print_checks
from shared.cli.embedded_redis import find_redis_server
from shared.cli.operator import open_operator_connection
from shared.cli.processes import python_module
from shared.connections.address import RedisAddress, parse_address
from shared.connections.blocking import client_at, client_of
from shared.errors import RedisUnavailableError, SettingsError
from shared.ledger import keys
from shared.ledger import status as operating
from shared.ledger.documents import NO_VECTOR_SETS
from shared.ledger.redis_health import (
    ANSWER_FAULTS,
    fault_of,
    find_problem,
    fsync_advice,
    is_this_machine,
    open_door_advice,
    require_redis,
    unreachable,
)
from shared.settings import Settings

MIN_PYTHON = (3, 11)
MAX_CLOCK_SKEW_S = 5.0
TIMEOUT_S = 3
HTTP_OK = 200
CREDENTIALS = frozenset({"username", "password", "credential_provider"})
PARTS = {"bots": "discord", "worker": "torch"}
"""Each part, and a library without which it is not installed here."""


def report(settings: Settings) -> int:
    """Print every check; the exit code is 1 if one failed, or that of all that failed."""
    checks = [_check_python()]
    if settings.redis_url is None:
        checks.append(_check_embedded_redis())
    else:
        url = settings.redis_url.get_secret_value()
        checks.extend(check_redis(url, allow_volatile=settings.allow_volatile_redis))
    checks.extend(check_starts(settings))
    code = print_checks(checks)
    for module, library in PARTS.items():
        if importlib.util.find_spec(library) is None:
            print_checks([Check.warn(module, "not installed here")])
            continue
        ended = subprocess.run(python_module(module, "doctor"), check=False)  # noqa: S603 - our own modules
        code = one_code(code, ended.returncode)
    return code


def health(settings: Settings, part: str) -> int:
    """Return 0 if a part that should run on this machine does.

    Raises:
        SettingsError: there is no such part.
    """
    match part:
        case "bots":
            return 0 if _answers(f"http://{settings.http_host}:{settings.http_port}/healthz") else 1
        case "worker":
            url = settings.redis_url
            return 0 if url and _has_worker_here(url.get_secret_value()) else 1
        case _:
            raise SettingsError("Usage: parley health worker, or parley health bots.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own port
            return bool(answer.status == HTTP_OK)
    except (urllib.error.URLError, OSError):
        return False


def _has_worker_here(redis_url: str) -> bool:
    here = f"{socket.gethostname()}:".encode()
    try:
        with _connect(redis_url) as client:
            names: Any = client.zrange(keys.WORKERS, 0, -1)
            mine = [name.decode() for name in names if name.startswith(here)]
            return any(client.exists(keys.worker(name)) for name in mine)
    except (RedisUnavailableError, redis.RedisError, OSError):
        return False


def _connect(url: str) -> redis.Redis:
    try:
        return client_of(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        raise unreachable(url, error) from error


def _check_python() -> Check:
    version = platform.python_version()
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_PYTHON:
        return Check.fail("python", f"{version}; Parley needs 3.11 or newer")
    return Check.ok("python", f"{version} on {platform.system()}, {os.cpu_count()} cores")


def _check_embedded_redis() -> Check:
    try:
        return Check.ok("redis", f"embedded, {find_redis_server()}")
    except RedisUnavailableError as error:
        return Check.fail("redis", str(error))


def check_redis(url: str, *, allow_volatile: bool) -> list[Check]:
    """Check that Redis answers, persists its data, and requires a password."""
    try:
        with _connect(url) as client:
            info: Any = client.info()
            require_redis(url, info)
            server_s = float(client.time()[0])
            fsync = _ask_fsync(client)
            has_vectors = _has_vector_sets(client)
        door = _check_door(url)
    except (RedisUnavailableError, SettingsError) as error:
        return [_fault(error)]
    except ANSWER_FAULTS as error:
        return [*_check_sentinels(url), _fault(fault_of(url, error))]
    problem = find_problem(info, allow_volatile=allow_volatile)
    mode = "append-only" if info.get("aof_enabled") else "volatile"
    found = f"{info['redis_version']}, {mode}, {info['used_memory_human']} in use"
    checks = [Check.fail("redis", problem) if problem else Check.ok("redis", found)]
    if info.get("aof_enabled") and (advice := fsync_advice(fsync)):
        checks.append(Check.warn("redis fsync", advice))
    if not has_vectors:
        checks.append(Check.warn("redis vector sets", NO_VECTOR_SETS))
    return [*checks, door, _skew(server_s)]


def _fault(error: RedisUnavailableError | SettingsError) -> Check:
    return Check.fail("redis", str(error), error.exit_code)


def check_starts(settings: Settings) -> list[Check]:
    """A fault for each model that a host's workers fail to start; a note if another is ready there.

    Of the Redis that is named, or the embedded one of a running ``parley``.
    """
    try:
        with open_operator_connection(settings) as operator:
            found = operator.run(operating.status())
    except RedisUnavailableError:
        return []  # another check says so
    ready = {each.name.rpartition(":")[0] for each in found.workers if each.state == "ready"}
    return [
        Check("starts", None if failed.host in ready else False, str(failed))
        for failed in found.failed_starts
    ]


def _has_vector_sets(client: redis.Redis) -> bool:
    """Whether documents can be stored; a user without the rights may not be able to tell."""
    try:
        client.vset().vcard(keys.VECTORS)
    except redis.ResponseError as error:
        return "unknown command" not in str(error).lower()
    return True


def _ask_fsync(client: redis.Redis) -> str | None:
    """Redis's ``appendfsync``; None if this user may not read it."""
    try:
        answer: Any = client.config_get("appendfsync")
    except redis.ResponseError:
        return None
    policy = answer.get("appendfsync")
    return str(policy) if policy else None


def _check_door(url: str) -> Check:
    """Whether Redis's default user is let in without a password."""
    address = parse_address(url)
    strangers = {k: v for k, v in address.options.items() if k not in CREDENTIALS}
    door = dataclasses.replace(address, options=strangers)
    limits = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    try:
        with client_at(door, **limits) as stranger:
            stranger.ping()
            host = _host_of(stranger, address)
    except redis.RedisError:
        return Check.ok("redis access", "nobody is let in without a password")
    advice = open_door_advice(host)
    is_ours = is_this_machine(host)
    return Check.warn("redis access", advice) if is_ours else Check.fail("redis access", advice)


def _check_sentinels(url: str) -> list[Check]:
    """A fault for each Sentinel of an address that does not answer."""
    try:
        address = parse_address(url)
    except ValueError:
        return []
    if address.service is None:
        return []
    limits = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    login = {**address.tls, **(address.sentinel_login or {})}
    checks = []
    for host, port in address.hosts:
        one = RedisAddress(login, is_tls=address.is_tls, hosts=((host, port),))
        try:
            with client_at(one, **limits) as client:
                client.ping()
        except redis.AuthenticationError:
            sentence = f"The Sentinel at {host}:{port} refuses the user or password: correct it."
            checks.append(Check.fail("sentinel", sentence))
        except (redis.RedisError, OSError) as error:
            scheme = "rediss" if address.is_tls else "redis"
            fault = unreachable(f"{scheme}://{host}:{port}", error)
            checks.append(Check.fail("sentinel", str(fault)))
    return checks


def _host_of(client: redis.Redis, address: RedisAddress) -> str:
    """Where Redis itself is: its host, or the path of its Unix socket."""
    pool = client.connection_pool
    if isinstance(pool, redis.sentinel.SentinelConnectionPool):
        return str(pool.get_master_address()[0])  # type: ignore[no-untyped-call]  # no types
    return str(address.options.get("path") or address.hosts[0][0])


def _skew(server_s: float) -> Check:
    skew_s = abs(time.time() - server_s)
    if skew_s > MAX_CLOCK_SKEW_S:
        return Check.warn(
            "clock", f"{skew_s:.0f} s off Redis's; Parley uses Redis's, but Slack checks yours"
        )
    return Check.ok("clock", "agrees with Redis's")
