"""The order in which the processes of a parallel run begin with the test files."""

import json
from pathlib import Path

import pytest

from tests.ordering import DURATIONS, UNKNOWN_S, longest_first, read_durations

FAST, SLOW, NEW = "tests/test_fast.py::test_a", "tests/test_slow.py::test_a", "tests/test_new.py"


def test_the_longest_file_is_first_and_one_that_was_never_measured_among_the_long_ones() -> None:
    durations = {"tests/test_fast.py": UNKNOWN_S - 1, "tests/test_slow.py": UNKNOWN_S + 1}

    ordered = sorted([FAST, f"{NEW}::test_b", f"{NEW}::test_a", SLOW], key=longest_first(durations))

    assert ordered == [SLOW, f"{NEW}::test_b", f"{NEW}::test_a", FAST]


@pytest.mark.parametrize("content", [None, "{}"])
def test_without_any_record_the_order_stays(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "durations.json"
    if content is not None:
        file.write_text(content)

    durations = read_durations(file)

    assert durations == {}
    assert sorted([SLOW, FAST], key=longest_first(durations)) == [SLOW, FAST]


def test_the_record_holds_seconds_of_test_files() -> None:
    recorded = json.loads(DURATIONS.read_text(encoding="utf-8"))

    assert recorded
    assert all(name.startswith("tests/") and seconds >= 0 for name, seconds in recorded.items())
