"""Who may run after a death: suspects alone, then everybody; and nobody is left behind."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from worker.engine.fault_isolation import MAX_SHARED_DEATHS, TRIAL_TOKENS, FaultIsolation, RunSlot


def lineup_of(*names: str) -> FaultIsolation:
    fault_isolation = FaultIsolation()
    for name in names:
        fault_isolation.arrive(name)
    return fault_isolation


def test_without_a_death_all_run_together() -> None:
    assert lineup_of("a", "b").current() == (RunSlot("a"), RunSlot("b"))


def test_after_a_death_suspects_are_tried_alone_in_the_order_of_arrival() -> None:
    fault_isolation = lineup_of("a", "b", "c")

    assert fault_isolation.die({"a", "b", "c"}) is None

    tried = []
    for _ in range(3):
        (turn,) = fault_isolation.current()
        tried.append(turn)
        fault_isolation.acquit(turn.id)
    assert tried == [RunSlot(name, TRIAL_TOKENS) for name in "abc"]
    assert fault_isolation.current() == (RunSlot("a"), RunSlot("b"), RunSlot("c"))


def test_one_that_dies_alone_is_the_culprit_and_gone() -> None:
    fault_isolation = lineup_of("a", "b")
    fault_isolation.die({"a", "b"})

    assert fault_isolation.die({"a"}) == "a"
    assert fault_isolation.current() == (RunSlot("b", TRIAL_TOKENS),)


def test_a_single_request_gets_a_second_chance() -> None:
    """A passing fault of the device is nobody's."""
    fault_isolation = lineup_of("a")

    assert fault_isolation.die({"a"}) is None
    assert fault_isolation.die({"a"}) == "a"
    assert fault_isolation.current() == ()


def test_newcomers_wait_for_the_end_of_the_trials() -> None:
    fault_isolation = lineup_of("a")
    fault_isolation.die({"a"})
    fault_isolation.arrive("new")

    assert fault_isolation.current() == (RunSlot("a", TRIAL_TOKENS),)
    fault_isolation.leave("a")
    assert fault_isolation.current() == (RunSlot("new"),)


def test_who_was_not_in_the_batch_is_no_suspect() -> None:
    fault_isolation = lineup_of("a", "late")
    fault_isolation.die({"a"})

    assert fault_isolation.current() == (RunSlot("a", TRIAL_TOKENS),)
    fault_isolation.acquit("a")
    assert {turn.id for turn in fault_isolation.current()} == {"a", "late"}


def test_a_batch_that_dies_before_the_trial_began_blames_nobody() -> None:
    fault_isolation = lineup_of("a")
    fault_isolation.die({"a"})

    assert fault_isolation.die(set()) is None
    assert fault_isolation.current() == (RunSlot("a", TRIAL_TOKENS),)


def test_a_second_shared_death_means_alone_to_the_end() -> None:
    fault_isolation = lineup_of("a", "b")
    for _ in range(MAX_SHARED_DEATHS):
        fault_isolation.die({"a", "b"})
        first = fault_isolation.current()
        fault_isolation.acquit("a")
        fault_isolation.acquit("b")

    assert first == (RunSlot("a"),)


def test_a_suspect_that_leaves_is_not_tried() -> None:
    fault_isolation = lineup_of("a", "b", "c")
    fault_isolation.die({"a", "b", "c"})

    fault_isolation.leave("b")
    fault_isolation.leave("a")

    assert fault_isolation.current() == (RunSlot("c", TRIAL_TOKENS),)


class Lives(RuleBasedStateMachine):
    """Any order of arrivals, ends and deaths; an engine that fills its batch after each."""

    here = Bundle("here")

    def __init__(self) -> None:
        super().__init__()
        self.fault_isolation = FaultIsolation()
        self.present: set[str] = set()
        self.in_batch: set[str] = set()
        self.num_named = 0
        self.num_shared_deaths: dict[str, int] = {}

    @rule(target=here)
    def arrive(self) -> str:
        self.num_named += 1
        name = str(self.num_named)
        self.present.add(name)
        self.fault_isolation.arrive(name)
        self.fill()
        return name

    @rule(name=consumes(here))
    def leave(self, name: str) -> None:
        self.present.discard(name)
        self.in_batch.discard(name)
        self.fault_isolation.leave(name)
        self.fill()

    @rule()
    def finish_trial(self) -> None:
        for turn in self.fault_isolation.current():
            if turn.max_tokens is not None:
                self.in_batch.discard(turn.id)
                self.fault_isolation.acquit(turn.id)
        self.fill()

    @precondition(lambda self: self.in_batch)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        given = data.draw(st.sets(st.sampled_from(sorted(self.in_batch)), min_size=1))
        was_trial = self.is_trial()
        culprit = self.fault_isolation.die(given)
        assert (culprit is not None) == was_trial
        if culprit is not None:
            assert given == {culprit}
            self.present.discard(culprit)
        else:
            for name in given:
                self.num_shared_deaths[name] = self.num_shared_deaths.get(name, 0) + 1
        self.in_batch.clear()
        self.fill()

    def is_trial(self) -> bool:
        return self.fault_isolation._alone is not None

    def fill(self) -> None:
        self.in_batch |= {turn.id for turn in self.fault_isolation.current()}

    @invariant()
    def nobody_is_lost_and_a_suspect_is_alone(self) -> None:
        current = {turn.id for turn in self.fault_isolation.current()}
        assert self.in_batch == current <= self.present
        assert bool(current) == bool(self.present), "somebody may always run"
        assert len(current) == 1 or current == self.present

    @invariant()
    def no_request_ends_a_shared_batch_too_often(self) -> None:
        assert all(n <= MAX_SHARED_DEATHS for n in self.num_shared_deaths.values())

    def teardown(self) -> None:
        """However it stands: if from now on all goes well, all come to their end."""
        while self.present:
            for turn in self.fault_isolation.current():
                if turn.max_tokens is None:
                    self.leave(turn.id)
                else:
                    self.in_batch.discard(turn.id)
                    self.fault_isolation.acquit(turn.id)
            self.fill()
        assert self.fault_isolation.current() == ()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
