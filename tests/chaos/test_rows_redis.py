"""What a Redis can do to Parley, and who may do what to Redis: the rows of docs/reliability.md."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import redis

from bots.store import AsyncStore, open_store
from shared.jobs import Job, Kind, Origin, Platform, job_id
from shared.ledger import lifecycle
from shared.ledger.lifecycle import JobLimits
from tests.chaos.floor import BothSettings, served
from tests.compose import PASSWORDS, Machine, read_service
from tests.e2e.conftest import ALICE, CHANNEL
from tests.fakes.paced_model import SLOWLY
from tests.fakes.slack_server import FakeSlack
from tests.patience import PATIENCE_S
from tests.redis_servers import DURABLE, RedisServer, replicated_redis
from tests.running import run_module

LIMITS = JobLimits(deadline_ms=600_000, retention_ms=600_000)
ANSWER_S = 10.0

# Who may speak to the Redis of docker-compose.yml, and how each comes in.
ROLES = {
    "anonymous": [],
    "worker": [f"AUTH worker {PASSWORDS['REDIS_WORKER_PASSWORD']}"],
    "bots": [f"AUTH bots {PASSWORDS['REDIS_BOTS_PASSWORD']}"],
}
DENIED = (
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 1",
    "CONFIG GET appendonly",
    "CONFIG SET maxmemory 1",
    "KEYS *",
    "RANDOMKEY",
    "DEBUG SLEEP 0",
    "MODULE LOAD /tmp/any.so",
    "REPLICAOF 127.0.0.1 1",
    "SHUTDOWN NOSAVE",
    "ACL LIST",
    "ACL SETUSER intruder on nopass +@all ~*",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "SAVE",
    "BGREWRITEAOF",
    "SLOWLOG GET",
    "SCRIPT FLUSH",
    "FUNCTION FLUSH",
    # other programs' keys, plainly and through a script, which is not told its keys
    "GET foreign",
    "SET foreign 1",
    "DEL foreign",
    "EVAL \"return redis.call('GET', 'foreign')\" 0",
    "EVAL \"return redis.call('FLUSHALL')\" 0",
    # the channel on which Celery's workers would take orders, and any other
    "PUBLISH /0.celery.pidbox shutdown",
    "PUBLISH foreign x",
    "SUBSCRIBE foreign",
    "PSUBSCRIBE *",
    "EVAL \"return redis.call('PUBLISH', '/0.celery.pidbox', 'shutdown')\" 0",
)
SWITCHED_OFF = ("-ERR DEBUG command not allowed", "-ERR MODULE command not allowed")
"""For everybody, before Redis looks who asks."""
NO_ENTRY = ("-NOAUTH", *SWITCHED_OFF)
NO_RIGHT = ("-NOPERM", "-ERR ACL failure in script", *SWITCHED_OFF)
DENIED_TO_BOTS = ("BRPOP chat 1", "LRANGE chat 0 -1", "HGETALL unacked")


def ask(port: int, *commands: str) -> str:
    """The first line of Redis's answer to the last of these, sent one after the other."""
    answer = ""
    with (
        socket.create_connection(("127.0.0.1", port), ANSWER_S) as connection,
        connection.makefile("r", encoding="utf-8") as answers,
    ):
        for command in commands:
            connection.sendall(f"{command}\r\n".encode())
            answer = answers.readline().rstrip()
    return answer


@pytest.fixture
def both_settings(slack_settings: dict[str, str], worker_settings: dict[str, str]) -> BothSettings:
    """The settings of bots on the fake Slack, and of a worker whose answers can be cut in two."""
    return slack_settings, {**worker_settings, "PARLEY_MAX_NEW_TOKENS": "150"}


def make_job(number: int) -> Job:
    """A question in a conversation of its own."""
    origin = Origin(Platform.SLACK, "T0", CHANNEL, f"{number}", f"{number}", ALICE)
    return Job(job_id(origin), Kind.CHAT, origin, "hello")


