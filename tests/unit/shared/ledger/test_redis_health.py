"""Which Redis may be trusted with messages."""

from typing import Any

import pytest
import redis

from shared.connections.address import parse_address
from shared.errors import RedisUnavailableError
from shared.ledger.redis_health import (
    find_problem,
    fsync_advice,
    is_this_machine,
    open_door_advice,
    require_healthy,
    unreachable,
)

GOOD: dict[str, Any] = {
    "redis_version": "8.2.1",
    "aof_enabled": 1,
    "maxmemory_policy": "noeviction",
}

# info, whether volatile is allowed, a piece of the sentence or None
TABLE: list[tuple[dict[str, Any], bool, str | None]] = [
    (GOOD, False, None),
    (GOOD, True, None),
    ({**GOOD, "redis_version": "7.0.0"}, False, None),
    ({**GOOD, "redis_version": "10.0.0"}, False, None),
    ({**GOOD, "redis_version": "7.0"}, False, None),
    ({**GOOD, "redis_version": "8"}, False, None),
    ({**GOOD, "redis_version": "255.255.255"}, False, None),  # built from its main branch
    ({**GOOD, "redis_version": "6.2.14"}, False, "Redis is 6.2.14; Parley needs 7.0"),
    ({**GOOD, "redis_version": "6.2.14"}, True, "Redis is 6.2.14; Parley needs 7.0"),
    ({"aof_enabled": 1}, True, "Parley needs 7.0"),
    ({**GOOD, "aof_enabled": 0}, False, "--appendonly yes"),
    ({**GOOD, "aof_enabled": 0}, True, None),
    ({"redis_version": "8.0.0"}, False, "PARLEY_ALLOW_VOLATILE_REDIS=1"),
    ({**GOOD, "maxmemory_policy": "allkeys-lru"}, False, "maxmemory-policy allkeys-lru"),
    ({**GOOD, "maxmemory_policy": "volatile-ttl"}, False, "maxmemory-policy volatile-ttl"),
    ({**GOOD, "maxmemory_policy": "allkeys-lru"}, True, None),
    ({"redis_version": "8.0.0", "aof_enabled": 1}, False, None),  # not told: Redis's default
]


@pytest.mark.parametrize(("info", "allow_volatile", "piece"), TABLE)
def test_find_problem_says_what_is_wrong(
    info: dict[str, Any], *, allow_volatile: bool, piece: str | None
) -> None:
    problem = find_problem(info, allow_volatile=allow_volatile)

    assert (problem is None) == (piece is None)
    assert piece is None or piece in (problem or "")


def test_require_healthy_refuses_with_the_sentence() -> None:
    info = {**GOOD, "aof_enabled": 0}

    with pytest.raises(RedisUnavailableError) as refusal:
        require_healthy(info, allow_volatile=False)

    assert str(refusal.value) == find_problem(info, allow_volatile=False)


def test_require_healthy_lets_a_good_one_pass() -> None:
    require_healthy(GOOD, allow_volatile=False)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://localhost:6379/0", "localhost:6379/0"),
        ("redis://:hunter2@localhost:6379/0", "localhost:6379/0"),
        ("redis://user:hunter2@redis.example:6379", "redis.example:6379"),
        ("redis://:hunter2@hunter2@localhost:6379", "localhost:6379"),
        ("rediss://user:hunter2@redis.example:6380", "redis.example:6380"),
        ("unix://user:hunter2@/run/redis.sock", "/run/redis.sock"),
        ("redis://localhost:6379/0?password=hunter2", "localhost:6379/0"),  # as redis-py takes it
    ],
)
def test_unreachable_names_the_place_without_its_password(url: str, place: str) -> None:
    sentence = str(unreachable(url, redis.ConnectionError()))

    assert f" {place}" in sentence
    assert "hunter2" not in sentence
    assert "PARLEY_REDIS_URL" in sentence


@pytest.mark.parametrize("url", ["not a url", "redis+sentinel://:hunter2@a,b", "http://hunter2@a"])
def test_what_is_no_address_is_told_what_one_looks_like(url: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - redis-py's has no sentence of ours
        parse_address(url)

    sentence = str(unreachable(url, refusal.value))

    assert "which is no address: write redis://" in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("policy", "piece"),
    [
        ("always", None),
        ("everysec", "the last second or so"),
        ("no", "the last half minute or so"),
        (None, "may not see appendfsync"),
    ],
)
def test_fsync_advice_says_what_a_power_cut_would_take(
    policy: str | None, piece: str | None
) -> None:
    advice = fsync_advice(policy)

    assert (advice is None) == (piece is None)
    assert piece is None or piece in (advice or "")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("/run/redis.sock", True),
        ("redis", False),
        ("10.0.0.7", False),
        ("fd00::7", False),
        ("localhost.example", False),
    ],
)
def test_an_open_door_is_every_programs_or_everybodys(host: str, *, is_ours: bool) -> None:
    assert is_this_machine(host) == is_ours
    assert ("every program of this machine" in open_door_advice(host)) == is_ours
    assert ("give it a password" in open_door_advice(host)) != is_ours
