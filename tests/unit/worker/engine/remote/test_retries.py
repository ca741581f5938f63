"""How long and how often an answer is asked for again, and what is dropped of a repetition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import EngineLostError
from worker.engine.remote.repetition import RepetitionFilter
from worker.engine.remote.retries import MAX_BREAKS, Retries, ServerAwayError, ServerPatience

AWAY = ServerAwayError("does not answer")
LOADING = ServerAwayError("answers 503", is_loading=True)
LONG = "The lighthouse stands on a rock in the sea"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def wait_until_lost(retries: Retries, clock: Clock, away: ServerAwayError) -> list[float]:
    pauses: list[float] = []
    while True:
        try:
            pauses.append(retries.miss(away))
        except EngineLostError:
            return pauses
        clock.now_s += pauses[-1]


def test_an_outage_is_waited_for_with_pauses_that_grow() -> None:
    clock = Clock()

    pauses = wait_until_lost(Retries(clock=clock), clock, AWAY)

    assert clock.now_s == pytest.approx(30, abs=0.5)
    assert pauses[:5] == [0.25, 0.5, 1, 2, 4]
    assert len(pauses) < 15


def test_each_outage_is_waited_for_but_breaks_are_counted_over_all() -> None:
    clock = Clock()
    retries = Retries(clock=clock)
    for _ in range(MAX_BREAKS):
        clock.now_s += 29
        retries.miss(AWAY)
        retries.reach()
        retries.break_off()

    with pytest.raises(EngineLostError, match="again and again"):
        retries.break_off()


def test_a_model_that_is_loaded_is_waited_for_longer() -> None:
    clock = Clock()

    wait_until_lost(Retries(ServerPatience(loading_s=100), clock), clock, LOADING)

    assert clock.now_s == pytest.approx(100, abs=0.5)


def test_a_pause_that_the_server_asks_for_is_made() -> None:
    assert Retries().miss(ServerAwayError("answers 429", 7.0)) == 7.0


def filtered(begun: str, *pieces: str) -> str:
    repetition = RepetitionFilter(begun)
    return "".join([*map(repetition.push, pieces), repetition.flush()])


@pytest.mark.parametrize(
    ("begun", "pieces", "left"),
    [
        (LONG, [LONG, ", alone."], ", alone."),
        (LONG, [*LONG, *", alone."], ", alone."),
        (f" {LONG} ", [LONG, " alone."], "alone."),
        (LONG, [f"\n{LONG} alone."], " alone."),
        (LONG, [LONG[:30]], ""),
        (LONG, [LONG[:5]], LONG[:5]),
        (LONG, ["The", " sea"], "The sea"),
        (LONG, [", alone."], ", alone."),
        ("no", ["no", "!"], "no!"),
        ("", ["Hello"], "Hello"),
    ],
)
def test_what_is_said_again_is_dropped(begun: str, pieces: list[str], left: str) -> None:
    assert filtered(begun, *pieces) == left


@given(st.text(min_size=30).filter(lambda text: len(text.strip()) > 10), st.text())
def test_a_whole_repetition_never_comes_through(begun: str, more: str) -> None:
    left = filtered(begun, *(begun.strip() + more))

    assert more.endswith(left) or left == more
