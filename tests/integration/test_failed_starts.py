"""Workers that cannot start their model: counted, told to operators and to people who wait."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest
import redis

from bots.render.notices import NOBODY, STARTING, failing_notice, waiting_notice
from shared.cli.doctor import check_starts
from shared.cli.operator import status_json, status_lines
from shared.jobs import CHAT_QUEUE
from shared.ledger import keys
from shared.ledger import status as operating
from shared.ledger.lua.workers import KILLED
from shared.ledger.status import WorkerReport, WorkerStart, WorkerState
from shared.settings import read_settings
from tests.integration.ledger_steps import accept, message, wait_for
from tests.integration.test_models_wanted import wanting
from tests.running import RunningModule, run_module
from worker.store import BlockingStore

HOST = "gpu1"
SENTENCE = "The model big cannot be loaded (no room)."


def start(pid: int = 1, model: str = "big", slots: int = 8) -> WorkerStart:
    """A start of a worker on a host."""
    return WorkerStart(f"{HOST}:{pid}", HOST, model, slots)


def fail(store: BlockingStore, times: int, model: str = "big", slots: int = 8) -> None:
    """Let so many starts fail one after the other."""
    for pid in range(times):
        store.run(operating.begin_start(start(pid, model, slots)))
        store.run(operating.fail_start(start(pid, model, slots), SENTENCE))


def live(store: BlockingStore, name: str, state: WorkerState, model: str = "big") -> None:
    """A worker's heartbeat."""
    store.run(operating.sign_of_life(WorkerReport(name, state, model, 8, 0)))


def notice_of(store: BlockingStore, number: int = 1) -> str | None:
    """What a person reads whose question waits."""
    place = store.run(operating.queue_position(message(number).id))
    assert place is not None
    return waiting_notice(place)


def test_starts_are_reported_from_the_third_failure_in_a_row(store: BlockingStore) -> None:
    fail(store, 2)
    assert store.run(operating.status()).failed_starts == ()

    assert store.run(operating.begin_start(start(3))) == 2
    assert store.run(operating.fail_start(start(3), SENTENCE)) == 3

    (failed,) = store.run(operating.status()).failed_starts
    assert (failed.host, failed.model, failed.num_failed) == (HOST, "big", 3)
    assert failed.sentence == SENTENCE
    assert 0 <= failed.age_ms < 60_000


def test_a_start_counts_once_however_often_it_is_reported(store: BlockingStore) -> None:
    store.run(operating.begin_start(start()))

    assert [store.run(operating.fail_start(start(), SENTENCE)) for _ in range(3)] == [1, 1, 1]


def test_a_ready_worker_ends_the_row(store: BlockingStore) -> None:
    fail(store, 3)
    store.run(operating.begin_start(start(9)))

    store.run(operating.end_start(start(9)))

    assert store.run(operating.status()).failed_starts == ()
    assert store.run(operating.begin_start(start(10))) == 0


def test_a_ready_worker_leaves_the_start_of_another_that_loads(store: BlockingStore) -> None:
    for pid in (1, 2):
        store.run(operating.begin_start(start(pid)))
    store.run(operating.end_start(start(1)))

    assert store.run(operating.fail_start(start(2), SENTENCE)) == 1


def test_being_asked_to_end_is_no_failure(store: BlockingStore) -> None:
    for pid in range(5):
        store.run(operating.begin_start(start(pid)))
        store.run(operating.leave_start(start(pid)))

    assert store.run(operating.begin_start(start(9))) == 0


def test_workers_that_load_at_once_are_no_failures(store: BlockingStore) -> None:
    for pid in range(5):
        live(store, start(pid).worker, WorkerState.LOADING)
        store.run(operating.begin_start(start(pid)))

    assert store.run(operating.status()).failed_starts == ()


def test_workers_that_were_killed_count_when_their_heartbeat_is_gone(store: BlockingStore) -> None:
    for pid in range(3):
        store.run(operating.begin_start(start(pid)))
        silent_since(store, pid)

    (failed,) = store.run(operating.status()).failed_starts
    assert (failed.num_failed, failed.sentence) == (3, KILLED)

    assert store.run(operating.begin_start(start(4))) == 3, "the next start counts them as well"
    (failed,) = store.run(operating.status()).failed_starts
    assert failed.num_failed == 3


