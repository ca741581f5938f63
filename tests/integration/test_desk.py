"""``parley status`` and ``parley dead``, as an operator types them, on a real Redis."""

import json
import subprocess
from pathlib import Path

import pytest

from shared.cli.embedded_redis import embedded_redis
from shared.cli.processes import python_module
from shared.jobs import Job
from shared.ledger import lifecycle
from shared.ledger import status as operating
from shared.ledger.status import WorkerReport, WorkerState
from tests.integration.ledger_steps import (
    MAX_ATTEMPTS,
    accept,
    claim,
    deliver,
    message,
    state_of,
)
from tests.patience import PATIENCE_S
from tests.running import clean_environment
from worker.store import BlockingStore

READY = WorkerReport("host:1", WorkerState.READY, "tiny", slots=16, running=3)


def parley(redis_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with this Redis."""
    return parley_with({"PARLEY_REDIS_URL": redis_url}, *arguments)


def parley_with(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with these settings."""
    return subprocess.run(
        python_module("shared.cli", *arguments),
        env={**clean_environment(), **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def letter(store: BlockingStore) -> Job:
    """A dead letter whose sentence has been shown."""
    job = message(1)
    accept(store, job)
    for attempt in range(MAX_ATTEMPTS):
        claim(store, job, f"t{attempt}")
        store.run(lifecycle.release(job.id, f"t{attempt}", is_blamed=True))
    claim(store, job, "last")
    deliver(store, job)
    return job


def test_status_says_who_works_and_what_waits(
    store: BlockingStore, quiet_redis: str, letter: Job
) -> None:
    assert state_of(store, letter) == "delivered"
    store.run(operating.sign_of_life(READY))
    for number in (2, 3):
        accept(store, message(number, str(number)))
    claim(store, message(2, "2"))

    plain, for_programs = parley(quiet_redis, "status"), parley(quiet_redis, "status", "--json")

    assert plain.returncode == 0, plain.stderr
    assert "workers  1 ready" in plain.stdout
    assert "host:1  ready  tiny  3 of 16 answers" in plain.stdout
    assert "1 waiting, 1 being answered; the oldest waits for" in plain.stdout
    assert "dead     1 letters; see `parley dead list`" in plain.stdout
    found = json.loads(for_programs.stdout)
    assert (found["num_queued"], found["num_running"], found["num_dead"]) == (1, 1, 1)


def test_status_without_a_worker_has_an_exit_code(quiet_redis: str) -> None:
    run = parley(quiet_redis, "status")

    assert run.returncode == 1
    assert "none alive" in run.stdout


def test_status_without_a_redis_is_a_sentence() -> None:
    run = parley("redis://127.0.0.1:1/0", "status")

    assert run.returncode == 69
    assert run.stderr.startswith("parley: Redis does not answer at 127.0.0.1:1/0")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("command", ["status", "audit", "settings"])
def test_a_redis_of_ours_that_has_ended_is_none(tmp_path: Path, command: str) -> None:
    with embedded_redis(tmp_path / "redis"):
        pass

    found = parley_with({"PARLEY_DATA_DIR": str(tmp_path)}, command)

    assert "No Parley runs here" in found.stderr
    assert "Traceback" not in found.stderr


def test_dead_letters_are_listed_without_what_people_wrote(quiet_redis: str, letter: Job) -> None:
    shown, with_text = (
        parley(quiet_redis, "dead", "list"),
        parley(quiet_redis, "dead", "list", "--text"),
    )

    assert shown.stdout.startswith(letter.id[:8])
    assert "slack T1 C1 1.5  user U1  3 attempts" in shown.stdout
    assert letter.text not in shown.stdout
    assert letter.text in with_text.stdout


@pytest.mark.parametrize("named_by", ["reference", "all"])
def test_a_dead_letter_is_requeued(
    store: BlockingStore, quiet_redis: str, letter: Job, named_by: str
) -> None:
    name = letter.id[:8] if named_by == "reference" else "all"

    run = parley(quiet_redis, "dead", "requeue", name)

    assert run.stdout == f"{letter.id[:8]}  is tried again.\n"
    assert state_of(store, letter) == "queued"
    assert store.client.llen("chat") == 1


def test_a_dead_letter_is_dropped(store: BlockingStore, quiet_redis: str, letter: Job) -> None:
    run = parley(quiet_redis, "dead", "drop", letter.id[:8])

    assert run.stdout == f"{letter.id[:8]}  is dropped.\n"
    assert store.run(operating.dead_letters(10)) == ()


@pytest.mark.parametrize("ref", ["zzzzzzzz", "abc", "*"])
def test_an_unknown_reference_is_a_sentence(quiet_redis: str, letter: Job, ref: str) -> None:
    assert letter.id
    run = parley(quiet_redis, "dead", "requeue", ref)

    assert run.returncode == 78
    assert f"There is no dead letter {ref}" in run.stderr
