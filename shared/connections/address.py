"""``PARLEY_REDIS_URL``: what redis-py and kombu need to know, read from one address.

The syntax is redis-py's (``redis://``, ``rediss://`` for TLS, ``unix://``, and its options after a
``?``), and for Sentinel::

    redis+sentinel://[[user]:password@]host[:port],host[:port]/service[/db]

``rediss+sentinel://`` speaks TLS with the Sentinels and with Redis. The user and password are
Redis's; the Sentinels' own are the options ``sentinel_username`` and ``sentinel_password``.
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.connection

SENTINEL_PORT = 26379
REDIS_PORT = 6379
SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_USERNAME = "sentinel_username"
SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - an option's name
HOST = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")
Host = tuple[str, int]
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is and how to log in; ``options`` are redis-py's arguments of a connection."""

    options: Options = field(repr=False)
    is_tls: bool
    hosts: tuple[Host, ...]
    """Redis's one host, or the Sentinels; empty for a Unix socket, whose path is an option."""
    service: str | None = None
    """Sentinel's name of the Redis; None: there is no Sentinel."""
    sentinel_login: Options | None = field(default=None, repr=False)

    @property
    def tls(self) -> dict[str, Any]:
        """The TLS options, certificates verified unless the address says otherwise."""
        if not self.is_tls:
            return {}
        given = {name: value for name, value in self.options.items() if name.startswith("ssl_")}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **given}

    @property
    def db(self) -> int:
        """The number of the database."""
        return int(self.options.get("db", 0))


def parse_address(url: str) -> RedisAddress:
    """Read an address.

    Raises:
        ValueError: it is none, or has an option that redis-py does not know. The message repeats
            nothing of the address, which may hold a password.
    """
    scheme = url.partition("://")[0]
    if scheme in SENTINEL_SCHEMES:
        return _parse_sentinels(url)
    options = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]  # no types
    kind = options.pop("connection_class", redis.Connection)
    _require_known(kind, options)
    if kind is redis.UnixDomainSocketConnection:
        return RedisAddress(options, is_tls=False, hosts=())
    host = (options.pop("host", "localhost"), options.pop("port", REDIS_PORT))
    return RedisAddress(options, is_tls=kind is redis.SSLConnection, hosts=(host,))


def _parse_sentinels(url: str) -> RedisAddress:
    parts = urllib.parse.urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not service or not (db == "" or db.isdecimal()):
        raise ValueError("needs the name of Sentinel's service, and a number of a database or none")
    hosts = tuple(_read_host(place) for place in places.split(","))
    scheme = SENTINEL_SCHEMES[parts.scheme]
    first = f"{scheme}://{login}{'@' if login else ''}localhost/{db or 0}?{parts.query}"
    options = redis.connection.parse_url(first)  # type: ignore[no-untyped-call]  # no types
    kind = options.pop("connection_class", redis.Connection)
    options.pop("host")
    names = {SENTINEL_USERNAME: "username", SENTINEL_PASSWORD: "password"}
    sentinel_login = {names[key]: options.pop(key) for key in names if key in options}
    _require_known(kind, options)
    return RedisAddress(
        options,
        is_tls=kind is redis.SSLConnection,
        hosts=hosts,
        service=urllib.parse.unquote(service),
        sentinel_login=sentinel_login,
    )


def _read_host(place: str) -> Host:
    found = HOST.fullmatch(place)
    if not found:
        raise ValueError("needs the Sentinels as host:port, with commas between")
    return found["host"].strip("[]"), int(found["port"] or SENTINEL_PORT)


def _require_known(kind: Any, options: Options) -> None:  # noqa: ANN401 - a class of redis-py's
    """Have redis-py look at its options, which connects to nothing."""
    pools = {"max_connections", "timeout"}
    try:
        kind(**{name: value for name, value in options.items() if name not in pools})
    except (TypeError, redis.RedisError):
        raise ValueError("has an option that redis-py does not know") from None


def with_certificates(url: str, files: Mapping[str, str]) -> str:
    """The address with these files of certificates.

    Args:
        url: of a Redis.
        files: redis-py's option → path.

    Raises:
        ValueError: files are named, and the address is without TLS.
    """
    if not files:
        return url
    bare, _, query = url.partition("?")
    if bare.partition("://")[0] not in {"rediss", "rediss+sentinel"}:
        raise ValueError(
            "must start with rediss:// (or rediss+sentinel://) where certificates are named"
        )
    kept = [
        (name, value)
        for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True)
        if name not in files
    ]
    return f"{bare}?{urllib.parse.urlencode([*kept, *files.items()])}"
