"""A failover by real Sentinels, from one Redis to its replica: row 39 of docs/reliability.md.

``python -m tests.chaos --sentinel`` is the long form.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots import store as bots_store
from shared.cli.doctor import check_redis
from shared.errors import RedisUnavailableError
from tests.chaos.floor import served
from tests.chaos.processes import SentinelRedis
from tests.chaos.workers import wait_for
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelRedis]:
    with SentinelRedis(tmp_path / "redis", num_replicas=2) as redis_server:
        yield redis_server


@pytest.mark.timeout(240)
async def test_row_39_every_connection_follows_sentinel_to_the_new_primary(
    sentinels: SentinelRedis,
    slack: FakeSlack,
    slack_settings: dict[str, str],
    worker_settings: dict[str, str],
) -> None:
    careful = (
        {**slack_settings, "PARLEY_REDIS_REPLICAS": "1"},
        {**worker_settings, "PARLEY_MAX_NEW_TOKENS": "150"},
    )
    before = await asyncio.to_thread(lambda: sentinels.primary)
    async with served(slack, sentinels.url, careful) as floor:
        running = await floor.ask(f"being answered {SLOWLY} when the primary dies")
        await floor.wait_text(running)
        sentinels.child.kill(pause_s=0)
        meanwhile = await floor.ask("asked while the Sentinels choose")
        await asyncio.to_thread(
            wait_for, lambda: sentinels.primary not in {None, before}, "another primary", PATIENCE_S
        )
        await floor.wait_answered_once(running, meanwhile)
        assert not floor.worker.events("celery_ended")
        after = await floor.ask("asked when all is well")
        await floor.wait_answered_once(running, meanwhile, after)
        checks = await asyncio.to_thread(check_redis, sentinels.url, allow_volatile=False)
        assert [check.name for check in checks if check.passed is False] == []


async def test_sentinels_that_name_no_redis_are_said(sentinels: SentinelRedis) -> None:
    unknown = sentinels.url.replace("/parley", "/other")
    wrong = sentinels.url.replace("of-sentinel", "guessed")

    for url in (unknown, wrong):
        *others, check = await asyncio.to_thread(check_redis, url, allow_volatile=False)
        assert check.passed is False
        assert len(others) == (3 if url == wrong else 0)
        assert all("refuses the user or password" in other.finding for other in others)
        assert "name no Redis that is up" in check.finding
        assert "of-redis" not in check.finding
        assert "guessed" not in check.finding
        with pytest.raises(RedisUnavailableError, match="name no Redis that is up"):
            await bots_store.open_store(url, allow_volatile=False)
