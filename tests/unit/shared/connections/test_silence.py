"""A subscription that hears nothing is pinged, and given up if that is not answered."""

import pytest
import redis

from shared.connections.silence import DEAD_AFTER_S, PING_AFTER_S, Silence, text_of


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_silent_subscription_is_pinged_once_and_then_given_up() -> None:
    clock = Clock()
    silence = Silence(clock)

    assert not silence.note(None)
    clock.now_s += PING_AFTER_S + 0.1
    assert silence.note(None)
    assert not silence.note(None), "one ping is under way"
    clock.now_s += DEAD_AFTER_S
    with pytest.raises(redis.TimeoutError):
        silence.note(None)


@pytest.mark.parametrize("message", [{"type": "message", "data": b"x"}, {"type": "pong"}])
def test_anything_that_comes_ends_the_silence(message: object) -> None:
    clock = Clock()
    silence = Silence(clock)
    for _ in range(5):
        clock.now_s += PING_AFTER_S + 0.1
        assert silence.note(None)
        clock.now_s += 1
        assert not silence.note(message)


def test_a_process_that_was_frozen_asks_before_it_gives_up() -> None:
    clock = Clock()
    silence = Silence(clock)
    clock.now_s += 3600

    assert silence.note(None)


def test_only_what_was_published_has_a_text() -> None:
    assert text_of({"type": "message", "data": b"job"}) == "job"
    assert text_of({"type": "pong", "data": b""}) is None
    assert text_of(None) is None
