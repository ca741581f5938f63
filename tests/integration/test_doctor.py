"""What `parley doctor` says of a real Redis."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.checks import Check
from shared.cli.doctor import check_redis
from tests.compose import PASSWORDS, Machine, read_service, redis_url
from tests.redis_servers import DURABLE, RedisServer


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        (DURABLE, {"redis access"}),
        ({"appendonly": "yes"}, {"redis access", "redis fsync"}),
        ({"appendonly": "yes", "appendfsync": "no", "requirepass": "secret"}, {"redis fsync"}),
        ({**DURABLE, "requirepass": "secret"}, set()),
    ],
)
def test_doctor_notes_an_open_door_and_a_lazy_append_only_file(
    tmp_path: Path, options: Mapping[str, str], notes: set[str]
) -> None:
    with RedisServer(tmp_path, options) as server:
        checks = check_redis(server.url, allow_volatile=False)

    assert {check.name for check in checks if check.passed is None} == notes
    assert not [check for check in checks if check.passed is False]


def test_doctor_fails_a_redis_that_would_lose_messages(tmp_path: Path) -> None:
    with RedisServer(tmp_path, {"appendonly": "no"}) as server:
        checks = by_name(check_redis(server.url, allow_volatile=False))

    assert checks["redis"].passed is False
    assert "redis fsync" not in checks, "there is no file to be written"


@pytest.mark.parametrize("side", ["worker", "bots"])
async def test_doctor_works_with_the_few_rights_of_the_compose_file(
    tmp_path: Path, side: str
) -> None:
    machine = Machine(tmp_path)
    store = machine.adapt(read_service("redis", PASSWORDS))
    url = redis_url(read_service(side, PASSWORDS), machine)
    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        checks = by_name(check_redis(url, allow_volatile=False))

    assert checks["redis"].passed
    assert checks["redis access"].passed
    assert "may not see appendfsync" in checks["redis fsync"].finding
