"""A worker that is asked to end stops taking jobs, and hands back what it cannot finish in time."""

import threading
from dataclasses import dataclass, field

from worker.departure import Departure

PATIENCE_S = 10.0
NEVER_S = 3600.0


@dataclass
class Worker:
    """What the departure asks of a worker."""

    is_closed: threading.Event = field(default_factory=threading.Event)
    has_handed_back: threading.Event = field(default_factory=threading.Event)

    def departure(self, stop_s: float) -> Departure:
        departure = Departure(stop_s, self.is_closed.set, self.has_handed_back.set, NEVER_S)
        departure.open()
        return departure


def test_it_takes_nothing_new_and_lets_what_runs_go_on() -> None:
    worker = Worker()
    departure = worker.departure(NEVER_S)
    assert not departure.is_asked

    departure.ask()

    assert departure.is_asked
    assert worker.is_closed.wait(PATIENCE_S)
    assert not worker.has_handed_back.is_set()


def test_it_hands_back_when_its_time_is_over() -> None:
    worker = Worker()

    worker.departure(0.01).ask()

    assert worker.has_handed_back.wait(PATIENCE_S)
    assert worker.is_closed.is_set()


def test_it_hands_back_at_once_when_it_is_asked_twice() -> None:
    worker = Worker()
    departure = worker.departure(NEVER_S)

    departure.ask()
    departure.ask()

    assert worker.has_handed_back.wait(PATIENCE_S)


def test_it_hands_back_at_once_when_it_is_of_no_use() -> None:
    worker = Worker()
    departure = worker.departure(NEVER_S)

    departure.abandon()

    assert worker.has_handed_back.wait(PATIENCE_S)
    assert departure.is_abandoned


def test_nothing_happens_unasked() -> None:
    worker = Worker()
    departure = worker.departure(0)

    assert not departure.is_asked
    assert not worker.is_closed.is_set()
    departure.ask()
    assert worker.is_closed.wait(PATIENCE_S)
