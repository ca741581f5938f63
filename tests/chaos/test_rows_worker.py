"""Rows 1 to 6, 14 and 35 of docs/reliability.md, at the level of workers, ledger and outbox: jobs
that change hands.

Real worker processes with a small real model, signals, and a Celery worker that is not ours.
"""

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared.cli.embedded_redis import embedded_redis
from shared.jobs import Job
from shared.ledger.status import WorkerState
from tests.chaos.workers import Desk, Supervised, bare_worker, desk_at, wait_for, worker
from tests.running import RunningModule


@pytest.fixture(scope="module")
def model_settings(endless_model: Path) -> dict[str, str]:
    return {
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_CONCURRENCY": "1",
        "PARLEY_CACHE_TOKENS": "8192",
        # of which a slow worker writes some 30 a second, so an answer outlasts several leases
        "PARLEY_MAX_NEW_TOKENS": "100",
        "PARLEY_LEASE_S": "1",
        "PARLEY_STOP_S": "1",
        "PARLEY_DEVICE": "cpu",
        "PARLEY_DTYPE": "float64",
    }


@pytest.fixture
def settings(model_settings: dict[str, str], own_redis: str) -> dict[str, str]:
    return {**model_settings, "PARLEY_REDIS_URL": own_redis}


@pytest.fixture
def desk(own_redis: str) -> Iterator[Desk]:
    with desk_at(own_redis) as desk:
        yield desk


class Pair:
    """Two slow workers with one slot each, and the desk before them."""

    def __init__(self, desk: Desk, workers: Sequence[Supervised]) -> None:
        self.desk = desk
        self._workers = workers

    def prepare(self) -> None:
        """Have both of them ready."""
        for supervised in self._workers:
            supervised.look_after()
        for supervised in self._workers:
            supervised.lives[-1].wait_for_event("worker_ready")

    def holder(self, job: Job) -> RunningModule:
        """The worker that runs a job."""
        _, _, pid = self.desk.field(job, "worker").rpartition(":")
        (holder,) = [w.lives[-1] for w in self._workers if str(w.lives[-1].process.pid) == pid]
        return holder

    def num_runs(self, job: Job) -> int:
        """How many runs of a job have ended in any worker."""
        ended = [
            event
            for supervised in self._workers
            for life in supervised.lives
            for event in life.events("job_ended")
        ]
        return sum(event["job"] == job.id for event in ended)


