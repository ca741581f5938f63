"""A worker that is asked to end stops taking jobs, and hands back what it cannot finish in time."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.patience import PATIENCE_S
from worker.shutdown import Shutdown, leave_at_sigterm, stay

NEVER_S = 3600.0


@dataclass
class Worker:
    """What the departure asks of a worker."""

    is_closed: threading.Event = field(default_factory=threading.Event)
    has_handed_back: threading.Event = field(default_factory=threading.Event)

    def shutdown(self, stop_s: float) -> Shutdown:
        shutdown = Shutdown(stop_s, self.is_closed.set, self.has_handed_back.set, NEVER_S)
        shutdown.open()
        return shutdown


def test_it_takes_nothing_new_and_lets_what_runs_go_on() -> None:
    worker = Worker()
    shutdown = worker.shutdown(NEVER_S)
    assert not shutdown.is_asked

    shutdown.ask()

    assert shutdown.is_asked
    assert worker.is_closed.wait(PATIENCE_S)
    assert not worker.has_handed_back.is_set()


def test_it_hands_back_when_its_time_is_over() -> None:
    worker = Worker()

    worker.shutdown(0.01).ask()

    assert worker.has_handed_back.wait(PATIENCE_S)
    assert worker.is_closed.is_set()


def test_it_hands_back_at_once_when_it_is_asked_twice() -> None:
    worker = Worker()
    shutdown = worker.shutdown(NEVER_S)

    shutdown.ask()
    shutdown.ask()

    assert worker.has_handed_back.wait(PATIENCE_S)


def test_it_hands_back_at_once_when_it_is_of_no_use() -> None:
    worker = Worker()
    shutdown = worker.shutdown(NEVER_S)

    shutdown.abandon()

    assert worker.has_handed_back.wait(PATIENCE_S)
    assert shutdown.is_abandoned


def test_nothing_happens_unasked() -> None:
    worker = Worker()
    shutdown = worker.shutdown(0)

    assert not shutdown.is_asked
    assert not worker.is_closed.is_set()
    shutdown.ask()
    assert worker.is_closed.wait(PATIENCE_S)


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Handlers of signals that are put back."""
    numbers = (signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    stay()
    for number, handler in before.items():
        signal.signal(number, handler)


class Deleted:
    """The signal comes while it is deleted, where Python drops what is raised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_end_that_python_has_dropped_is_not_lost() -> None:
    worker = Worker()
    shutdown = worker.shutdown(NEVER_S)
    leave_at_sigterm(shutdown)
    going = Deleted()

    with pytest.raises(SystemExit):  # noqa: PT012 - it comes while the second line waits
        del going
        time.sleep(PATIENCE_S)

    assert shutdown.is_asked
    assert not worker.has_handed_back.is_set(), "it was asked once"
