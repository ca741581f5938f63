"""A backup of a Redis under load, put back into an empty one."""

import contextlib
import gzip
import hashlib
import json
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from shared.cli import backup
from shared.cli.embedded_redis import embedded_redis
from shared.cli.processes import python_module
from shared.errors import SettingsError
from shared.jobs import Job
from shared.ledger import keys, lifecycle, presentation
from shared.ledger.lifecycle import Claimant
from tests.integration.ledger_steps import (
    DONE,
    LIMITS,
    LONG_MS,
    REMEMBER,
    accept,
    claim,
    deliver,
    message,
    state_of,
    sweep,
    wait_for,
)
from worker.knowledge.chunks import cut
from worker.knowledge.documents import Document, DocumentBlock, Section
from worker.knowledge.store import DocumentStore, DocumentSubmission
from worker.knowledge.visibility import EVERYWHERE
from worker.store import BlockingStore

WIDTH = 8


def embed(texts: list[str]) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A vector for each text, by its bytes."""
    rows = [list(hashlib.sha256(text.encode()).digest()[:WIDTH]) for text in texts]
    vectors = np.array(rows, dtype=np.float32).reshape(len(texts), WIDTH)
    normal: np.ndarray[Any, np.dtype[np.float32]] = vectors / np.linalg.norm(
        vectors, axis=1, keepdims=True
    )
    return normal


def teach(store: BlockingStore, name: str, num_passages: int = 3) -> None:
    """A document of its own passages."""
    sections = [
        Section((f"{number}",), (DocumentBlock(f"{name} says {number}"),))
        for number in range(num_passages)
    ]
    submission = DocumentSubmission(cut(Document(name, tuple(sections))), name, EVERYWHERE, name)
    DocumentStore(store.client).put(submission, lambda texts: embed(list(texts)), "tiny")


def answered(store: BlockingStore, number: int) -> Job:
    """A question that was answered and shown."""
    job = message(number, f"{number}")
    accept(store, job)
    claim(store, job)
    assert store.run(lifecycle.finish(job.id, "t1", DONE, REMEMBER)).counted
    store.run(presentation.note_posted(job, 0, f"{number}.9", LIMITS))
    deliver(store, job)
    return job


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[BlockingStore]:
    """A second Redis, to restore into."""
    with embedded_redis(tmp_path / "second") as url, redis.Redis.from_url(url) as client:
        yield BlockingStore(client)


def everything(of: redis.Redis) -> dict[str, object]:
    """Every key of a backup's kinds with its value, as Redis shows it."""
    client: Any = redis.Redis(connection_pool=of.connection_pool)  # which reads nothing its own way

    def vectors_of(name: bytes) -> object:
        members = client.execute_command("VRANDMEMBER", name, 10_000)
        return {
            member: [client.execute_command(w, name, member) for w in ("VGETATTR", "VEMB")]
            for member in members
        }

    read: dict[bytes, Callable[[bytes], object]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
        b"vectorset": vectors_of,
    }
    kinds = backup.KEPT | {*backup.LEARNED, backup.PASSAGE}
    names = [name for name in client.scan_iter() if backup.kind_of(name) in kinds]
    return {name.decode(): read[client.type(name)](name) for name in names}


def none(_num: int) -> None:
    """No progress is shown."""


def restore(client: redis.Redis, file: Path, *, replaces: bool = False) -> backup.Restored:
    summary = backup.read_backup(str(file))
    backup.require_restorable(client, summary, replaces=replaces)
    return backup.restore_backup(client, str(file), none)


@contextlib.contextmanager
def load_on(store: BlockingStore) -> Iterator[list[Job]]:
    """Questions that are asked and answered, and documents that change, until the block ends."""
    is_over, jobs = threading.Event(), []

    def work() -> None:
        number = 10_000
        while not is_over.is_set():
            jobs.append(answered(store, number))
            teach(store, f"changing-{number % 3}", 1 + number % 4)
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield jobs
    finally:
        is_over.set()
        thread.join()


