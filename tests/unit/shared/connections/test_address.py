"""What is read from PARLEY_REDIS_URL."""

from typing import Any

import pytest

from shared.connections.address import RedisAddress, parse_address
from shared.ledger.celery import build_celery

AT_HOME = (("localhost", 6379),)
HOSTS: list[tuple[str, tuple[tuple[str, int], ...], str | None, int]] = [
    ("redis://", AT_HOME, None, 0),
    ("redis://:pw@redis.example/3", (("redis.example", 6379),), None, 3),
    ("rediss://user:pw@redis.example:6380", (("redis.example", 6380),), None, 0),
    ("redis://[::1]:7000/1", (("::1", 7000),), None, 1),
    ("unix:///run/redis.sock?db=2", (), None, 2),
    ("redis+sentinel://a/parley", (("a", 26379),), "parley", 0),
    ("redis+sentinel://:pw@a:1,b,c:3/parley/4", (("a", 1), ("b", 26379), ("c", 3)), "parley", 4),
    (
        "rediss+sentinel://u:p@[::1]:1,[fe80::1]/my%20own",
        (("::1", 1), ("fe80::1", 26379)),
        "my own",
        0,
    ),
]


@pytest.mark.parametrize(("url", "hosts", "service", "db"), HOSTS)
def test_an_address_names_hosts_service_and_database(
    url: str, hosts: tuple[tuple[str, int], ...], service: str | None, db: int
) -> None:
    address = parse_address(url)

    assert (address.hosts, address.service, address.db) == (hosts, service, db)
    assert address.is_tls == url.startswith("rediss")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        "localhost:6379",
        "http://localhost",
        "redis://localhost?no_such_option=1",
        "rediss://localhost?ssl_cert_reqs=perhaps",
        "redis://localhost?db=first",
        "redis://localhost:port/0",
        "redis+sentinel://",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a/parley/first",
        "redis+sentinel://a,/parley",
        "redis+sentinel://a:b/parley",
        "redis+sentinel:///parley",
        "redis+sentinel://a/parley?no_such_option=1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - redis-py's has no sentence of ours
        parse_address(url)


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("redis://a", {}),
        ("rediss://a", {"ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        (
            "rediss://a?ssl_cert_reqs=none&ssl_ca_certs=/ca",
            {"ssl_cert_reqs": "none", "ssl_check_hostname": True, "ssl_ca_certs": "/ca"},
        ),
        ("rediss+sentinel://a/s", {"ssl_cert_reqs": "required", "ssl_check_hostname": True}),
    ],
)
def test_certificates_are_verified_unless_the_address_says_otherwise(
    url: str, tls: dict[str, Any]
) -> None:
    assert parse_address(url).tls == tls


def test_the_sentinels_have_a_login_of_their_own() -> None:
    address = parse_address(
        "redis+sentinel://u:p%40w@a/s?sentinel_username=watch&sentinel_password=s%26t"
    )

    assert address.options == {"username": "u", "password": "p@w", "db": 0}
    assert address.sentinel_login == {"username": "watch", "password": "s&t"}


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://a", "redis://a:6379/0"),
        ("redis://:p%40w@a:1/2?socket_timeout=9", "redis://:p%40w@a:1/2"),
        ("redis://a?password=p%2Fw&username=me", "redis://me:p%2Fw@a:6379/0"),
        ("rediss://me:pw@[::1]:1/2?ssl_ca_certs=/ca", "rediss://me:pw@[::1]:1/2"),
        ("unix://:pw@/run/redis.sock?db=2", "redis+socket://:pw@/run/redis.sock?virtual_host=2"),
        (
            "redis+sentinel://:pw@a,b:1/parley/3",
            "sentinel://:pw@a:26379/3;sentinel://:pw@b:1/3",
        ),
    ],
)
def test_celery_reaches_the_same_redis(url: str, broker: str) -> None:
    app = build_celery(url)

    assert app.conf.broker_url == broker
    assert app.conf.broker_use_ssl == (parse_address(url).tls or None)
    assert app.conf.broker_transport_options.get("master_name") == parse_address(url).service


def test_an_address_does_not_print_its_password() -> None:
    address: RedisAddress = parse_address("redis://:hunter2@a")

    assert "hunter2" not in repr(address)
