"""A fault of Redis is logged once, then counted, and its end is told."""

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import redis
import structlog

from shared.repeated_faults import EVERY_S, QUIET_S, REDIS_ERRORS, RepeatedFaults

TICK = {"event": "tick_failed", "error": "ConnectionError"}


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(clock: Clock) -> RepeatedFaults:
    """One that is asked by hand what goes on, and so needs no thread."""
    made = RepeatedFaults(clock=clock)
    made._is_looking = True
    return made


@pytest.fixture
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is told of faults."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def passes(faults: RepeatedFaults, msg: object, logger: str = "worker.heartbeat") -> bool:
    record = logging.LogRecord(logger, logging.WARNING, "", 1, msg, None, None)
    return bool(faults.filter(record))


def test_the_first_line_passes_and_no_other(faults: RepeatedFaults) -> None:
    assert [passes(faults, TICK) for _ in range(3)] == [True, False, False]
    assert passes(faults, {**TICK, "event": "sweep_failed"}), "another fault"


def test_how_often_it_came_is_told_each_ten_seconds(
    faults: RepeatedFaults, clock: Clock, said: list[MutableMapping[str, Any]]
) -> None:
    for _ in range(5):
        passes(faults, TICK)
    clock.now_s += EVERY_S - 0.1
    assert faults.look()
    assert said == []

    clock.now_s += 0.1
    faults.look()
    faults.look()
    clock.now_s += EVERY_S
    faults.look()

    assert [(line["event"], line["fault"], line["num"]) for line in said] == [
        ("fault_goes_on", "tick_failed", 4)
    ]


def test_its_end_is_told_once_redis_has_answered_and_all_is_quiet(
    faults: RepeatedFaults, clock: Clock, said: list[MutableMapping[str, Any]]
) -> None:
    passes(faults, TICK)
    passes(faults, TICK)
    clock.now_s += QUIET_S + 1
    assert faults.look(), "silence alone is no answer"

    faults.note_answer()
    assert not faults.look()
    assert not faults.look()

    assert [(line["event"], line["num"], line["seconds"]) for line in said] == [
        ("fault_over", 2, QUIET_S + 1)
    ]
    assert passes(faults, TICK), "the next one is logged again"


def test_a_redis_that_answers_some_calls_and_refuses_others_is_no_end(
    faults: RepeatedFaults, clock: Clock, said: list[MutableMapping[str, Any]]
) -> None:
    refused = {"event": "snapshot_not_published", "error": "OutOfMemoryError"}
    passes(faults, refused)
    for _ in range(20):
        clock.now_s += 0.2
        faults.note_answer()
        assert not passes(faults, refused)
        assert faults.look()

    assert said == []


@pytest.mark.parametrize(
    "line",
    [
        {"event": "tick_failed", "error": "ValueError"},
        {"event": "message_spooled", "error": "ConnectionError"},
        {"event": "final_delayed", "error": "PlatformUnavailableError"},
        {"event": "worker_wedged"},
    ],
    ids=str,
)
def test_every_other_line_passes_each_time(faults: RepeatedFaults, line: object) -> None:
    assert passes(faults, line)
    assert passes(faults, line)


def test_celerys_own_lines_count_by_their_words(faults: RepeatedFaults) -> None:
    logger = "celery.worker.consumer.consumer"
    lost = "consumer: Connection to broker lost."
    assert [passes(faults, lost, logger) for _ in range(2)] == [True, False]
    assert passes(faults, "Received unregistered task", logger)
    assert passes(faults, lost, "slack_bolt.App")
    assert passes(faults, lost, "slack_bolt.App")


def test_every_error_of_the_client_is_known() -> None:
    errors = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)
    assert {error.__name__ for error in errors} | {"ReadOnlyError"} <= REDIS_ERRORS