def test_what_is_kept_comes_back_as_it_was(
    store: BlockingStore, empty: BlockingStore, tmp_path: Path
) -> None:
    for number in range(20):
        answered(store, number)
    teach(store, "handbook")
    store.client.hset(keys.PREFERENCES, "slack:T1|", "{}")
    store.client.hset(keys.installations("slack"), "T1", "sealed")
    store.client.xadd(keys.AUDIT, {"scope": "slack:T1|"})
    store.client.set(keys.told("x"), 1)
    before, file = everything(store.client), tmp_path / "kept"

    summary = backup.write_backup(store.client, str(file), none)
    restored = restore(empty.client, file)

    assert everything(empty.client) == before
    assert summary.num_keys == restored.num_keys == len(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "kept" in path.name] == ["kept"]
    for name in before:
        expires = [client.pexpiretime(name) for client in (store.client, empty.client)]
        assert abs(expires[0] - expires[1]) < 2_000, name
    near = DocumentStore(empty.client).nearest(embed(["handbook"])[0], EVERYWHERE, 3)
    assert len(near) == 3
    left_out = {backup.kind_of(name) for name in empty.client.scan_iter()} - backup.KEPT
    assert left_out == {*backup.LEARNED, backup.PASSAGE} - {"lessons", "teachers"}


def test_a_backup_under_load_has_whole_jobs_and_whole_documents(
    store: BlockingStore, empty: BlockingStore, tmp_path: Path
) -> None:
    for number in range(150):
        answered(store, number)
    before = everything(store.client)
    with load_on(store) as jobs:
        wait_for(lambda: len(jobs) > 2)
        num_before = len(jobs)
        backup.write_backup(store.client, str(tmp_path / "kept"), none)
        num_during = len(jobs) - num_before

    restore(empty.client, tmp_path / "kept")

    assert num_during > 0
    after = everything(empty.client)
    lists = {keys.PREFERENCES, keys.SEQUENCE, keys.questions("slack:T1:U1")}
    lists |= {name for name in before if backup.kind_of(name.encode()) == "asked"}
    assert {name: after.get(name) for name in before if name not in lists} == {
        name: value for name, value in before.items() if name not in lists
    }
    for name in empty.client.scan_iter(keys.job("*")):
        fields: Any = empty.client.hgetall(name)
        assert {b"job", b"state", b"conversation"} <= set(fields)
    documents = DocumentStore(empty.client)
    for record in documents.records().values():
        assert len(documents.read(record.passages, EVERYWHERE)) == len(record.passages)
    num_passages = sum(len(r.passages) for r in documents.records().values())
    assert empty.client.vset().vcard(keys.VECTORS) == num_passages
    assert len(list(empty.client.scan_iter(keys.passage("*")))) == num_passages


def test_a_document_that_was_changed_just_then_is_left_out(
    store: BlockingStore, empty: BlockingStore, tmp_path: Path
) -> None:
    teach(store, "whole")
    teach(store, "torn")
    library = DocumentStore(store.client)
    torn = next(record for record in library.records().values() if record.title == "torn")
    store.client.delete(keys.passage(torn.passages[0]))
    backup.write_backup(store.client, str(tmp_path / "kept"), none)

    restore(empty.client, tmp_path / "kept")

    assert [r.title for r in DocumentStore(empty.client).records().values()] == ["whole"]
    assert len(list(empty.client.scan_iter(keys.passage("*")))) == 3
    assert empty.client.vset().vcard(keys.VECTORS) == 3


def test_no_old_question_is_answered_again(
    store: BlockingStore, empty: BlockingStore, tmp_path: Path
) -> None:
    shown = answered(store, 1)
    waiting, running, done = (message(number, f"{number}") for number in (2, 3, 4))
    for job in (waiting, running, done):
        accept(store, job)
    for job in (running, done):
        claim(store, job)
    assert store.run(lifecycle.finish(done.id, "t1", DONE, REMEMBER)).counted
    store.client.hset(keys.seen("slack"), "C1", "1.1")
    backup.write_backup(store.client, str(tmp_path / "kept"), none)

    restored = restore(empty.client, tmp_path / "kept")

    assert restored.num_closed == 3
    assert "3 questions were open" in str(restored)
    for job in (shown, waiting, running, done):
        assert state_of(empty, job) == "delivered"
        assert accept(empty, job) is None, "a repeated event is known"
        assert empty.run(lifecycle.claim(job.id, Claimant("w", "t", LONG_MS, 3))).lease is None
    assert sweep(empty) == []
    assert empty.client.exists(keys.OPEN, keys.QUEUE, keys.outbox("slack"), keys.seen("slack")) == 0
    assert empty.client.ttl(keys.job(waiting.id)) > 0


