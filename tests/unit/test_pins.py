"""The check of the pins is quick where nothing has changed, and plain without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pins

NOT_ANSWERING = "http://127.0.0.1:1/simple"
LOOKED_AT = (pins.PYPROJECT, pins.CONSTRAINTS, Path(pins.__file__))


def check(stamp: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run it where no package index answers."""
    alone = {name: value for name, value in os.environ.items() if name != "CI"}
    offline = {"UV_DEFAULT_INDEX": NOT_ANSWERING, "UV_CACHE_DIR": str(stamp.parent / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "tests.pins", "check", "--stamp", str(stamp)],
        cwd=pins.ROOT,
        env={**alone, **offline, "UV_HTTP_RETRIES": "0", **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("env", "code"), [({}, 0), ({"CI": "true"}, 1)], ids=["here", "CI"])
def test_without_a_network_one_sentence_says_so_and_ci_fails(
    tmp_path: Path, env: dict[str, str], code: int
) -> None:
    done = check(tmp_path / "stamp", **env)

    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("pins: the package index does not answer (")
    assert ("Nothing is wrong with your change" in done.stderr) is (code == 0)
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "stamp").exists(), "the next run looks again"


def test_a_state_that_was_found_to_fit_is_not_looked_at_again(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    stamp.write_text(pins.digest(LOOKED_AT))

    done = check(stamp, CI="true")

    assert (done.returncode, done.stderr) == (0, "")


def test_what_differs_by_python_is_pinned_with_a_marker() -> None:
    lines = pins.CONSTRAINTS.read_text().splitlines()

    assert "audioop-lts==0.2.2; python_version >= '3.13'" in lines
    assert set(pins.pins(pins.CONSTRAINTS)) >= set(pins.MODELS)