@pytest.mark.timeout(240)
async def test_row_10_full_redis_takes_nothing_new_and_ends_nobody(
    tmp_path: Path, slack: FakeSlack, both_settings: BothSettings
) -> None:
    with RedisServer(tmp_path / "redis") as store:
        async with served(slack, store.url, both_settings) as floor:
            running = await floor.ask(f"being answered {SLOWLY} when it fills up")
            await floor.wait_text(running)
            with store.connect() as client:
                client.config_set("maxmemory", 1)
                refused = [await floor.ask("asked while it is full") for _ in range(2)]
                for message in refused:
                    await floor.wait_sent_again(message)
                    assert not floor.is_acknowledged(message)
                assert len(floor.bots.events("job_accepted")) == 1
                await floor.wait_answered_once(running)

                client.config_set("maxmemory", 0)

            await floor.wait_answered_once(running, *refused)


UNFIT = {
    "no append-only file": ({"appendonly": "no"}, "--appendonly yes"),
    "throws keys away": ({**DURABLE, "maxmemory-policy": "allkeys-lru"}, "allkeys-lru"),
}
each_unfit = pytest.mark.parametrize(("options", "words"), UNFIT.values(), ids=UNFIT)


@each_unfit
@pytest.mark.parametrize("module", ["worker", "bots"])
def test_row_11_redis_that_would_lose_messages_is_refused_in_a_sentence(
    tmp_path: Path, module: str, options: Mapping[str, str], words: str
) -> None:
    with RedisServer(tmp_path / "redis", options) as store:
        ended = run_module(module, {"PARLEY_REDIS_URL": store.url, "DISCORD_TOKEN": "x.y.z"})

    assert ended.returncode == 69, ended.stderr
    assert ended.stderr.startswith("parley: ")
    assert words in ended.stderr
    assert "PARLEY_ALLOW_VOLATILE_REDIS=1" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@each_unfit
@pytest.mark.timeout(120)
async def test_row_11_operator_who_accepts_the_loss_may_run_on_it(
    tmp_path: Path,
    slack: FakeSlack,
    both_settings: BothSettings,
    options: Mapping[str, str],
    words: str,
) -> None:
    del words
    consent = {"PARLEY_ALLOW_VOLATILE_REDIS": "1"}
    accepting = ({**both_settings[0], **consent}, {**both_settings[1], **consent})
    with RedisServer(tmp_path / "redis", options) as store:
        async with served(slack, store.url, accepting) as floor:
            await floor.wait_answered_once(await floor.ask("are you there?"))


@contextlib.asynccontextmanager
async def careful_store(url: str) -> AsyncIterator[AsyncStore]:
    """A bots process's client that wants a replica's confirmation."""
    store = await open_store(url, allow_volatile=False, num_replicas=1)
    try:
        yield store
    finally:
        await store.client.aclose(close_connection_pool=True)


async def accepts(store: AsyncStore, job: Job) -> bool:
    """Whether a message counts as accepted; it may have been recorded before."""
    try:
        await store.run_confirmed(lifecycle.accept(job, LIMITS))
    except redis.RedisError:
        return False
    return True


async def test_row_12_what_counts_as_accepted_survives_the_failover(tmp_path: Path) -> None:
    with replicated_redis(tmp_path) as pair:
        async with careful_store(pair.url) as store, careful_store(pair.url) as other:
            before = [make_job(number) for number in range(20)]
            assert all([await accepts(store, job) for job in before])

            pair.replication.pause()
            cut_off = make_job(99)
            assert not await accepts(store, cut_off)
            # Sent again, it is known and as little safe, whichever connection asks.
            assert not await accepts(store, cut_off)
            assert not await accepts(other, cut_off)
            pair.master.kill()
            pair.promote()

            assert [job for job in before if await store.find_job(job.id)] == before
            assert await store.find_job(cut_off.id) is None, "the replica did not have it"
            assert not await accepts(store, cut_off), "there is one Redis and no replica"
            pair.follow()
            assert await accepts(store, cut_off)


