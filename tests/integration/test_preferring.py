"""Preferences against a real Redis: nobody's change is lost, and each holds in every process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import bots.store
from bots.incoming.preferences import NOT_ADMIN, NOT_READ, OVERTAKEN, Editor, PreferenceCache
from bots.tasks import end
from shared.jobs import Kind, Origin, Platform
from shared.ledger import keys
from shared.ledger import preferences as rulebook
from shared.preference_layers import Fallback, Resolved
from shared.preferences import (
    Preferences,
    Quota,
    Scope,
    Stored,
    WhenToSpeak,
    parse_quiet_hours,
)
from tests.fakes.tcp_proxy import TcpProxy
from tests.patience import PATIENCE_S

ORIGIN = Origin(Platform.SLACK, "T1", "C1", "1.0", "1.0", "U1")
WORKSPACE, CHANNEL = Scope("slack:T1"), Scope("slack:T1", "C1")
ADMIN, PERSON = Editor("U1", is_admin=True), Editor("U2", is_admin=False)
FRENCH = Preferences(language="fr")
FALLBACK = Fallback(channels={"C1": WhenToSpeak.QUESTIONS}, user_quota=Quota(5, 0))


def preferring_of(store: bots.store.AsyncStore, url: str) -> PreferenceCache:
    return PreferenceCache(store, url, FALLBACK, frozenset({"U3"}))


@contextlib.asynccontextmanager
async def running(preference_cache: PreferenceCache) -> AsyncIterator[PreferenceCache]:
    task = asyncio.create_task(preference_cache.run())
    try:
        yield preference_cache
    finally:
        await end([task])


async def wait_until(is_met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_met():  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.01)


async def test_a_change_holds_at_once_where_it_was_made_and_soon_everywhere(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    here, there = (preferring_of(bots_store, quiet_redis) for _ in range(2))
    async with running(there):
        assert await here.put(WORKSPACE, await here.get(WORKSPACE), FRENCH, ADMIN) is None

        assert here.resolved(ORIGIN).language == "fr"
        await wait_until(lambda: there.resolved(ORIGIN).language == "fr")
        other = Preferences(language="de")
        await here.put(CHANNEL, await here.get(CHANNEL), other, ADMIN)
        await wait_until(lambda: there.resolved(ORIGIN).language == "de")
        await here.put(CHANNEL, await here.get(CHANNEL), Preferences(), ADMIN)
        await wait_until(lambda: there.resolved(ORIGIN).language == "fr")


async def test_what_was_said_while_redis_was_away_is_found_when_it_is_back(
    bots_store: bots.store.AsyncStore, quiet_redis: str, line: TcpProxy
) -> None:
    here = preferring_of(bots_store, quiet_redis)
    head, _, _ = quiet_redis.rpartition(":")
    url = f"{head}:{line.port}/0"
    far_store = await bots.store.open_store(url, allow_volatile=False)
    far = preferring_of(far_store, url)
    try:
        async with running(far):
            await here.put(WORKSPACE, Stored(), FRENCH, ADMIN)
            await wait_until(lambda: far.resolved(ORIGIN).language == "fr")
            line.pause()
            before = await here.get(WORKSPACE)
            await here.put(WORKSPACE, before, Preferences(language="de"), ADMIN)
            line.reset()
            line.resume()
            await wait_until(lambda: far.resolved(ORIGIN).language == "de")
    finally:
        await far_store.close()


async def test_of_two_who_change_the_same_the_later_one_is_told(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    preference_cache = preferring_of(bots_store, quiet_redis)
    before = await preference_cache.get(CHANNEL)
    assert await preference_cache.put(CHANNEL, before, FRENCH, ADMIN) is None

    assert (
        await preference_cache.put(CHANNEL, before, Preferences(language="de"), ADMIN) == OVERTAKEN
    )

    assert await preference_cache.get(CHANNEL) == Stored(FRENCH, version=1)
    assert preference_cache.resolved(ORIGIN).language == "fr"


async def test_only_administrators_change_anything(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    preference_cache = preferring_of(bots_store, quiet_redis)

    assert await preference_cache.put(CHANNEL, Stored(), FRENCH, PERSON) == NOT_ADMIN
    assert await preference_cache.get(CHANNEL) == Stored()
    listed = Editor("U3", is_admin=False)
    assert await preference_cache.put(CHANNEL, Stored(), FRENCH, listed) is None


async def test_the_audit_says_who_changed_what_from_what_to_what(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    preference_cache = preferring_of(bots_store, quiet_redis)
    hours = parse_quiet_hours("22:00-07:00 Europe/Berlin")
    first = Preferences(language="fr", tasks_off=frozenset({Kind.WRITE, Kind.ASK}))
    await preference_cache.put(WORKSPACE, Stored(), first, ADMIN)
    second = Preferences(quiet_hours=hours, tasks_off=first.tasks_off)
    admin = Editor("U3", True)  # noqa: FBT003 - whether an admin
    await preference_cache.put(WORKSPACE, await preference_cache.get(WORKSPACE), second, admin)
    await preference_cache.put(CHANNEL, Stored(), Preferences(user_quota=Quota(3)), ADMIN)

    entries = await bots_store.run(rulebook.audit(10))

    assert [(e.channel, e.user, e.field, e.old, e.new) for e in reversed(entries)] == [
        ("", "U1", "language", "", "fr"),
        ("", "U1", "tasks_off", "", "ask, write"),
        ("", "U3", "language", "fr", ""),
        ("", "U3", "quiet_hours", "", "22:00-07:00 Europe/Berlin"),
        ("C1", "U1", "user_quota", "", "3 messages"),
    ]
    assert {entry.tenant for entry in entries} == {"slack:T1"}
    latest = await bots_store.run(rulebook.audit(2))
    assert latest == entries[:2]


async def test_many_scopes_are_read_at_once_and_only_if_something_changed(
    bots_store: bots.store.AsyncStore,
) -> None:
    for number in range(50):
        await bots_store.run(rulebook.put(Scope("slack:T1", f"C{number}"), Stored(), FRENCH, "U1"))

    everything = await bots_store.run(rulebook.read_all())

    assert everything.by_scope is not None
    assert len(everything.by_scope) == everything.num_changes == 50
    again = await bots_store.run(rulebook.read_all(everything.num_changes))
    assert again.by_scope is None


async def test_what_a_newer_parley_wrote_is_not_overwritten(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    preference_cache = preferring_of(bots_store, quiet_redis)
    newer = '{"v": 99, "type": "preferences", "body": {"version": 7}}'
    await bots_store.client.hset(keys.PREFERENCES, CHANNEL.name, newer)
    await preference_cache.refresh()

    assert preference_cache.resolved(ORIGIN).language == ""
    read = await preference_cache.get(CHANNEL)
    assert await preference_cache.put(CHANNEL, read, FRENCH, ADMIN) == NOT_READ
    assert await preference_cache.put(CHANNEL, Stored(), FRENCH, ADMIN) == OVERTAKEN


async def test_where_nobody_prefers_anything_the_settings_hold(
    bots_store: bots.store.AsyncStore, quiet_redis: str
) -> None:
    resolved = preferring_of(bots_store, quiet_redis).resolved(ORIGIN)

    assert resolved == Resolved(when_to_speak=WhenToSpeak.QUESTIONS, user_quota=Quota(5, 0))
    assert resolved.manner is None
