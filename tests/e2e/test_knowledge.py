"""``parley ingest`` and ``parley knowledge``, as an operator types them."""

import subprocess
from pathlib import Path

import pytest
import redis

from shared.cli.processes import python_module
from shared.ledger import keys
from tests.patience import PATIENCE_S
from tests.running import clean_environment


def parley(redis_url: str, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {**clean_environment(), "PARLEY_REDIS_URL": redis_url, "PARLEY_LOG_LEVEL": "ERROR"}
    command = python_module("shared.cli", *words)
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.timeout(3 * PATIENCE_S)
def test_documents_are_taken_in_listed_and_removed(quiet_redis: str, tmp_path: Path) -> None:
    (tmp_path / "handbook.md").write_text("# Handbook\n\nBook trains early.\n", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")

    taken = parley(quiet_redis, "ingest", str(tmp_path), "--for", "slack:T1:C1")
    listed = parley(quiet_redis, "knowledge", "list")
    removed = parley(quiet_redis, "knowledge", "remove", "handbook.md")

    assert taken.returncode == 1, "one file was not read"
    assert taken.stdout == "1 added, 1 failed\n"
    assert "The file broken.pdf is damaged, or not a PDF at all." in taken.stderr
    assert listed.stdout.split("\t")[1:] == ["slack:T1:C1", "1", "handbook.md", "Handbook\n"]
    assert "slack:T1:C1 holds 1 of 20,000 passages, 0.0 of 80 MB\n" in listed.stderr
    assert (removed.returncode, removed.stdout) == (0, "1 removed\n")
    with redis.Redis.from_url(quiet_redis) as client:
        assert not client.exists(keys.DOCUMENTS, keys.VECTORS)


@pytest.mark.parametrize("given", [(), ("--for", ""), ("--for", " ")])
def test_documents_are_for_everyone_only_if_that_is_written(
    quiet_redis: str, tmp_path: Path, given: tuple[str, ...]
) -> None:
    (tmp_path / "handbook.md").write_text("# Handbook\n\nBook early.\n", encoding="utf-8")

    ended = parley(quiet_redis, "ingest", str(tmp_path), *given)

    assert ended.returncode == 78
    assert ended.stderr.startswith("parley: Say whom these documents are for: --for slack:TEAM")
    assert "or everyone" in ended.stderr
    with redis.Redis.from_url(quiet_redis) as client:
        assert not client.exists(keys.DOCUMENTS, keys.VECTORS)


def test_place_that_is_none_ends_in_a_sentence(quiet_redis: str, tmp_path: Path) -> None:
    ended = parley(quiet_redis, "ingest", str(tmp_path), "--for", "irc:T1")

    assert ended.returncode == 78
    assert "irc:T1 is no place: write slack:TEAM" in ended.stderr
    assert "Traceback" not in ended.stderr
