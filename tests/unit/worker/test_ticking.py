"""The threads that keep leases go on when Redis is away, and end when they are told to."""

import threading

import kombu.exceptions
import pytest
import redis

from tests.patience import PATIENCE_S
from worker.heartbeat import Ticker


class Turns:
    """Counts its turns and fails the first ones."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.threads: list[threading.Thread] = []
        self.has_succeeded = threading.Event()

    def __call__(self) -> None:
        self.threads.append(threading.current_thread())
        if self._failures:
            raise self._failures.pop(0)
        self.has_succeeded.set()


@pytest.mark.parametrize(
    "failure",
    [
        redis.ConnectionError("away"),
        redis.TimeoutError("slow"),
        redis.ResponseError("LOADING"),
        OSError("no route"),
        kombu.exceptions.OperationalError("away"),  # what publishing to Celery raises
    ],
    ids=lambda failure: type(failure).__module__ + "." + type(failure).__name__,
)
def test_ticker_goes_on_after_redis_was_away(failure: Exception) -> None:
    turns = Turns(failure, failure)

    with Ticker("test", 0.001, turns):
        assert turns.has_succeeded.wait(PATIENCE_S)

    assert len(turns.threads) >= 3  # two that failed and one


def test_ticker_ticks_on_one_thread_of_its_own() -> None:
    turns = Turns()

    with Ticker("test-ticker", 0.001, turns):
        assert turns.has_succeeded.wait(PATIENCE_S)

    assert {thread.name for thread in turns.threads} == {"test-ticker"}
    assert threading.current_thread() not in turns.threads


def test_ticker_stops_and_is_joined() -> None:
    turns = Turns()
    with Ticker("test", 0.001, turns):
        assert turns.has_succeeded.wait(PATIENCE_S)

    num_turns = len(turns.threads)

    assert not turns.threads[0].is_alive()
    assert len(turns.threads) == num_turns


def test_ticker_does_not_wait_for_its_next_turn_to_stop() -> None:
    turns = Turns()

    with Ticker("test", 3600, turns):
        assert turns.has_succeeded.wait(PATIENCE_S)

    assert len(turns.threads) == 1