def test_a_process_with_the_id_of_one_that_was_killed_counts_it(store: BlockingStore) -> None:
    # In a container the restarted worker has the same id.
    counts = []
    for _ in range(4):
        counts.append(store.run(operating.begin_start(start(7))))
        live(store, start(7).worker, WorkerState.LOADING)

    assert counts == [0, 1, 2, 3]


def test_models_and_hosts_are_counted_apart(store: BlockingStore) -> None:
    fail(store, 2)
    fail(store, 2, model="small")
    other = WorkerStart("gpu2:1", "gpu2", "big", 8)
    store.run(operating.begin_start(other))
    store.run(operating.fail_start(other, SENTENCE))

    assert store.run(operating.status()).failed_starts == ()


def test_failures_are_forgotten_in_the_end(store: BlockingStore) -> None:
    fail(store, 3)

    assert 0 < store.client.pttl(keys.start(start().id)) <= keys.START_LIFETIME_MS
    store.client.zadd(keys.STARTS, {start().id: 0})
    fail(store, 1, model="small")
    assert store.client.zrange(keys.STARTS, 0, -1) == [b"gpu1|small"]


# --- what is said of it ---------------------------------------------------------------------------


def test_status_and_doctor_say_it(store: BlockingStore, quiet_redis: str) -> None:
    fail(store, 3)

    status = store.run(operating.status())

    line = next(line for line in status_lines(status) if line.startswith("failing"))
    assert line.startswith("failing  model big failed 3 starts on gpu1, the last ")
    assert line.endswith(SENTENCE)
    assert json.loads(status_json(status))["failed_starts"][0]["num_failed"] == 3
    settings = read_settings({"PARLEY_REDIS_URL": quiet_redis})
    assert [(check.passed, SENTENCE in check.finding) for check in check_starts(settings)] == [
        (False, True)
    ]

    live(store, f"{HOST}:99", WorkerState.READY, "small")
    assert [check.passed for check in check_starts(settings)] == [None], "another was chosen there"


def test_people_who_wait_read_it(store: BlockingStore) -> None:
    accept(store, message(1))
    assert notice_of(store) == NOBODY
    fail(store, 2)
    assert notice_of(store) == NOBODY

    fail(store, 1)

    assert notice_of(store) == failing_notice("big")


@pytest.mark.parametrize(
    ("name", "state", "notice"),
    [
        (start(9).worker, WorkerState.LOADING, failing_notice("big")),  # the one that fails
        (start(9).worker, WorkerState.STOPPING, failing_notice("big")),
        ("gpu2:1", WorkerState.LOADING, STARTING),
        ("gpu2:1", WorkerState.READY, "*You are next.*"),
        (start(8).worker, WorkerState.READY, "*You are next.*"),
    ],
)
def test_people_read_of_workers_that_may_answer(
    store: BlockingStore, name: str, state: WorkerState, notice: str
) -> None:
    fail(store, 3)
    store.run(operating.begin_start(start(9)))
    accept(store, message(1))

    live(store, name, state)

    assert notice_of(store) == notice


def test_people_read_of_the_model_that_they_want(store: BlockingStore) -> None:
    fail(store, 3, model="wanted")
    fail(store, 3)
    accept(store, wanting("wanted"))

    assert notice_of(store) == failing_notice("wanted")


def test_workers_without_a_chat_model_concern_no_question(store: BlockingStore) -> None:
    fail(store, 3, model="no chat model", slots=0)
    accept(store, message(1))

    assert notice_of(store) == NOBODY
    assert len(store.run(operating.status()).failed_starts) == 1


def test_a_model_that_only_loads_takes_no_questions_from_those_that_run(
    store: BlockingStore,
) -> None:
    live(store, "gpu2:1", WorkerState.READY, "small")
    live(store, "gpu1:1", WorkerState.LOADING, "big")

    ready = accept(store, wanting("big"))

    assert ready is not None
    assert ready.queue == CHAT_QUEUE


def test_status_counts_what_waits_for_each_model(store: BlockingStore) -> None:
    live(store, "gpu1:1", WorkerState.READY)
    live(store, "gpu2:1", WorkerState.LOADING, "small")
    for number, job in enumerate([wanting("big", 1), wanting("none", 2), message(3)]):
        accept(store, job)
        assert store.run(operating.status()).num_queued == number + 1

    status = store.run(operating.status())

    assert status.waiting == {"big": 1, "": 2}
    assert "models   big (1 ready, 1 waiting); small (1 loading)" in status_lines(status)


# --- real workers ---------------------------------------------------------------------------------


