import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.patience import PATIENCE_S
from worker.sentiment.rater import Batcher


class Work:
    """Doubles numbers, and can be held up; refuses 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]


def test_each_of_many_threads_gets_its_own_result() -> None:
    work = Work()
    with Batcher(work) as batcher, ThreadPoolExecutor(16) as pool:
        results = list(pool.map(batcher.ask, range(100, 600), timeout=PATIENCE_S))

    assert results == [2 * item for item in range(100, 600)]


def test_what_comes_while_a_batch_is_worked_on_makes_the_next_one() -> None:
    work = Work()
    work.may_go_on.clear()
    with Batcher(work, max_wait_s=0, max_batch=4) as batcher, ThreadPoolExecutor(9) as pool:
        first = pool.submit(batcher.ask, 0)
        assert work.has_begun.wait(PATIENCE_S)
        others = [pool.submit(batcher.ask, item) for item in range(1, 9)]
        while batcher.num_waiting < 8:
            assert not first.done()
        work.may_go_on.set()
        assert [each.result(PATIENCE_S) for each in [first, *others]] == list(range(0, 18, 2))

    assert [len(batch) for batch in work.batches] == [1, 4, 4]


def test_a_bad_item_stops_no_neighbour() -> None:
    work = Work()
    work.may_go_on.clear()
    with Batcher(work, max_wait_s=0) as batcher, ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.ask, 0)
        assert work.has_begun.wait(PATIENCE_S)
        bad, good = pool.submit(batcher.ask, 13), pool.submit(batcher.ask, 14)
        while batcher.num_waiting < 2:
            assert not first.done()
        work.may_go_on.set()
        assert good.result(PATIENCE_S) == 28
        with pytest.raises(ValueError, match="thirteen"):
            bad.result(PATIENCE_S)


def test_closing_finishes_what_was_asked_for_and_refuses_more() -> None:
    work = Work()
    work.may_go_on.clear()
    batcher = Batcher(work, max_wait_s=0)
    batcher.open()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.ask, 1)
        assert work.has_begun.wait(PATIENCE_S)
        second = pool.submit(batcher.ask, 2)
        while batcher.num_waiting < 1:
            assert not first.done()
        closing = pool.submit(batcher.close)
        work.may_go_on.set()
        closing.result(PATIENCE_S)
        assert (first.result(PATIENCE_S), second.result(PATIENCE_S)) == (2, 4)
    with pytest.raises(InterruptedError):
        batcher.ask(3)
