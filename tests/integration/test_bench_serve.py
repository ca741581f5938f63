"""``parley bench serve`` on a tiny model: through Redis, a worker and delivery; the keys stay."""

import json
import subprocess
from pathlib import Path

from shared.launcher.processes import python_module
from tests.running import clean_environment


def test_the_whole_way_is_measured_beside_the_bare_engine(
    endless_model: Path, tmp_path: Path
) -> None:
    options = ["--concurrency", "3", "--new-tokens", "8", "--repeats", "1", "--json"]
    environment = {
        **clean_environment(),
        "PARLEY_MODEL": str(endless_model),
        "PARLEY_DEVICE": "cpu",
        "PARLEY_CACHE_TOKENS": "16384",
        "PARLEY_DATA_DIR": str(tmp_path),
    }

    run = subprocess.run(
        python_module("shared.launcher", "bench", "serve", *options),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    assert measured["tokens_per_s"] > 0
    assert set(measured["ratios"]) == {"engine", "one_at_a_time", "llama_cpp"}
    assert measured["ratios"]["engine"] > 0
    assert measured["ratios"]["llama_cpp"] is None, "it has no file of this model"
    assert 0 < measured["first_text_ms"]["p50"] <= measured["first_text_ms"]["p95"]
    assert set(measured["memory_mb"]) == {"bots", "redis", "worker 1"}
    assert measured["concurrency"] == 3
    assert measured["alone"]["tokens_per_s"] > 0