UNKNOWN_FAMILY = '{"model_type": "nothing"}'
ODD_SIZE = '{"model_type": "llama", "hidden_size": "wide"}'


def broken_model(folder: Path, config: str = UNKNOWN_FAMILY) -> dict[str, str]:
    """Settings with a model whose folder holds nothing that can be loaded."""
    folder.mkdir()
    (folder / "config.json").write_text(config)
    (folder / "tokenizer.json").write_text("{}")
    return {"PARLEY_MODEL": str(folder), "PARLEY_DEVICE": "cpu", "PARLEY_LOG_LEVEL": "INFO"}


def test_a_broken_model_is_reported_and_a_whole_one_ends_that(
    own_redis: str, tiny_model: Path, tmp_path: Path
) -> None:
    settings = {**broken_model(tmp_path / "tiny"), "PARLEY_REDIS_URL": own_redis}
    host = socket.gethostname()
    with redis.Redis.from_url(own_redis) as client:
        store = BlockingStore(client)
        accept(store, message(1))
        for _ in range(3):
            ended = run_module("worker", settings)
            assert ended.returncode == 66, ended.stderr
            assert "Traceback" not in ended.stderr + ended.stdout

        (failed,) = store.run(operating.status()).failed_starts
        assert (failed.host, failed.model, failed.num_failed) == (host, "tiny", 3)
        assert f"parley: {failed.sentence}" == ended.stderr.splitlines()[-1]
        assert notice_of(store) == failing_notice("tiny")

        whole = {**settings, "PARLEY_MODEL": str(tiny_model), "PARLEY_CACHE_TOKENS": "2048"}
        with RunningModule("worker", settings=whole) as worker:
            worker.wait_for_event("worker_ready")
            (waited,) = worker.events("start_waits")
            assert (waited["num_failed"], waited["wait_s"]) == (3, 1.0)
            wait_for(lambda: not store.run(operating.status()).failed_starts)
            state = keys.job(message(1).id)
            wait_for(lambda: client.hget(state, "state") == b"done")


def test_a_configuration_that_makes_no_sense_is_a_failed_start_too(
    own_redis: str, tmp_path: Path
) -> None:
    settings = {**broken_model(tmp_path / "odd", ODD_SIZE), "PARLEY_REDIS_URL": own_redis}

    ended = run_module("worker", settings)

    assert ended.returncode == 66, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith("parley: The model odd cannot be loaded (")
    assert "hidden_size" in sentence
    with redis.Redis.from_url(own_redis) as client:
        assert (
            BlockingStore(client).run(operating.begin_start(WorkerStart("x:1", *where("odd"), 8)))
            == 1
        )


def where(model: str) -> tuple[str, str]:
    """This machine and a model."""
    return socket.gethostname(), model


def test_a_worker_that_is_killed_while_it_loads_has_left_its_start(
    own_redis: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "model" / "config.json"
    pipe.parent.mkdir()
    os.mkfifo(pipe)  # reading it waits for ever
    settings = {"PARLEY_REDIS_URL": own_redis, "PARLEY_MODEL": str(pipe.parent)}
    with redis.Redis.from_url(own_redis) as client:
        store = BlockingStore(client)
        with RunningModule("worker", settings=settings) as worker:
            name = f"{socket.gethostname()}:{worker.pid}"
            mine = WorkerStart(name, socket.gethostname(), "model", 8)
            wait_for(lambda: client.hexists(keys.start(mine.id), f"open:{name}"))
            wait_for(lambda: client.exists(keys.worker(name)) == 1)
            worker.kill()

        assert store.run(operating.begin_start(mine)) == 1


def test_a_worker_that_is_asked_to_end_while_it_loads_has_failed_nothing(
    own_redis: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "model" / "config.json"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    settings = {"PARLEY_REDIS_URL": own_redis, "PARLEY_MODEL": str(pipe.parent)}
    with redis.Redis.from_url(own_redis) as client:
        store = BlockingStore(client)
        with RunningModule("worker", settings=settings) as worker:
            name = f"{socket.gethostname()}:{worker.pid}"
            mine = WorkerStart(name, socket.gethostname(), "model", 8)
            wait_for(lambda: client.hexists(keys.start(mine.id), f"open:{name}"))
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait() == 0

        assert store.run(operating.begin_start(mine)) == 0


def silent_since(store: BlockingStore, pid: int) -> None:
    """Let a start have begun long ago, by a worker whose heartbeat is gone."""
    store.client.hset(keys.start(start().id), f"open:{start(pid).worker}", 1)
