"""``parley bench engine`` on a tiny model: each engine is measured, and the keys stay."""

import json
import subprocess
from pathlib import Path

from shared.launcher.processes import python_module
from tests.running import clean_environment


def test_each_engine_is_measured_beside_one_at_a_time(tiny_model: Path, tmp_path: Path) -> None:
    options = ["--at-once", "1", "--at-once", "3", "--new-tokens", "6", "--repeats", "1", "--json"]
    environment = {
        **clean_environment(),
        "PARLEY_MODEL": str(tiny_model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "16384",
    }

    run = subprocess.run(
        python_module("shared.launcher", "bench", "engine", *options),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert set(measured) == {"model", "one_at_a_time", "transformers", "lean", "ratios"}
    for engine in ("transformers", "lean"):
        assert set(measured[engine]) == {"1", "3", "second_turn"}
        assert all(figure > 0 for figure in measured[engine].values())
    assert measured["ratios"]["one_at_a_time"] == {"1": 1.0}
