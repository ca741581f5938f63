"""Rows 7, 10, 13 and 15 to 17 of docs/reliability.md: what a worker with jobs in hand survives.

One real worker process, started again whenever it ends, as a supervisor would, on a Redis that can
be killed and started again.
"""

import base64
import json
import pickle
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.cli.embedded_redis import EmbeddedRedis, reserve_redis
from shared.cli.processes import stop
from shared.jobs import CHAT_QUEUE, Job
from shared.ledger import keys
from shared.ledger import status as operating
from shared.replies import Done, Failed
from tests.chaos.faulty_worker import (
    BLOCKS,
    EXITS,
    HANGS,
    INTERRUPTS,
    KILLS,
    OUT_OF_MEMORY,
    SEGFAULT,
)
from tests.chaos.workers import Desk, Supervised, desk_at, wait_for, worker
from tests.running import RunningModule

SLOTS = 2
MAX_ATTEMPTS = 3
WEDGED = 70
RESTARTS_S = 150.0


class MortalRedis:
    """A Redis that is killed and comes back with what it had acknowledged."""

    def __init__(self, embedded: EmbeddedRedis) -> None:
        self._embedded = embedded
        self._server: subprocess.Popen[bytes] | None = None
        self.url = embedded.url

    def start(self) -> None:
        self._server = self._embedded.start()
        self._embedded.wait_ready(self._server)

    def kill(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def stop(self) -> None:
        assert self._server is not None
        stop(self._server)


class Shop:
    """A worker with two slots, the desk before it, and the Redis between."""

    def __init__(self, server: MortalRedis, desk: Desk, supervised: Supervised) -> None:
        self.redis = server
        self.desk = desk
        self._supervised = supervised

    @property
    def worker(self) -> RunningModule:
        return self._supervised.lives[-1]

    def prepare(self) -> None:
        self._supervised.look_after()
        self.worker.wait_for_event("worker_ready")

    def assert_unshaken(self) -> None:
        """The worker is the one that was started first, and so is its Celery."""
        assert self.worker.process.poll() is None
        assert self.worker.events("celery_ended") == []
        assert len(self.worker.events("worker_ready")) == 1

    def look_after(self) -> None:
        self._supervised.look_after()

    def exit_codes(self, since: int = 0) -> list[int]:
        return self._supervised.exit_codes[since:]

    def start_stories(self, count: int) -> list[Job]:
        """Ask for so many long answers, and wait until they are being written."""
        jobs = [self.desk.ask(f"Tell me long story {number}.") for number in range(count)]
        for job in jobs:
            self.desk.wait_shown(job, num_chars=1)
        return jobs

    def wait_over(self, jobs: list[Job]) -> None:
        """Wait for the endings of jobs, and start the worker again whenever it ends."""
        wait_for(
            lambda: all(self.desk.replies(job) for job in jobs),
            "endings",
            RESTARTS_S,
            meanwhile=self.look_after,
        )


@pytest.fixture(scope="module")
def settings(endless_model: Path) -> dict[str, str]:
    return {
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_CONCURRENCY": str(SLOTS),
        "PARLEY_CACHE_TOKENS": "8192",
        "PARLEY_MAX_NEW_TOKENS": "60",
        "PARLEY_LEASE_S": "1",
        "PARLEY_STOP_S": "1",
        "PARLEY_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_DTYPE": "float64",
    }


@pytest.fixture(scope="module")
def mortal_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalRedis]:
    with reserve_redis(tmp_path_factory.mktemp("mortal")) as embedded:
        server = MortalRedis(embedded)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def open_shop(settings: dict[str, str], mortal_redis: MortalRedis) -> Iterator[Shop]:
    own = {**settings, "PARLEY_REDIS_URL": mortal_redis.url}
    with (
        desk_at(mortal_redis.url) as desk,
        Supervised(lambda: worker(own, "slow", "marks")) as supervised,
    ):
        yield Shop(mortal_redis, desk, supervised)


@pytest.fixture
def shop(open_shop: Shop) -> Shop:
    open_shop.prepare()
    return open_shop


