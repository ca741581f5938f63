"""The default model is prepared once, also when two processes start at once."""

from pathlib import Path

import pytest

from shared.cli.processes import python_module, running, start, with_setting
from worker.engine.model_cache import MANIFEST
from worker.engine.openvino.files import find_model, folder_for, is_prepared
from worker.engine.protocol import DEFAULT

CONVERSION_S = 240


@pytest.mark.timeout(CONVERSION_S + 30)
def test_two_processes_that_start_at_once_prepare_once(tmp_path: Path) -> None:
    env = with_setting("PARLEY_CACHE_DIR", str(tmp_path / "cache"))
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    command = python_module("worker.prepare")
    with (
        running(start(command, env=env, log=logs[0])) as one,
        running(start(command, env=env, log=logs[1])) as two,
    ):
        codes = [child.wait(CONVERSION_S) for child in (one, two)]

    said = [log.read_text() for log in logs]
    source = find_model(DEFAULT)
    assert source is not None
    folder = folder_for(source, tmp_path / "cache")
    assert codes == [0, 0], said
    assert sum("Preparing" in text for text in said) == 1
    assert is_prepared(source, tmp_path / "cache")
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
    assert (folder / MANIFEST).is_file()