def test_only_an_empty_redis_that_no_worker_uses_is_filled(
    store: BlockingStore, empty: BlockingStore, tmp_path: Path
) -> None:
    answered(store, 1)
    file = tmp_path / "kept"
    backup.write_backup(store.client, str(file), none)
    empty.client.set("chat", "celery")
    empty.client.hset(keys.job("other"), "state", "queued")

    with pytest.raises(SettingsError, match="not empty"):
        restore(empty.client, file)
    assert empty.client.dbsize() == 2
    restore(empty.client, file, replaces=True)
    assert not empty.client.exists("chat", keys.job("other"))
    assert everything(empty.client) == everything(store.client)

    empty.client.zadd(keys.WORKERS, {"w1": 1})
    with pytest.raises(SettingsError, match="stop bots and workers"):
        restore(empty.client, file, replaces=True)


def changed(file: Path, change: Callable[[bytes], bytes]) -> None:
    """Write a backup's lines again, as if they had been made so."""
    file.write_bytes(gzip.compress(change(gzip.decompress(file.read_bytes()))))


def without_a_line(lines: bytes) -> bytes:
    first, second, rest = lines.split(b"\n", 2)
    del second
    return first + b"\n" + rest


def of_the_next_version(lines: bytes) -> bytes:
    header, rest = lines.split(b"\n", 1)
    return json.dumps({**json.loads(header), "version": 2}).encode() + b"\n" + rest


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-20]), "not whole"),
        (lambda file: file.write_bytes(file.read_bytes()[:60]), "not whole"),
        (lambda file: file.write_bytes(b""), "not whole"),
        (lambda file: file.write_bytes(b"hello"), "no backup of Parley"),
        (lambda file: file.write_bytes(gzip.compress(b'{"a": 1}\n')), "no backup of Parley"),
        (lambda file: file.write_bytes(gzip.compress(b"[]\n")), "no backup of Parley"),
        (lambda file: changed(file, without_a_line), "not whole"),
        (lambda file: changed(file, lambda lines: lines[: lines.rindex(b"\n{")]), "not whole"),
        (lambda file: changed(file, lambda lines: lines + b'{"k": "x"}\n'), "after its end"),
        (
            lambda file: changed(file, lambda lines: lines.replace(b'"d": "', b'"d": "A', 1)),
            "not whole",
        ),
        (lambda file: changed(file, of_the_next_version), "has version 2"),
        (lambda file: file.unlink(), "cannot be read"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_before_anything_is_changed(
    store: BlockingStore, tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    answered(store, 1)
    file = tmp_path / "kept"
    backup.write_backup(store.client, str(file), none)
    spoil(file)

    with pytest.raises(SettingsError, match=sentence):
        backup.read_backup(str(file))


def test_what_cannot_be_written_leaves_the_old_file(store: BlockingStore, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("old")

    def broken(_num: int) -> None:
        raise redis.ConnectionError

    answered(store, 1)
    with pytest.raises(redis.ConnectionError):
        backup.write_backup(store.client, str(file), broken)
    with pytest.raises(SettingsError, match="cannot be written"):
        backup.write_backup(store.client, str(tmp_path / "absent" / "kept"), none)

    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept"]


def test_the_commands(
    store: BlockingStore, quiet_redis: str, empty: BlockingStore, tmp_path: Path
) -> None:
    answered(store, 1)
    connection: Any = empty.client.connection_pool.connection_kwargs
    second = f"redis://:{connection['password']}@127.0.0.1:{connection['port']}/0"

    def parley(url: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            python_module("shared.cli", *words),
            env={"PARLEY_REDIS_URL": url, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )

    piped = parley(quiet_redis, "backup", "-")
    assert piped.returncode == 0, piped.stderr
    assert b"1 questions, 1 conversations" in piped.stderr
    file = tmp_path / "piped"
    file.write_bytes(piped.stdout)
    done = parley(second, "restore", str(file))
    again = parley(second, "restore", str(file))

    assert done.returncode == 0, done.stderr
    assert b"keys are restored" in done.stdout
    assert again.returncode == 78
    assert again.stderr.startswith(b"parley: This Redis is not empty")
    assert everything(empty.client) == everything(store.client)


def test_a_fault_of_what_is_done_with_a_connection_is_not_taken_for_one_of_redis(
    own_redis: str,
) -> None:
    with pytest.raises(ValueError, match="its own"), backup.connected(own_redis):
        raise ValueError("its own")