@pytest.fixture(scope="module")
def started_pair(
    model_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with embedded_redis(tmp_path_factory.mktemp("pair")) as url, desk_at(url) as desk:
        settings = {**model_settings, "PARLEY_REDIS_URL": url}
        with (
            Supervised(lambda: worker(settings, "slow")) as one,
            Supervised(lambda: worker(settings, "slow")) as other,
        ):
            yield Pair(desk, (one, other))


@pytest.fixture
def pair(started_pair: Pair) -> Pair:
    started_pair.prepare()
    return started_pair


def test_row_05_a_job_longer_than_its_lease_runs_once(pair: Pair) -> None:
    job = pair.desk.ask("Tell me a long story.")

    pair.desk.wait_answer(job)

    assert pair.desk.field(job, "attempts") == "1"
    assert pair.num_runs(job) == 1


def test_row_04_a_worker_that_was_frozen_past_its_lease_cannot_finish(pair: Pair) -> None:
    desk = pair.desk
    job = desk.ask("Tell me a long story.")
    shown = desk.wait_shown(job)
    frozen = pair.holder(job)

    frozen.process.send_signal(signal.SIGSTOP)
    answer = desk.wait_answer(job)
    num_ended = len(frozen.events("job_ended"))
    frozen.process.send_signal(signal.SIGCONT)
    frozen.wait_for_event("job_ended", num_ended + 1)

    assert frozen.events("job_ended")[-1]["outcome"] == "lost"
    assert answer.startswith(shown.strip())
    assert len(desk.replies(job)) == 1
    assert desk.field(job, "attempts") == "2"


def test_row_06_a_worker_that_is_to_end_hands_on_what_it_cannot_finish(pair: Pair) -> None:
    desk = pair.desk
    jobs = [desk.ask(f"Tell me long story {number}.") for number in range(3)]
    wait_for(lambda: [desk.is_running(job) for job in jobs].count(True) == 2, "both are busy")
    (waiting,) = [job for job in jobs if not desk.is_running(job)]
    running = next(job for job in jobs if desk.is_running(job))
    shown = desk.wait_shown(running)
    leaver = pair.holder(running)

    leaver.process.send_signal(signal.SIGTERM)
    wait_for(lambda: leaver.process.poll() is not None, "it ends")

    assert leaver.process.returncode == 0
    assert desk.wait_answer(running).startswith(shown.strip())
    for job in jobs:
        desk.wait_answer(job)
        assert desk.field(job, "attempts") == "1", "nobody is to blame"
    assert leaver.events("job_ended")[-1]["outcome"] == "handed_back"
    assert waiting.id not in leaver.output
    assert pair.num_runs(running) == 2


def test_row_01_a_killed_workers_answer_is_finished_by_another(pair: Pair) -> None:
    desk = pair.desk
    job = desk.ask("Tell me a long story.")
    shown = desk.wait_shown(job)

    pair.holder(job).kill()

    assert desk.wait_answer(job).startswith(shown.strip())
    assert desk.field(job, "attempts") == "2"


def test_row_35_clocks_that_are_hours_apart_change_nothing(
    settings: dict[str, str], desk: Desk
) -> None:
    with (
        Supervised(lambda: worker(settings, "slow", "clock_fast")) as fast,
        Supervised(lambda: worker(settings, "slow", "clock_slow")) as slow,
    ):
        pair = Pair(desk, (fast, slow))
        pair.prepare()
        undisturbed, job = (desk.ask(f"Tell me long story {number}.") for number in range(2))
        shown = desk.wait_shown(job)
        wait_for(lambda: desk.is_running(undisturbed), "both are busy")

        pair.holder(job).kill()

        assert desk.wait_answer(job).startswith(shown.strip())
        assert desk.field(job, "attempts") == "2"
        desk.wait_answer(undisturbed)
        assert desk.field(undisturbed, "attempts") == "1"
        assert pair.num_runs(undisturbed) == 1


def test_row_06_a_worker_can_be_ended_while_it_loads(settings: dict[str, str], desk: Desk) -> None:
    with RunningModule("worker", settings=settings) as process:
        wait_for(lambda: states(desk) == [WorkerState.LOADING], "it is loading")

        assert process.stop() == 0

    assert states(desk) == [], "nobody need wait for it"
    assert process.events("worker_ready") == []


def test_row_06_a_worker_says_what_it_is_at_and_hurries_when_it_is_told_twice(
    settings: dict[str, str], desk: Desk
) -> None:
    patient = {**settings, "PARLEY_STOP_S": "600", "PARLEY_CONCURRENCY": "2"}
    with worker(patient, "slow") as process:
        process.wait_for_event("worker_ready")
        wait_for(lambda: states(desk) == [WorkerState.READY], "it is ready")
        short = desk.ask("Tell me a long story.")
        desk.wait_shown(short, num_chars=40)
        long = desk.ask("Tell me another one.")
        desk.wait_shown(long, num_chars=1)

        process.process.send_signal(signal.SIGTERM)
        wait_for(lambda: states(desk) == [WorkerState.STOPPING], "it is stopping")
        waiting = desk.ask("Tell me one more.")
        desk.wait_answer(short)
        assert desk.is_running(long)
        shown = desk.shown(long)
        process.process.send_signal(signal.SIGINT)
        wait_for(lambda: process.process.poll() is not None, "it ends")

        assert process.process.returncode == 0
        assert states(desk) == []
        assert [desk.field(job, "state") for job in (long, waiting)] == ["queued", "queued"]
        assert desk.field(long, "attempts") == "0"
        assert desk.shown(long).startswith(shown)
        assert desk.status().num_in_celery == 2, "whoever comes next need not wait for the sweep"


def states(desk: Desk) -> list[WorkerState]:
    return [report.state for report in desk.status().workers]


def test_row_02_a_message_that_died_with_celery_comes_again(
    settings: dict[str, str], desk: Desk
) -> None:
    with bare_worker(settings, "dies_after_pop") as unlucky:
        job = desk.ask("Tell me a story.")
        wait_for(lambda: unlucky.process.poll() is not None, "it dies")
        assert unlucky.process.returncode == -signal.SIGKILL
    assert desk.status().num_in_celery == 0
    assert not desk.client.exists("unacked")
    with worker(settings):
        desk.wait_answer(job)

    assert desk.field(job, "attempts") == "1"


def test_row_14_a_task_that_an_old_worker_does_not_know_is_run_by_a_new_one(
    settings: dict[str, str], desk: Desk
) -> None:
    with bare_worker(settings) as old:
        job = desk.ask("Tell me a story.")
        wait_for(lambda: "Received unregistered task" in old.output, "it throws the task away")
    assert desk.status().num_in_celery == 0
    with worker(settings):
        desk.wait_answer(job)

    assert desk.field(job, "attempts") == "1"
