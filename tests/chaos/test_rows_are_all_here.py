"""Every fault of docs/reliability.md has a test with its number in the name."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "reliability.md"
TEST = re.compile(r"^(?:async )?def test_row_(\d\d)_", re.MULTILINE)


def test_every_fault_of_the_page_has_a_test_and_no_test_is_without_a_fault() -> None:
    page = PAGE.read_text(encoding="utf-8")
    faults = {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}

    tested = {
        int(number)
        for file in TESTS.rglob("test_*.py")
        for number in TEST.findall(file.read_text(encoding="utf-8"))
    }

    assert faults == set(range(1, 42))
    assert tested == faults
