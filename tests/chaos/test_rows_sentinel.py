"""A failover by real Sentinels, from one Redis to its replica: row 39 of docs/reliability.md.

``python -m tests.chaos --sentinel`` is the long form.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis

from bots import store as bots_store
from bots.delivery.manager import Delivery
from bots.incoming.answer_actions import Actor, AnswerActions
from bots.incoming.preferences import Editor, PreferenceCache
from bots.incoming.privacy import forget_user
from bots.metrics import Metrics
from shared.cli.doctor import check_redis
from shared.errors import RedisUnavailableError
from shared.jobs import Origin, Platform
from shared.ledger import keys
from shared.ledger.lifecycle import JobLimits
from shared.ledger.privacy import STILL_DELETING
from shared.preference_layers import Fallback
from shared.preferences import Preferences, Scope, Stored
from tests.chaos.floor import served
from tests.chaos.processes import SentinelRedis
from tests.chaos.way_out import scribe_at
from tests.chaos.workers import wait_for
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_server import FakeSlack
from tests.integration.test_live_reply import SlowPlatform
from tests.patience import PATIENCE_S
from tests.redis_servers import RedisServer
from worker import store as worker_store
from worker.leases import LeaseKeeper, Listener
from worker.store import BlockingStore


class Looked(LeaseKeeper):
    """Notes what it was told to look at."""

    def __init__(self, store: BlockingStore, lease_ms: int) -> None:
        super().__init__(store, lease_ms)
        self.looked_at: set[str] = set()

    def look(self, job_id: str) -> None:
        """As its parent's."""
        self.looked_at.add(job_id)
        super().look(job_id)


LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)


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


async def test_row_39_what_a_person_is_told_is_done_has_reached_a_replica(tmp_path: Path) -> None:
    alone = RedisServer(tmp_path / "redis")  # as after a failover to the only replica
    origin = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
    with alone, scribe_at(alone.url) as scribe:
        job = await asyncio.to_thread(scribe.accept, origin)
        store = await bots_store.open_store(alone.url, allow_volatile=False, num_replicas=1)
        delivery = Delivery(store, SlowPlatform(), LIMITS, Metrics())
        actions = AnswerActions(store, delivery, lambda _ready: None, LIMITS, 1000)
        preferences = PreferenceCache(store, alone.url, Fallback())
        scope, before = Scope(origin.tenant), Stored()
        editor = Editor("U1", is_admin=True)
        try:
            steps: list[Callable[[], Awaitable[object]]] = [
                lambda: actions.stop(job.id, Actor("U1")),
                lambda: delivery.retract(job.id),
                lambda: preferences.put(scope, before, Preferences(system_prompt="x"), editor),
            ]
            for step in steps:
                with pytest.raises(redis.RedisError, match="0 of 1 replicas confirmed"):
                    await step()
            assert await forget_user(store, origin) == STILL_DELETING
        finally:
            await delivery.close()
            await store.close()


async def test_row_38_a_subscription_leaves_a_primary_that_hangs(sentinels: SentinelRedis) -> None:
    before = await asyncio.to_thread(lambda: sentinels.primary)
    store = worker_store.open_store(sentinels.url, allow_volatile=False)
    keeper = Looked(store, 60_000)
    listener = Listener(store, keeper)
    listener.listen()
    sentinels.child.freeze()  # as a machine that is gone: nothing is closed
    try:
        await asyncio.to_thread(
            wait_for, lambda: sentinels.primary not in {None, before}, "another primary"
        )

        def hears() -> bool:
            """Whether it hears what is said on the new primary."""
            with contextlib.suppress(redis.RedisError, OSError):
                store.client.publish(keys.LOOK, "job")
                listener.listen()
            return "job" in keeper.looked_at

        await asyncio.to_thread(wait_for, hears, "what is published there")
    finally:
        sentinels.child.thaw()
        listener.close()
        store.client.close()