class Intruder:
    """What runs when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (self._trace.touch, ())


def pickled_message(trace: Path) -> bytes:
    """A task as Celery sends it, but with a pickle in it."""
    body = base64.b64encode(pickle.dumps(Intruder(trace))).decode()
    message = {
        "body": body,
        "content-encoding": "binary",
        "content-type": "application/x-python-serialize",
        "headers": {
            "lang": "py",
            "task": "parley.chat",
            "id": "1",
            "argsrepr": "",
            "kwargsrepr": "",
        },
        "properties": {
            "correlation_id": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": CHAT_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "1",
        },
    }
    return json.dumps(message).encode()


def test_row_13_what_is_no_message_ends_neither_the_worker_nor_what_it_writes(
    shop: Shop, tmp_path: Path
) -> None:
    trace = tmp_path / "executed"
    garbage = (b"garbage", b"[1, 2]", b"{}", b"1", b'"text"', b"null", b"\xff\xfe", b"")
    (running,) = shop.start_stories(1)

    for item in (*garbage, pickled_message(trace)):
        shop.desk.client.lpush(CHAT_QUEUE, item)
    behind = shop.desk.ask("Are you there?")
    shop.desk.wait_answer(behind)
    shop.desk.wait_answer(running)

    assert not trace.exists()
    shop.assert_unshaken()
    assert shop.desk.status().num_in_celery == 0
    assert [shop.desk.field(job, "attempts") for job in (running, behind)] == ["1", "1"]
    assert "ContentDisallowed" in shop.worker.output


@pytest.mark.parametrize("num_busy", [SLOTS, 1], ids=["all slots busy", "some free"])
def test_row_07_redis_dies_under_a_busy_worker_and_nothing_is_lost(
    shop: Shop, num_busy: int
) -> None:
    jobs = shop.start_stories(num_busy)

    shop.redis.kill()
    shop.redis.start()
    jobs.append(shop.desk.ask("Are you there?"))

    for job in jobs:
        shop.desk.wait_answer(job)
    shop.assert_unshaken()


@pytest.mark.parametrize(
    "mark", [OUT_OF_MEMORY, EXITS, INTERRUPTS], ids=["MemoryError", "SystemExit", "Keyboard"]
)
def test_row_16_a_task_that_raises_what_ends_programs_frees_its_slot(shop: Shop, mark: str) -> None:
    faulty = [shop.desk.ask(f"What is {mark}?") for _ in range(SLOTS)]
    for job in faulty:
        reply = shop.desk.wait_reply(job)
        assert isinstance(reply, Failed)
        assert reply.code == "exhausted"
        assert job.id[:8] in reply.sentence

    good = shop.start_stories(SLOTS)
    assert all(shop.desk.is_running(job) for job in good), "both slots are free"
    for job in good:
        shop.desk.wait_answer(job)
    shop.assert_unshaken()


def test_row_17_a_pass_that_never_ends_costs_its_job_and_recycles_the_worker(shop: Shop) -> None:
    desk, num_before = shop.desk, len(shop.exit_codes())
    (neighbour,) = shop.start_stories(1)
    hanging = desk.ask(f"What is {HANGS}?", deadline_s=1.5)

    reply = desk.wait_reply(hanging)
    shop.wait_over([neighbour])

    assert isinstance(reply, Failed)
    assert reply.code == "deadline"
    assert "longer than" in reply.sentence, "the run says so, and not the sweep"
    assert shop.exit_codes(num_before) == [WEDGED]
    assert isinstance(desk.wait_reply(neighbour), Done)


def test_row_17_a_run_that_never_ends_costs_its_job_and_recycles_the_worker(shop: Shop) -> None:
    """The tokenizer blocks, so that the thread itself is stuck and its slot with it."""
    desk, num_before = shop.desk, len(shop.exit_codes())
    blocked = desk.ask(f"What is {BLOCKS}?", deadline_s=1.5)

    reply = desk.wait_reply(blocked)
    wait_for(lambda: shop.exit_codes(num_before), "the worker ends")

    assert isinstance(reply, Failed)
    assert reply.code == "deadline"
    assert shop.exit_codes(num_before) == [WEDGED]
    assert "a run does not end" in shop.worker.output


def test_row_10_a_full_redis_ends_no_worker(shop: Shop) -> None:
    desk = shop.desk
    (running,) = shop.start_stories(1)

    desk.client.config_set("maxmemory", 1)
    shop.worker.wait_for_event("snapshot_not_published")
    with pytest.raises(redis.OutOfMemoryError):
        desk.accept("Are you there?")
    desk.client.config_set("maxmemory", 0)
    behind = desk.ask("And now?")

    desk.wait_answer(behind)
    desk.wait_answer(running)
    shop.assert_unshaken()


def test_row_15_a_prompt_that_kills_workers_is_given_up_and_its_neighbours_are_answered(
    shop: Shop,
) -> None:
    desk, num_before = shop.desk, len(shop.exit_codes())
    (neighbour,) = shop.start_stories(1)
    poison = desk.ask(f"What is {KILLS}?")

    shop.wait_over([poison, neighbour])

    num_shared = MAX_ATTEMPTS - 1
    assert shop.exit_codes(num_before) == [SEGFAULT] * (num_shared + keys.LONE_DEATHS)
    reply = desk.wait_reply(poison)
    assert isinstance(reply, Failed)
    assert reply.sentence.startswith(f"I could not answer this message (ref {poison.id[:8]}).")
    letters = {letter.job.id: letter for letter in desk.store.run(operating.dead_letters(100))}
    assert letters[poison.id].attempts == MAX_ATTEMPTS
    assert isinstance(desk.wait_reply(neighbour), Done)
    assert neighbour.id not in letters


def test_celery_that_ends_unasked_is_run_again_beside_the_loaded_model(
    settings: dict[str, str], own_redis: str
) -> None:
    """As Celery 5.7.0 does when Redis goes away while it has an unacknowledged task."""
    own = {**settings, "PARLEY_REDIS_URL": own_redis}
    with desk_at(own_redis) as desk, worker(own, "slow", "celery_ends_once") as process:
        process.wait_for_event("worker_ready")
        running = desk.ask("Tell me a long story.")
        desk.wait_shown(running, num_chars=1)

        desk.client.lpush(CHAT_QUEUE, b"garbage")
        process.wait_for_event("celery_ended")
        behind = desk.ask("Are you there?")

        desk.wait_answer(behind)
        desk.wait_answer(running)
        assert desk.field(running, "attempts") == "1"
        assert len(process.events("model_loaded")) == 1
        assert process.stop() == 0


def test_a_worker_to_which_nothing_comes_while_jobs_wait_makes_way(
    settings: dict[str, str], own_redis: str
) -> None:
    own = {**settings, "PARLEY_REDIS_URL": own_redis}
    with desk_at(own_redis) as desk, worker(own, "deaf") as process:
        job = desk.ask("Are you there?")
        process.wait_for_event("worker_ready")
        wait_for(lambda: process.process.poll() is not None, "it ends")

        assert process.process.returncode == WEDGED
        assert len(process.events("worker_wedged")) == 1
        assert desk.field(job, "state") == "queued"
        assert desk.status().workers == ()
