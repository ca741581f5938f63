"""The way in against a real Redis: marks, new sessions, and what lies in the spool meanwhile."""

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bots.adapter import Link, Wiring
from bots.delivery.manager import Surface
from bots.discord.sdk.surface import DiscordSurface
from bots.discord.session_limits import BURST, EVERY_MS, SessionStarts, take
from bots.incoming.backfill import backfill
from bots.incoming.inbox import FULL, MAX_PER_ASKER, Inbox, SpoolEntry, read_entry, write_entry
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.incoming.read_marks import MAX_THREADS, ReadMarks
from bots.incoming.reception import LATE_S, Reception, allowance_at
from bots.incoming.spool import Spool
from bots.metrics import Metrics
from bots.store import AsyncStore, open_store
from bots.tasks import end
from shared.jobs import Job, Origin, Platform, job_id
from shared.ledger.lifecycle import AskAllowance, JobLimits, Ready
from tests.fakes.tcp_proxy import TcpProxy
from tests.patience import PATIENCE_S

ALLOWANCE = AskAllowance(user_per_min=20, channel_per_min=120, max_open_per_user=5, max_queue=100)
LIMITS = JobLimits(deadline_ms=60_000, retention_ms=60_000)
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def store(quiet_redis: str, line: TcpProxy) -> AsyncIterator[AsyncStore]:
    head, _, _ = quiet_redis.rpartition(":")
    opened = await open_store(f"{head}:{line.port}/0", allow_volatile=False)
    yield opened
    line.resume()
    await opened.client.aclose()
    await opened.client.connection_pool.disconnect()


def make_wiring(store: AsyncStore, allowance: AskAllowance | None) -> Wiring:
    woken: list[Ready] = []
    return Wiring(
        store=store,
        redis_url="redis://127.0.0.1:1/0",
        limits=LIMITS,
        allowance=allowance,
        max_chars=1000,
        wake=woken.append,
        metrics=Metrics(),
    )


@contextlib.asynccontextmanager
async def reception_of(
    store: AsyncStore, allowance: AskAllowance | None
) -> AsyncIterator[Reception]:
    surface: Surface = DiscordSurface()  # never connected: nothing is shown here
    link = Link(make_wiring(store, allowance), surface, Platform.DISCORD)
    yield link.reception
    await link.delivery.close()


@pytest.fixture
async def reception(store: AsyncStore) -> AsyncIterator[Reception]:
    async with reception_of(store, ALLOWANCE) as made:
        yield made


