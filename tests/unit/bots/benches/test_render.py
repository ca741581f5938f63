"""What ``parley bench render`` prints can be read by people and by programs."""

import json

import pytest

from bots.benches import render as bench


def test_the_renderers_are_measured_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(["render", "--json"]) == 0

    measured = json.loads(capsys.readouterr().out)
    assert set(measured) == {
        f"{platform}_{text}"
        for platform in ("discord", "slack")
        for text in ("answer", "backticks", "quotes")
    }
    assert all(figures["megabytes_per_s"] > 0 for figures in measured.values())
