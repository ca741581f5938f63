"""What a server says again when it was to go on."""

import pytest

from worker.engine.remote.repeats import Repeats

BEGUN = "The lighthouse stands on a rock"


@pytest.mark.parametrize(
    ("said", "new"),
    [
        (" in the sea.", " in the sea."),
        (f"{BEGUN} in the sea.", " in the sea."),
        (f"\n{BEGUN} in the sea.", " in the sea."),
        (BEGUN, ""),
        ("The lighthouse stands on sand.", "The lighthouse stands on sand."),
        ("The", "The"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_only_what_is_new_counts(said: str, new: str, step: int) -> None:
    repeats = Repeats(BEGUN)

    pieces = [repeats.push(said[at : at + step]) for at in range(0, len(said), step)]

    assert "".join([*pieces, repeats.flush()]) == new


def test_a_short_beginning_may_be_said_twice() -> None:
    assert Repeats("No, no").push("No, no") == "No, no"
