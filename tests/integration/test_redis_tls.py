"""Redis over TLS: ledger and Celery verify certificates, and sentences say what is wrong."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kombu.exceptions
import pytest

from bots import store as bots_store
from shared.cli.doctor import check_redis
from shared.errors import RedisUnavailableError, StartupError
from shared.jobs import CHAT_QUEUE, Kind
from shared.ledger.celery import publish
from shared.ledger.lifecycle import Ready
from shared.settings import read_settings
from tests.celery_apps import celery_at
from tests.certificates import Authority, Signed
from tests.fakes.tls_proxy import tls_proxy
from tests.redis_servers import DURABLE, RedisServer
from tests.running import run_module
from worker import store as worker_store

HOUR = dt.timedelta(hours=1)
READY = Ready("job", Kind.ASK, CHAT_QUEUE)


@dataclass(frozen=True, slots=True)
class Site:
    """A Redis, an authority that is trusted, and one that is not."""

    redis: RedisServer
    trusted: Authority
    foreign: Authority


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    with RedisServer(folder / "redis", {**DURABLE, "requirepass": "hunter2"}) as redis:
        yield Site(redis, Authority(folder / "trusted"), Authority(folder / "foreign"))


def address(site: Site, port: int, more: Mapping[str, Path] | None = None) -> str:
    """The address as the settings make it."""
    settings = {"PARLEY_REDIS_URL": f"rediss://:hunter2@127.0.0.1:{port}/0"}
    files = {"PARLEY_REDIS_CA": site.trusted.certificate, **(more or {})}
    read = read_settings({**settings, **{name: str(path) for name, path in files.items()}}, None)
    assert read.redis_url is not None
    return read.redis_url.get_secret_value()


def by_worker(url: str) -> None:
    store = worker_store.open_store(url, allow_volatile=False)
    store.client.close()


def by_bots(url: str) -> None:
    async def open_and_close() -> None:
        store = await bots_store.open_store(url, allow_volatile=False)
        await store.close()

    asyncio.run(open_and_close())


def by_celery(url: str) -> None:
    with celery_at(url) as app:
        publish(app, READY)


WAYS: list[Callable[[str], None]] = [by_worker, by_bots, by_celery]
each_way = pytest.mark.parametrize("reach", WAYS)


@each_way
def test_a_certificate_of_the_named_authority_is_accepted(
    site: Site, reach: Callable[[str], None]
) -> None:
    with tls_proxy(site.redis.port, site.trusted.sign()) as port:
        reach(address(site, port))

        if reach is by_celery:
            with site.redis.connect() as client:
                assert client.llen(CHAT_QUEUE), "the message went through"


def wrong_authority(site: Site) -> Signed:
    return site.foreign.sign()


def wrong_name(site: Site) -> Signed:
    return site.trusted.sign("elsewhere.example", ())


def expired(site: Site) -> Signed:
    return site.trusted.sign("old", until=-HOUR)


WRONG = [
    (wrong_authority, "is signed by an authority that this machine does not know: name a PEM"),
    (wrong_name, "is for another name than the one in PARLEY_REDIS_URL"),
    (expired, "has expired"),
]


@each_way
@pytest.mark.parametrize(("of", "sentence"), WRONG)
def test_a_wrong_certificate_is_refused_by_every_client(
    site: Site, reach: Callable[[str], None], of: Callable[[Site], Signed], sentence: str
) -> None:
    with tls_proxy(site.redis.port, of(site)) as port:
        url = address(site, port)
        with pytest.raises((StartupError, kombu.exceptions.OperationalError)) as refusal:
            reach(url)

    if reach is by_celery:
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal.value)
    else:
        assert sentence in str(refusal.value)
        assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(("of", "sentence"), WRONG)
def test_doctor_says_what_is_wrong_with_a_certificate(
    site: Site, of: Callable[[Site], Signed], sentence: str
) -> None:
    with tls_proxy(site.redis.port, of(site)) as port:
        checks = check_redis(address(site, port), allow_volatile=False)

    assert [check.passed for check in checks] == [False]
    assert sentence in checks[0].finding


def test_doctor_reaches_a_redis_over_tls(site: Site) -> None:
    with tls_proxy(site.redis.port, site.trusted.sign()) as port:
        checks = {c.name: c for c in check_redis(address(site, port), allow_volatile=False)}

    assert checks["redis"].passed
    assert checks["redis access"].passed, "a stranger over TLS is asked for the password"


@each_way
def test_a_client_certificate_is_shown_where_one_is_wanted(
    site: Site, reach: Callable[[str], None]
) -> None:
    mine = site.trusted.sign("me")
    shown = {"PARLEY_REDIS_CERT": mine.certificate, "PARLEY_REDIS_KEY": mine.key}
    with tls_proxy(site.redis.port, site.trusted.sign(), site.trusted.certificate) as port:
        reach(address(site, port, shown))


def test_a_client_certificate_that_is_missing_or_refused_is_said(site: Site) -> None:
    foreign = site.foreign.sign("me")
    shown = {"PARLEY_REDIS_CERT": foreign.certificate, "PARLEY_REDIS_KEY": foreign.key}
    with tls_proxy(site.redis.port, site.trusted.sign(), site.trusted.certificate) as port:
        missing = check_redis(address(site, port), allow_volatile=False)[0]
        refused = check_redis(address(site, port, shown), allow_volatile=False)[0]

    assert "set PARLEY_REDIS_CERT and PARLEY_REDIS_KEY" in missing.finding
    assert "refuses the certificate in PARLEY_REDIS_CERT" in refused.finding


def test_doctor_says_what_is_wrong_with_a_sentinels_certificate(site: Site) -> None:
    with tls_proxy(site.redis.port, wrong_authority(site)) as port:
        url = f"rediss+sentinel://:hunter2@127.0.0.1:{port}/parley"
        read = read_settings(
            {"PARLEY_REDIS_URL": url, "PARLEY_REDIS_CA": str(site.trusted.certificate)}, None
        )
        assert read.redis_url is not None
        checks = check_redis(read.redis_url.get_secret_value(), allow_volatile=False)

    assert [(check.name, check.passed) for check in checks] == [
        ("sentinel", False),
        ("redis", False),
    ]
    assert "is signed by an authority that this machine does not know" in checks[0].finding


def test_tls_where_there_is_none_is_said(site: Site) -> None:
    checks = check_redis(address(site, site.redis.port), allow_volatile=False)

    assert f"No TLS is spoken at 127.0.0.1:{site.redis.port}" in checks[0].finding
    assert "write redis://" in checks[0].finding


def test_no_tls_where_it_is_wanted_is_said(site: Site) -> None:
    with tls_proxy(site.redis.port, site.trusted.sign()) as port:
        checks = check_redis(f"redis://127.0.0.1:{port}/0", allow_volatile=False)

    assert "write rediss:// in PARLEY_REDIS_URL" in checks[0].finding


def test_files_that_cannot_be_used_are_named(site: Site, tmp_path: Path) -> None:
    mine = site.trusted.sign("me")
    other = site.trusted.sign("other")
    locked = site.trusted.sign("locked", password=b"secret")
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    cert, key = "PARLEY_REDIS_CERT", "PARLEY_REDIS_KEY"
    cases: list[tuple[dict[str, Path], str]] = [
        ({"PARLEY_REDIS_CA": tmp_path / "none.pem"}, "PARLEY_REDIS_CA cannot be read at"),
        ({"PARLEY_REDIS_CA": tmp_path}, "PARLEY_REDIS_CA cannot be read at"),
        ({"PARLEY_REDIS_CA": text}, "PARLEY_REDIS_CA at"),
        ({cert: mine.certificate}, "belong together"),
        ({key: mine.key}, "belong together"),
        ({cert: mine.certificate, key: other.key}, "is not the key of"),
        ({cert: text, key: mine.key}, "are no certificate and key in PEM"),
        ({cert: locked.certificate, key: locked.key}, "is encrypted"),
    ]
    for files, sentence in cases:
        finding = check_redis(address(site, 1, files), allow_volatile=False)[0].finding
        assert sentence in finding, finding


def test_bots_end_in_the_sentence(site: Site) -> None:
    with tls_proxy(site.redis.port, site.foreign.sign()) as port:
        settings = {
            "PARLEY_REDIS_URL": f"rediss://:hunter2@127.0.0.1:{port}/0",
            "PARLEY_REDIS_CA": str(site.trusted.certificate),
            "DISCORD_TOKEN": "x.y.z",
        }
        ended = run_module("bots", settings)
    assert ended.returncode == RedisUnavailableError.exit_code
    assert "The certificate of Redis at 127.0.0.1" in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout


def test_kombu_verifies_nothing_if_it_is_not_told_to(site: Site) -> None:
    """The reason for ``broker_use_ssl``: if this fails, kombu has learned to."""
    with tls_proxy(site.redis.port, site.foreign.sign()) as port:
        url = f"rediss://:hunter2@127.0.0.1:{port}/0"
        with kombu.Connection(url) as connection, contextlib.suppress(ssl.SSLError):
            channel: Any = connection.default_channel
            assert channel.client.ping()
