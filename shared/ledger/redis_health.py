"""Whether a Redis is safe for jobs: pure checks of ``INFO``."""

import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import redis

from shared.connections import tls
from shared.errors import RedisUnavailableError

MIN_VERSION = (7, 0)
"""From 7.0 on XAUTOCLAIM returns the three values used here."""

NO_REDIS = (AttributeError, TypeError, ValueError, LookupError, RecursionError)
"""What redis-py raises when an answer has another form than Redis's."""
ANSWER_FAULTS = (redis.RedisError, OSError, *NO_REDIS)
"""What asking whatever stands at an address may raise; ``fault_of`` has the sentence."""
REFUSED = "Redis refuses the user or password in PARLEY_REDIS_URL: correct it."
FORMS = (
    "write redis://[[user]:password@]host:port/0, rediss://… for TLS, unix:///path or "
    "redis+sentinel://host:port,host:port/service in PARLEY_REDIS_URL."
)


def find_problem(info: Mapping[str, Any], *, allow_volatile: bool) -> str | None:
    """The sentence that says why this Redis must not be used, or None.

    Args:
        info: the result of redis-py's ``info()``.
        allow_volatile: whether the operator accepts losing messages when Redis stops.
    """
    version = str(info.get("redis_version", "0.0"))
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < MIN_VERSION:
        return f"Redis is {version}; Parley needs 7.0 or newer."
    if allow_volatile:
        return None
    if not info.get("aof_enabled"):
        return (
            "Redis would lose accepted messages when it stops: start it with `--appendonly yes "
            "--appendfsync always`, or set PARLEY_ALLOW_VOLATILE_REDIS=1 to accept that."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return (
            f"Redis throws keys away when it is full (maxmemory-policy {policy}): set it to "
            "noeviction, or set PARLEY_ALLOW_VOLATILE_REDIS=1 to accept that."
        )
    return None


def require_redis(url: str, info: object) -> None:
    """Refuse what is no Redis.

    Args:
        url: its address.
        info: the result of redis-py's ``info()``.

    Raises:
        RedisUnavailableError: it is another server.
    """
    if not isinstance(info, Mapping) or "redis_version" not in info:
        raise not_redis(url)


def require_healthy(info: Mapping[str, Any], *, allow_volatile: bool) -> None:
    """Refuse a Redis that has a problem.

    Raises:
        RedisUnavailableError: with the problem's sentence.
    """
    if problem := find_problem(info, allow_volatile=allow_volatile):
        raise RedisUnavailableError(problem)


def fsync_advice(policy: str | None) -> str | None:
    """Advice about the fsync policy of the append-only file, or None.

    It is not in ``INFO``, so start-up cannot check it.

    Args:
        policy: Redis's ``appendfsync``; None if this user may not ask for it.
    """
    match policy:
        case "always":
            return None
        case None:
            return "this user may not see appendfsync: look that Redis's configuration says always"
        case _:
            lost = "the last second or so" if policy == "everysec" else "the last half minute or so"
            return (
                f"appendfsync {policy}: when the power fails, messages accepted in {lost} can be "
                "lost; always keeps them"
            )


def open_door_advice(host: str) -> str:
    """Advice about a Redis that accepts clients without a password.

    Start-up does not refuse it: a Redis on the same machine has no password on most developers'
    machines, and whether a network is private cannot be seen from inside.

    Args:
        host: where it listens; a path for a Unix socket.
    """
    if is_this_machine(host):
        return "needs no password: every program of this machine may read and delete the messages"
    return (
        f"lets anybody who reaches {host} read and delete every message: give it a password, or "
        "better the users of docker-compose.yml"
    )


def is_this_machine(host: str) -> bool:
    """Whether only programs of the same machine reach this host."""
    if host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fault_of(url: str, error: Exception) -> RedisUnavailableError:
    """The error of an address whose answer ended in one of ``ANSWER_FAULTS``."""
    if isinstance(error, redis.AuthenticationError):
        return RedisUnavailableError(REFUSED)
    if isinstance(error, (redis.InvalidResponse, *NO_REDIS)):
        return not_redis(url)
    return unreachable(url, error)


def unreachable(url: str, error: Exception) -> RedisUnavailableError:
    """The error of a Redis that does not answer; without the URL's password."""
    place = _place(url)
    if isinstance(error, ValueError):
        return RedisUnavailableError(
            f"Redis does not answer at {place}, which is no address: {FORMS}"
        )
    if type(error).__name__ == "MasterNotFoundError":  # redis-py has one for each kind of client
        return RedisUnavailableError(
            f"The Sentinels at {place} name no Redis that is up ({type(error).__name__}): start "
            "them and it, or correct hosts and service in PARLEY_REDIS_URL."
        )
    is_tls = urllib.parse.urlsplit(url).scheme.startswith("rediss")
    return RedisUnavailableError(
        tls.explain(error, place, is_tls=is_tls)
        or f"Redis does not answer at {place} ({type(error).__name__}): start it, or correct "
        "PARLEY_REDIS_URL."
    )


def not_redis(url: str) -> RedisUnavailableError:
    """The error of something else that answers at its address; without the URL's password."""
    return RedisUnavailableError(
        f"What answers at {_place(url)} is not Redis: correct PARLEY_REDIS_URL."
    )


def _place(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}" or "an empty address"
