"""What can be measured of the house's rules. See ``tests.house``."""

from collections.abc import Callable

import pytest

from tests.house import RULES


@pytest.mark.parametrize("find", RULES.values(), ids=RULES.keys())
def test_the_house_keeps_its_rule(find: Callable[[], list[str]]) -> None:
    assert find() == []
