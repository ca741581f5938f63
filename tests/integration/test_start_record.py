"""How each end of a worker's start is recorded in a real Redis."""

import threading

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import EngineLostError, ModelServerSilentError, StartupError
from shared.ledger import status
from shared.ledger.status import FailedStarts, WorkerStart
from tests.e2e.conftest import free_port
from worker.heartbeat import Heartbeat
from worker.shutdown import Shutdown
from worker.starts import LOST, StartRecord
from worker.store import BlockingStore

START = WorkerStart("gpu1:7", "gpu1", "big", slots=8)


def shutdown() -> Shutdown:
    """A worker's, which nothing has asked for."""
    return Shutdown(0.0, lambda: None, lambda: None)


def end_with(store: BlockingStore, error: BaseException, asked: Shutdown | None = None) -> None:
    """Let a start end with an error; as its worker's next start does, count it."""
    with StartRecord(store, START, asked or shutdown()).recorded(pause=lambda _s: None):
        raise error


def num_failed(store: BlockingStore) -> int:
    """How many starts have failed in a row."""
    return store.run(status.begin_start(WorkerStart("gpu1:99", "gpu1", "big", 8)))


def reported(store: BlockingStore) -> FailedStarts:
    """The only model that operators are told of."""
    (failed,) = store.run(status.status()).failed_starts
    return failed


def test_a_silent_server_is_a_failed_start_with_its_sentence(store: BlockingStore) -> None:
    for _ in range(3):
        with pytest.raises(ModelServerSilentError):
            end_with(store, ModelServerSilentError("http://user:secret@gpu1:8000/v1"))

    assert reported(store).sentence.startswith("No model server answers at http://@gpu1:8000/v1.")


@pytest.mark.parametrize(
    "error",
    [
        EngineLostError("A forward step does not return."),
        MemoryError(),
        ValueError("Unsupported layer\ntypes: linear_attention."),
        RuntimeError("CUDA out of memory. " + "x" * 5_000),
    ],
)
def test_any_other_fault_becomes_one_sentence(store: BlockingStore, error: Exception) -> None:
    for _ in range(3):
        with pytest.raises(StartupError, match="The model big cannot be started") as raised:
            end_with(store, error)
        assert raised.value.exit_code == 70

    sentence = reported(store).sentence
    assert sentence == str(raised.value)
    assert type(error).__name__ in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


def test_an_engine_that_is_lost_before_the_worker_is_ready_is_a_failed_start(
    store: BlockingStore,
) -> None:
    for _ in range(3):
        asked = shutdown()
        asked.abandon()
        with pytest.raises(SystemExit):
            end_with(store, SystemExit(0), asked)

    assert reported(store).sentence == LOST


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()])
def test_a_signal_is_no_failed_start(store: BlockingStore, error: BaseException) -> None:
    asked = shutdown()
    asked.ask()

    with pytest.raises(type(error)):
        end_with(store, error, asked)

    assert num_failed(store) == 0


def test_a_signal_that_a_library_turns_into_another_error_is_none_either(
    store: BlockingStore,
) -> None:
    asked = shutdown()
    asked.ask()

    with pytest.raises(SystemExit) as raised:
        end_with(store, RuntimeError("interrupted"), asked)

    assert raised.value.code == 0
    assert num_failed(store) == 0


def test_what_happens_after_the_worker_was_ready_is_no_failed_start(store: BlockingStore) -> None:
    record = StartRecord(store, START, shutdown())

    def answer() -> None:
        with record.recorded():
            record.succeed()
            raise EngineLostError

    with pytest.raises(EngineLostError):
        answer()

    assert num_failed(store) == 0


def test_the_pause_is_that_of_the_failures_before(store: BlockingStore) -> None:
    pauses: list[float] = []
    for _ in range(6):
        record = StartRecord(store, START, shutdown())
        with pytest.raises(StartupError), record.recorded(pauses.append):
            raise MemoryError

    assert pauses == [1, 2, 4]


def test_a_worker_starts_without_a_record_while_redis_is_away() -> None:
    with redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0)) as client:
        record = StartRecord(BlockingStore(client), START, shutdown())

        with record.recorded():
            record.succeed()

        with pytest.raises(StartupError, match="MemoryError"):
            end_with(BlockingStore(client), MemoryError())


def test_a_heartbeat_under_way_does_not_arrive_after_its_worker_has_withdrawn(
    store: BlockingStore,
) -> None:
    is_counting, may_go_on = threading.Event(), threading.Event()

    def num_running() -> int:
        is_counting.set()
        return int(may_go_on.wait(10))

    heart = Heartbeat(store, START.worker, START.model, START.slots, num_running)
    beat = threading.Thread(target=heart.give)
    beat.start()
    assert is_counting.wait(10)
    leave = threading.Thread(target=heart.withdraw)
    leave.start()
    leave.join(0.3)  # time enough to withdraw, if it does not wait
    may_go_on.set()
    beat.join()
    leave.join()

    assert not store.run(status.status()).workers
