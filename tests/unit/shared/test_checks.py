"""The exit code of checks: that of the one fault there is."""

import pytest

from shared.checks import Check, one_code, print_checks


@pytest.mark.parametrize(
    ("codes", "code"),
    [((), 0), ((0, 0), 0), ((75,), 75), ((75, 0, 75), 75), ((75, 69), 1), ((1, 75), 1)],
)
def test_parts_end_with_the_code_that_they_share(codes: tuple[int, ...], code: int) -> None:
    assert one_code(*codes) == code


def test_a_check_that_fails_ends_with_1_unless_it_says_otherwise() -> None:
    assert print_checks([Check.ok("a", ""), Check.warn("b", "")]) == 0
    assert print_checks([Check.ok("a", ""), Check.fail("b", "")]) == 1
    assert print_checks([Check.fail("a", "", 69), Check.warn("b", "")]) == 69