async def test_row_12_replica_that_catches_up_makes_the_repeated_message_count(
    tmp_path: Path,
) -> None:
    with replicated_redis(tmp_path) as pair:
        async with careful_store(pair.url) as store:
            pair.replication.pause()
            job = make_job(1)
            assert not await accepts(store, job)

            pair.replication.resume()
            async with asyncio.timeout(PATIENCE_S):
                while not await accepts(store, job):  # each try waits for the replica
                    pass

            pair.master.kill()
            pair.promote()
            assert await store.find_job(job.id) == job


@pytest.mark.timeout(240)
async def test_row_12_people_are_answered_once_through_a_failover(
    tmp_path: Path, slack: FakeSlack, both_settings: BothSettings
) -> None:
    for_bots, for_worker = both_settings
    careful = ({**for_bots, "PARLEY_REDIS_REPLICAS": "1"}, for_worker)
    with replicated_redis(tmp_path) as pair:
        async with served(slack, pair.url, careful) as floor:
            running = await floor.ask(f"being answered {SLOWLY} when the master dies")
            await floor.wait_text(running)
            pair.replication.pause()
            meanwhile = await floor.ask("asked while the replica lags")
            await floor.wait_sent_again(meanwhile, times=1)
            assert not floor.is_acknowledged(meanwhile)
            pair.master.kill()
            pair.promote()
            pair.follow()

            await floor.wait_answered_once(running, meanwhile)


@pytest.mark.timeout(240)
async def test_row_36_redis_that_ends_for_want_of_disk_forgets_nothing_it_took(
    tmp_path: Path, slack: FakeSlack, both_settings: BothSettings
) -> None:
    with RedisServer(tmp_path / "redis") as store:
        async with served(slack, store.url, both_settings) as floor:
            running = await floor.ask(f"being answered {SLOWLY} when the disk fills up")
            await floor.wait_text(running)
            store.leave_room(num_bytes=4096)
            queued = await floor.ask("may be taken just before")
            assert await asyncio.to_thread(store.process.wait, PATIENCE_S) == 1
            assert "Can't recover from AOF write error" in store.log.read_text()

            meanwhile = await floor.ask("asked while it is away")
            await floor.wait_sent_again(meanwhile)
            assert not floor.is_acknowledged(meanwhile)
            store.start()  # a new process, and room again

            await floor.wait_answered_once(running, queued, meanwhile)


async def test_row_37_nobody_may_do_to_redis_what_parley_does_not_do(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    store = machine.adapt(read_service("redis", PASSWORDS))
    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        port = machine.redis_port
        for role in ("worker", "bots"):
            assert await asyncio.to_thread(ask, port, *ROLES[role], "SET parley:kept 1") == "+OK"

        for role, way_in in ROLES.items():
            refusals = NO_RIGHT if way_in else NO_ENTRY
            denied = (*DENIED, *(DENIED_TO_BOTS if role == "bots" else ()))
            for command in denied:
                answer = await asyncio.to_thread(ask, port, *way_in, command)
                assert answer.startswith(refusals), f"{role}: {command}: {answer}"

        assert process.poll() is None
        assert await asyncio.to_thread(ask, port, *ROLES["worker"], "EXISTS parley:kept") == ":1"
        for command in ("PING", "GET parley:kept", "SET parley:kept 2", "LPUSH chat x"):
            assert (await asyncio.to_thread(ask, port, command)).startswith("-NOAUTH"), command


@pytest.mark.parametrize("user", ["worker", "bots", "default", "adapter"])
async def test_row_37_no_user_comes_in_with_another_ones_password(
    tmp_path: Path, user: str
) -> None:
    machine = Machine(tmp_path)
    store = machine.adapt(read_service("redis", PASSWORDS))
    wrong = [secret for name, secret in PASSWORDS.items() if user.upper() not in name]
    with machine.up(store) as process:
        await machine.wait_healthy(store, process)
        for password in [*wrong, "''"]:
            answer = await asyncio.to_thread(
                ask, machine.redis_port, f"AUTH {user} {password}", "PING"
            )
            assert answer.startswith("-NOAUTH"), f"{user}: {answer}"
