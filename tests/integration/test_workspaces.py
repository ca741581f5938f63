"""What is kept of a workspace goes when it has removed Parley: in 30 days, or at once."""

import asyncio
import dataclasses
import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

import bots.store
from bots.incoming.privacy import Forgetter
from bots.tasks import end
from shared.cli.processes import python_module
from shared.jobs import Job, Kind, Origin, Platform, make_job
from shared.ledger import keys, lifecycle, preferences, ratings, threads
from shared.ledger.calls import run_steps
from shared.ledger.forgetting import pending, workspaces
from shared.ledger.lifecycle import AskAllowance, ConversationMemory
from shared.ledger.quotas import Quotas
from shared.ledger.ratings import Rated
from shared.preferences import Preferences, Quota, Scope, Stored
from tests.integration.ledger_steps import DONE, LIMITS, REMEMBER, claim, deliver, lease_of
from tests.patience import PATIENCE_S
from worker.store import BlockingStore

MINE, OTHER = "slack:T1", "slack:T10"
"""Of which the one's name is the beginning of the other's."""


def asked_in(store: BlockingStore, team: str, number: int) -> Job:
    """A question in a workspace, accepted with all counters."""
    origin = Origin(Platform.SLACK, team, f"C{team}", "1", f"{number}.{team[1:]}", f"U{team}")
    job = make_job(Kind.CHAT, origin, f"said in {team}")
    quota = Quota(messages=100)
    allowance = AskAllowance(100, 100, 100, 100)
    store.run(lifecycle.accept(job, LIMITS, allowance, quotas=Quotas(quota, quota)))
    return job


def fill(store: BlockingStore, team: str) -> None:
    """Something in every kind of key that a workspace has."""
    client, tenant = store.client, f"slack:{team}"
    done = asked_in(store, team, 1)
    claim(store, done)
    assert store.run(lifecycle.finish(done.id, "t1", DONE, REMEMBER)).counted
    deliver(store, done)
    asked_in(store, team, 2)
    store.run(threads.note(done.origin, 60_000))
    store.run(threads.mute(done.origin, 60_000))
    store.run(threads.note_bot(done.origin))
    tag = make_job(Kind.TAG, dataclasses.replace(done.origin, act="tag"), "fine")
    store.run(lifecycle.accept(tag, LIMITS))
    rated = Rated("1.1", f"U{team}", "alice", "", 1.0, 2.0, "positive")
    assert store.run(ratings.note(lease_of(claim(store, tag)), rated)).is_kept
    store.run(lifecycle.finish(tag.id, "t1", DONE, ConversationMemory()))
    store.run(ratings.may_look(done.origin))
    store.run(ratings.may_alert(done.origin, "job"))
    scope, wish = Scope(tenant, "C1"), Preferences(language="fr")
    assert store.run(preferences.put(scope, Stored(), wish, f"U{team}"))
    client.hset(keys.feedback(done.origin.asker), done.id, "good")
    client.sadd(keys.opted_out(tenant), f"U{team}")
    client.sadd(keys.pins(tenant, f"C{team}"), "1.1")
    client.set(keys.answer("slack", team, f"C{team}", "1.2"), "1")
    client.set(keys.told(done.origin.asker), 1)
    client.hset(keys.seen("slack"), f"C{team}", "1.1")
    client.zadd(keys.threads("slack"), {f"C{team}:1": 1})
    client.hset(keys.installations("slack"), team, "sealed")
    later = json.dumps({"at": "1", "due": "9999999999999", "stage": "scan", "left": ""})
    client.hset(keys.FORGETTING, done.origin.asker, later)
    record = {"platform": "slack", "team": team, "channel": "C1", "message": "1", "passages": ["p"]}
    client.hset(keys.DOCUMENTS, f"d{team}", json.dumps({**record, "passages": [f"p{team}"]}))
    client.hset(keys.passage(f"p{team}"), "blocks", f"said in {team}")
    client.hset(keys.TEACHERS, f"d{team}", json.dumps({"people": [tenant], "lesson": ""}))
    client.sadd(keys.LESSONS, f"slack|{team}|C1|1")
    client.hset(keys.LEAVING, tenant, 1)


def told_of(store: BlockingStore, team: str) -> dict[str, list[bytes]]:
    """The keys that tell of a workspace, in their names or values, with what tells of it."""
    told: dict[str, list[bytes]] = {}
    client: Any = store.client
    for name in client.scan_iter():
        values = {
            b"string": lambda n: [client.get(n)],
            b"list": lambda n: client.lrange(n, 0, -1),
            b"set": client.smembers,
            b"zset": lambda n: client.zrange(n, 0, -1),
            b"hash": lambda n: [f + b"=" + v for f, v in client.hgetall(n).items()],
            b"stream": lambda n: [str(entry).encode() for entry in client.xrange(n)],
        }[client.type(name)](name)
        words = f"{team}\0".encode()
        if found := [v for v in [name, *values] if words in ended(v)]:
            told[name.decode()] = found
    return told


