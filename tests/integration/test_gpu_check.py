"""The check of a GPU, where there is none: it says so, and its tiny form runs on the processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.gpu_check import EX_UNAVAILABLE, TINY_COUNTS, main


def test_without_a_gpu_it_says_so() -> None:
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}

    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu_check"],
        env=hidden,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == EX_UNAVAILABLE
    assert "no NVIDIA GPU" in done.stdout
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_the_tiny_form_starts_each_model_and_compares_its_tokens(tmp_path: Path) -> None:
    assert main(["--tiny", "--json", str(tmp_path / "figures.json")]) == 0

    figures = json.loads((tmp_path / "figures.json").read_text())
    models = figures["models"]
    assert [one["model"] for one in models] == ["Qwen3-8B", "gpt-oss-20b", "Gemma-3-12B"]
    for one in models:
        assert one["batch"] == "manager"
        assert one["num_right"] == one["num_checked"] == max(TINY_COUNTS)
        assert [rate["at_once"] for rate in one["rates"]] == list(TINY_COUNTS)
        assert all(rate["tokens_per_s"] > 0 for rate in one["rates"])
        assert one["capacity_tokens"] > 0
