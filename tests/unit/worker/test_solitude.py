"""Whoever must be alone is alone, comes before newcomers, and gives up when told to."""

import random
import threading
from collections.abc import Callable

import pytest

from tests.patience import PATIENCE_S
from worker.runner import ExclusiveGate


class Visitor:
    """Enters on a thread of its own, and leaves when it is told to."""

    def __init__(self, exclusive_gate: ExclusiveGate, *, alone: bool = False) -> None:
        self._exclusive_gate = exclusive_gate
        self._alone = alone
        self._may_leave = threading.Event()
        self._is_asked = threading.Event()
        self.has_given_up = threading.Event()
        self.is_inside = threading.Event()
        self.has_been_refused = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()
        assert self._is_asked.wait(PATIENCE_S)

    def leave(self) -> None:
        self._may_leave.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def give_up(self) -> None:
        self.has_given_up.set()
        self._exclusive_gate.wake()

    def _is_over(self) -> bool:
        """Asked under the gate's own lock, so that whoever was asked is known to wait."""
        self._is_asked.set()
        return self.has_given_up.is_set()

    def _visit(self) -> None:
        with self._exclusive_gate.entering(alone=self._alone, is_over=self._is_over) as has_entered:
            if not has_entered:
                self.has_been_refused.set()
                return
            self.is_inside.set()
            assert self._may_leave.wait(PATIENCE_S)


def wait(event: threading.Event) -> bool:
    return event.wait(PATIENCE_S)


def test_many_are_inside_together() -> None:
    exclusive_gate = ExclusiveGate()
    visitors = [Visitor(exclusive_gate) for _ in range(3)]

    assert all(wait(visitor.is_inside) for visitor in visitors)
    for visitor in visitors:
        visitor.leave()


def test_whoever_must_be_alone_waits_for_all_others() -> None:
    exclusive_gate = ExclusiveGate()
    others = [Visitor(exclusive_gate) for _ in range(2)]
    assert all(wait(other.is_inside) for other in others)
    hermit = Visitor(exclusive_gate, alone=True)

    others[0].leave()
    assert not hermit.is_inside.is_set()
    others[1].leave()
    assert wait(hermit.is_inside)
    hermit.leave()


@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
def test_nobody_enters_while_one_is_alone(*, alone: bool) -> None:
    exclusive_gate = ExclusiveGate()
    hermit = Visitor(exclusive_gate, alone=True)
    assert wait(hermit.is_inside)
    other = Visitor(exclusive_gate, alone=alone)

    assert not other.is_inside.is_set()
    hermit.leave()
    assert wait(other.is_inside)
    other.leave()


def test_newcomers_wait_behind_one_who_waits_to_be_alone() -> None:
    exclusive_gate = ExclusiveGate()
    inside = Visitor(exclusive_gate)
    assert wait(inside.is_inside)
    hermit = Visitor(exclusive_gate, alone=True)
    newcomer = Visitor(exclusive_gate)

    inside.leave()
    assert wait(hermit.is_inside)
    assert not newcomer.is_inside.is_set()
    hermit.leave()
    assert wait(newcomer.is_inside)
    newcomer.leave()


def test_one_who_gives_up_being_alone_lets_those_in_who_waited_behind() -> None:
    exclusive_gate = ExclusiveGate()
    inside = Visitor(exclusive_gate)
    assert wait(inside.is_inside)
    hermit = Visitor(exclusive_gate, alone=True)
    newcomer = Visitor(exclusive_gate)

    hermit.give_up()

    assert wait(hermit.has_been_refused)
    assert wait(newcomer.is_inside)
    newcomer.leave()
    inside.leave()


def test_one_who_waits_behind_can_give_up() -> None:
    exclusive_gate = ExclusiveGate()
    hermit = Visitor(exclusive_gate, alone=True)
    assert wait(hermit.is_inside)
    newcomer = Visitor(exclusive_gate)

    newcomer.give_up()

    assert wait(newcomer.has_been_refused)
    hermit.leave()


@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
def test_nobody_enters_for_whom_it_is_over_already(*, alone: bool) -> None:
    with ExclusiveGate().entering(alone=alone, is_over=lambda: True) as has_entered:
        assert not has_entered


@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
def test_a_visit_that_fails_is_over(*, alone: bool) -> None:
    exclusive_gate = ExclusiveGate()
    with pytest.raises(MemoryError), exclusive_gate.entering(alone=alone, is_over=lambda: False):
        raise MemoryError

    hermit = Visitor(exclusive_gate, alone=True)

    assert wait(hermit.is_inside)
    hermit.leave()


def test_no_course_of_visits_breaks_the_rule_or_leaves_anybody_outside() -> None:
    exclusive_gate, lock = ExclusiveGate(), threading.Lock()
    inside = {True: 0, False: 0}
    broken: list[tuple[int, int]] = []

    def visit(dice: random.Random) -> Callable[[], None]:
        def run() -> None:
            for _ in range(200):
                alone = dice.random() < 0.3
                with exclusive_gate.entering(
                    alone=alone, is_over=lambda: dice.random() < 0.1
                ) as entered:
                    if not entered:
                        continue
                    with lock:
                        inside[alone] += 1
                        if inside[True] > 1 or (inside[True] and inside[False]):
                            broken.append((inside[True], inside[False]))
                    with lock:
                        inside[alone] -= 1

        return run

    threads = [
        threading.Thread(target=visit(random.Random(seed)), daemon=True) for seed in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert broken == []
    assert not any(thread.is_alive() for thread in threads)