def ended(value: bytes) -> bytes:
    """A value whose words each end in NUL, so that no name is found in a longer one."""
    parts = [bytes([byte]) if chr(byte).isalnum() else b"\0" for byte in value]
    return b"".join(parts) + b"\0"


def test_all_of_a_workspace_goes_and_nothing_of_another(store: BlockingStore) -> None:
    for team in ("T1", "T10"):
        fill(store, team)
    kinds = {name.split(":")[1] for name in told_of(store, "T1")}
    assert len(kinds) > 25, kinds
    other = told_of(store, "T10")

    gone = run_steps(store.run, workspaces.forget(MINE, "somebody"))

    audit = told_of(store, "T1")
    assert set(audit) == {keys.AUDIT}
    assert len(audit[keys.AUDIT]) == 1
    assert b"forget-workspace" in audit[keys.AUDIT][0]
    left = told_of(store, "T10")
    assert {name: sorted(found) for name, found in left.items()} == {
        name: sorted(found) for name, found in other.items()
    }
    assert (gone.num_jobs, gone.num_documents, gone.num_changes) == (3, 1, 1)
    client: Any = store.client
    states = sorted(client.hget(name, "state") for name in client.scan_iter(keys.job("*")))
    assert states == [b"delivered", b"done", b"queued", b"withdrawn", b"withdrawn"]


def test_begun_again_it_ends_as_if_at_once(store: BlockingStore) -> None:
    for num_steps in (1, 4, 8, 12, 16):
        store.client.flushall()
        fill(store, "T1")
        killed = workspaces.forget(MINE, "somebody")
        call = next(killed)
        for _ in range(num_steps):
            call = killed.send(store.run(call))

        run_steps(store.run, workspaces.forget(MINE, "somebody"))

        assert set(told_of(store, "T1")) == {keys.AUDIT}


@pytest_asyncio.fixture
async def forgetter(bots_store: bots.store.AsyncStore) -> AsyncIterator[Forgetter]:
    """What the bots run beside their outbox."""

    async def retract(_job_id: str) -> None:
        """Nothing is shown here."""

    forgetter = Forgetter(bots_store, retract)
    running = asyncio.create_task(forgetter.run("slack"))
    yield forgetter
    await end([running])


async def until_none_leaves(store: BlockingStore) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while store.client.hlen(keys.LEAVING):  # noqa: ASYNC110 - it happens in Redis
            await asyncio.sleep(0.02)


async def test_it_goes_when_its_time_has_come(store: BlockingStore, forgetter: Forgetter) -> None:
    del forgetter
    fill(store, "T1")
    store.client.delete(keys.installations("slack"))

    await until_none_leaves(store)

    assert set(told_of(store, "T1")) == {keys.AUDIT}


async def test_it_stays_where_it_is_installed_again(
    store: BlockingStore, forgetter: Forgetter
) -> None:
    del forgetter
    fill(store, "T1")

    await until_none_leaves(store)

    assert len(told_of(store, "T1")) > 25


async def test_thirty_days_are_given_and_a_return_ends_them(
    store: BlockingStore, bots_store: bots.store.AsyncStore
) -> None:
    async def retract(_job_id: str) -> None:
        """Nothing is shown here."""

    forgetter = Forgetter(bots_store, retract)
    forgetter.note_left(MINE)
    forgetter.note_left(OTHER)
    await forgetter.flush()
    now_ms = int(store.client.time()[0]) * 1000
    due_ms = int(store.client.hget(keys.LEAVING, MINE) or 0)
    assert 0 <= due_ms - now_ms - keys.LEAVING_MS <= 60_000
    assert store.run(pending.left("slack")) == ()

    forgetter.note_served(MINE)
    await forgetter.flush()

    assert store.client.hkeys(keys.LEAVING) == [OTHER.encode()]


def parley(url: str, *words: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        python_module("shared.cli", *words),
        env={"PARLEY_REDIS_URL": url, "PATH": "/usr/bin:/bin"},
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_asks_first_and_says_what_is_gone(
    store: BlockingStore, quiet_redis: str
) -> None:
    fill(store, "T1")

    refused = parley(quiet_redis, "forget-workspace", MINE, said="n\n")
    assert refused.returncode == 1
    assert len(told_of(store, "T1")) > 25

    done = parley(quiet_redis, "forget-workspace", MINE, "--yes")

    assert done.returncode == 0, done.stderr
    assert "3 questions, 1 documents" in done.stdout
    assert set(told_of(store, "T1")) == {keys.AUDIT}
    (entry,) = store.run(preferences.audit(10))
    assert (entry.tenant, entry.user) == (MINE, "parley forget-workspace")
    wrong = parley(quiet_redis, "forget-workspace", "slack:T1:U1", "--yes")
    assert wrong.returncode == 78
    assert "write slack:TEAM or discord:SERVER" in wrong.stderr
