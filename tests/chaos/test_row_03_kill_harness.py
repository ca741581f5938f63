"""Row 3 of docs/reliability.md: random SIGKILLs under load, on both platforms at once."""

import sys
from pathlib import Path

import pytest

from tests.chaos.report import closing_line
from tests.chaos.run import Options, run
from tests.chaos.systems import parley

SEED = 7
LEASE_S = 5.0
"""Half of Parley's default: every wait of the run for a lease's end is half as long."""


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@pytest.mark.timeout(600)
async def test_row_03_random_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    options = Options(num_messages=500, seed=SEED, folder=tmp_path, lease_s=LEASE_S, say=say)

    result = await run(options, parley)

    line = closing_line(result)
    assert result.num_broken == 0, line
    assert result.num_accepted == 500, line
    assert result.kills.workers >= 5, line
    assert result.kills.bots >= 3, line
    assert result.kills.redis >= 1, line