class Ears:
    """What people are told without the ledger."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def say(self, incoming: Incoming, sentence: str) -> None:
        self.told.append((incoming.origin.message, sentence))


def incoming(message: int, user: str = "alice", channel: str = "C1", age_s: float = 0) -> Incoming:
    origin = Origin(Platform.DISCORD, "T1", channel, str(message), str(message), user)
    situation = Situation(is_from_person=True, mentions_us=True)
    return Incoming(origin, f"question {message}", situation, written_at_s=time.time() - age_s)


async def jobs_of(store: AsyncStore, *messages: Incoming) -> list[Job | None]:
    return [await store.find_job(job_id(message.origin)) for message in messages]


@contextlib.asynccontextmanager
async def running(inbox: Inbox) -> AsyncIterator[None]:
    task = asyncio.create_task(inbox.run())
    try:
        yield
    finally:
        await end([task])


async def wait_until(is_met: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await is_met():  # noqa: ASYNC110 - it happens in Redis or on the disk
            await asyncio.sleep(0.02)


async def wait_for_jobs(store: AsyncStore, *messages: Incoming) -> list[Job]:
    async def are_there() -> bool:
        return all(await jobs_of(store, *messages))

    await wait_until(are_there)
    return [job for job in await jobs_of(store, *messages) if job]


def kept_in(folder: Path) -> bytes:
    """What lies on the disk of what people wrote."""
    return b"".join(file.read_bytes() for file in folder.glob("*.jsonl"))


async def is_empty(folder: Path) -> bool:
    return not kept_in(folder)


# The spool


async def test_messages_that_redis_does_not_hear_are_accepted_in_order_when_it_does(
    store: AsyncStore, reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    inbox = Inbox(reception, Spool(tmp_path, "discord", 100), Ears().say)
    messages = [incoming(number, user=f"user{number}") for number in range(10)]
    async with running(inbox):
        line.pause()
        await asyncio.gather(*(inbox.take(message) for message in messages))
        line.resume()

        jobs = await wait_for_jobs(store, *messages)
        await wait_until(lambda: is_empty(tmp_path))  # nobody's words are left on the disk

    numbers = [int(await store.client.hget(f"parley:job:{job.id}", "number") or 0) for job in jobs]
    assert numbers == sorted(numbers)
    assert [job.late_s for job in jobs] == [0.0] * 10


async def test_messages_of_a_process_that_died_are_accepted_by_the_next_and_once(
    store: AsyncStore, reception: Reception, tmp_path: Path
) -> None:
    old, young, mad = incoming(1, age_s=300), incoming(2), incoming(3, age_s=30 * 3600)
    known = incoming(4)
    await reception.receive(known)
    number = await store.client.hget(f"parley:job:{job_id(known.origin)}", "number")
    lines = [write_entry(SpoolEntry(message=message)) for message in (old, young, mad, known)]
    (tmp_path / "discord-1-dead.jsonl").write_bytes(
        b"\n".join([*lines, b"not ours", b'{"v": 1, "entry": {"message": {"origin": 3'])
    )

    async with running(Inbox(reception, Spool(tmp_path, "discord", 100), Ears().say)):
        jobs = await wait_for_jobs(store, old, young)
        await wait_until(lambda: is_empty(tmp_path))

    assert [job.late_s > LATE_S for job in jobs] == [True, False]
    assert await jobs_of(store, mad) == [None], "the ledger would not know it again"
    assert await store.client.hget(f"parley:job:{job_id(known.origin)}", "number") == number


async def test_a_deletion_overtakes_a_message_that_lies_in_the_spool(
    store: AsyncStore, reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    inbox = Inbox(reception, Spool(tmp_path, "discord", 100), Ears().say)
    deleted, kept = incoming(1), incoming(2)
    async with running(inbox):
        line.pause()
        await inbox.take(deleted)
        await inbox.take(kept)
        await inbox.withdraw(deleted.origin)
        line.resume()

        await wait_for_jobs(store, kept)
        await wait_until(lambda: is_empty(tmp_path))

    # What Redis was asked before may reach it late.
    state = await store.client.hget(f"parley:job:{job_id(deleted.origin)}", "state")
    assert state in {None, b"withdrawn"}


async def test_who_finds_no_room_is_told_once_a_minute_in_each_channel(
    reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    ears = Ears()
    inbox = Inbox(reception, Spool(tmp_path, "discord", 2), ears.say)
    async with running(inbox):
        line.pause()
        await inbox.take(incoming(1, "a"))
        await inbox.take(incoming(2, "b"))
        for number, channel in ((3, "C1"), (4, "C1"), (5, "C2")):
            await inbox.take(incoming(number, f"user{number}", channel))

    assert ears.told == [("3", FULL), ("5", FULL)]


async def test_one_person_cannot_fill_the_spool(
    reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    ears = Ears()
    spool = Spool(tmp_path, "discord", 1000)
    inbox = Inbox(reception, spool, ears.say)
    async with running(inbox):
        line.pause()
        for number in range(MAX_PER_ASKER + 5):
            await inbox.take(incoming(number, "flooder"))
        await inbox.take(incoming(900, "bob"))

        assert len(spool.lines) == MAX_PER_ASKER + 1
        assert [message for message, _ in ears.told] == [str(MAX_PER_ASKER)]


async def test_what_was_found_by_looking_back_is_looked_for_again_and_not_kept(
    reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    """Most of it has been answered: it would fill the spool, and people be told that it is full."""
    ears = Ears()
    spool = Spool(tmp_path, "discord", 100)
    inbox = Inbox(reception, spool, ears.say)
    async with running(inbox):
        line.pause()
        await inbox.take(incoming(1000, "bob"))  # heard, and kept
        for number in range(MAX_PER_ASKER + 2):
            with pytest.raises(TimeoutError):
                await inbox.take(incoming(number), is_found=True)

        assert ears.told == []
        assert len(spool.lines) == 1


async def test_a_folder_that_cannot_be_written_to_is_no_reason_to_be_silent(
    store: AsyncStore, reception: Reception, line: TcpProxy, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    ears = Ears()
    inbox = Inbox(reception, Spool(tmp_path / "file", "discord", 100), ears.say)
    async with running(inbox):
        await inbox.take(incoming(1))
        line.pause()
        await inbox.take(incoming(2))
        line.resume()

    assert await jobs_of(store, incoming(1)) != [None]
    assert [message for message, _ in ears.told] == ["2"]


def test_an_entry_comes_back_as_it_was_written() -> None:
    message = dataclasses.replace(
        incoming(1), text="lone \ud83d surrogate\0, \u202e\u200b", late_s=3
    )
    deletion = SpoolEntry(deleted=message.origin)

    kept = read_entry(write_entry(SpoolEntry(message=message)))

    assert kept is not None
    assert kept.message == dataclasses.replace(message, text="lone ? surrogate, \u202e\u200b")
    assert read_entry(write_entry(deletion)) == deletion
    assert b"\n" not in write_entry(SpoolEntry(message=dataclasses.replace(message, text="a\nb")))


# Reception


async def test_a_half_open_redis_is_given_up_in_time(reception: Reception, line: TcpProxy) -> None:
    await reception.receive(incoming(1))
    line.pause()

    async with asyncio.timeout(5):
        with pytest.raises((TimeoutError, OSError)):
            await reception.receive(incoming(2))


async def test_a_message_that_is_deleted_before_it_is_accepted_is_not(
    store: AsyncStore, reception: Reception
) -> None:
    await reception.withdraw(incoming(1).origin)

    assert await reception.receive(incoming(1)) is None
    assert await jobs_of(store, incoming(1)) == [None]


async def test_a_flood_is_not_put_before_the_ledger(
    store: AsyncStore, reception: Reception
) -> None:
    await store.client.config_resetstat()  # other tests have asked this Redis, too

    taken = [await reception.receive(incoming(number)) for number in range(200)]

    info = await store.client.info("commandstats")
    num_asked = info["cmdstat_evalsha"]["calls"]
    assert (
        sum(job is not None for job in taken) == ALLOWANCE.max_open_per_user + 1
    )  # and a sentence
    assert reception.flood_guard.num_dropped > 150
    assert num_asked < 50


def test_what_was_written_long_ago_is_measured_by_that_time() -> None:
    assert allowance_at(0, ALLOWANCE) is ALLOWANCE
    assert allowance_at(600, None) is None
    later = allowance_at(600, ALLOWANCE)  # 11 minutes' worth: the ten and the one that is now
    assert later == AskAllowance(220, 1320, 20, 100)


# Marks


async def test_marks_keep_the_latest_message_of_each_channel_for_the_next_process(
    store: AsyncStore,
) -> None:
    mine, next_ones = ReadMarks(store, "discord"), ReadMarks(store, "discord")
    before = await mine.read()
    for message in ("1574806679625662467", "1574806679625662466", "99"):
        mine.note("C1", message)
    mine.note("C2", "5")
    mine.note_thread("C1:7")
    await mine.flush()
    mine.note("C2", "4")
    mine.note("C3", "6")  # not written down yet

    found = await next_ones.read()

    assert before.alive_at_s is None
    assert found.latest == {"C1": "1574806679625662467", "C2": "5"}
    assert found.threads == ("C1:7",)
    assert found.alive_at_s is not None
    assert abs(found.now_s - found.alive_at_s) < 60
    assert (await mine.read()).latest["C3"] == "6"


async def test_an_older_mark_never_replaces_a_newer_one(store: AsyncStore) -> None:
    mine, other = ReadMarks(store, "slack"), ReadMarks(store, "slack")
    mine.note("C1", "1700000009.000100")
    other.note("C1", "1700000001.000100")
    await mine.flush()
    await other.flush()

    assert (await ReadMarks(store, "slack").read()).latest == {"C1": "1700000009.000100"}


async def test_marks_that_could_not_be_written_are_written_later(
    store: AsyncStore, line: TcpProxy
) -> None:
    marks = ReadMarks(store, "slack")
    marks.note("C1", "1.0")
    marks.note_thread("C1:1.0")
    line.pause()
    with pytest.raises((TimeoutError, OSError)):
        await marks.flush()
    assert (await marks.read()).latest == {"C1": "1.0"}, "what this process knows"
    line.resume()
    await marks.flush()

    found = await ReadMarks(store, "slack").read()
    assert (found.latest, found.threads) == ({"C1": "1.0"}, ("C1:1.0",))


async def test_no_more_threads_are_remembered_than_can_be_looked_at(store: AsyncStore) -> None:
    marks = ReadMarks(store, "slack")
    for number in range(MAX_THREADS + 20):
        marks.note_thread(f"C1:{number}")
        if number % 100 == 0:
            await marks.flush()
    await marks.flush()

    assert len((await marks.read()).threads) == MAX_THREADS


# Looking back


async def test_one_process_looks_back_and_the_other_need_not(store: AsyncStore) -> None:
    looked: list[str] = []
    since_s = (await ReadMarks(store, "slack").read()).now_s

    async def look(name: str) -> int:
        looked.append(name)
        await asyncio.sleep(0)
        return 1

    await asyncio.gather(
        *(backfill(store, "slack", since_s, functools.partial(look, name)) for name in "ab")
    )
    await backfill(store, "slack", time.time() + 3600, functools.partial(look, "later"))

    assert looked in (["a", "later"], ["b", "later"])


# New sessions with Discord


async def test_row_31_discord_a_crash_loop_stays_within_a_days_sessions(store: AsyncStore) -> None:
    start_ms, every_ms = 1_700_000_000_000, 15_000
    tries = range(start_ms, start_ms + DAY_MS, every_ms)
    granted = [at_ms for at_ms in tries if await store.run(take("bot", at_ms)) == 0]

    assert len(granted) <= BURST + DAY_MS / EVERY_MS  # 970 of 1,000
    assert len(granted) > 900, "and the bot goes on trying"
    pauses = [b - a for a, b in itertools.pairwise(granted[2 * BURST :])]
    assert min(pauses) >= EVERY_MS - every_ms


async def test_bots_do_not_take_each_others_sessions(store: AsyncStore) -> None:
    for _ in range(BURST):
        assert await store.run(take("one", 1_000)) == 0

    assert await store.run(take("one", 1_000)) == EVERY_MS
    assert await store.run(take("other", 1_000)) == 0


async def test_a_session_is_waited_for_also_while_redis_is_away() -> None:
    nobody = AsyncStore(redis.asyncio.Redis(port=1, retry=Retry(NoBackoff(), 0)))
    now_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    starts = SessionStarts(nobody, lambda: now_s, sleep)

    await starts.wait("bot")
    at_first_s = now_s
    await starts.wait("bot")

    assert at_first_s == 0
    assert now_s >= EVERY_MS / 1000
