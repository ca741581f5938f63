"""``parley backup`` and ``parley restore``: what is kept, as a file, from a Redis that runs.

A file is gzipped lines of JSON: a header, a line for each key with Redis's own serialization of it
(``DUMP``), and an end with counts and a checksum, without which the file is not whole. What only
says what is being done right now (queues, leases, answers in transit) is left out.
"""

import base64
import binascii
import contextlib
import gzip
import hashlib
import json
import os
import secrets
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import redis

from shared.cli.sessions import redis_beside
from shared.connections.blocking import client_of
from shared.errors import RedisUnavailableError, SettingsError
from shared.jobs import CHAT_QUEUE, QUEUES
from shared.ledger import documents, keys
from shared.ledger.redis_health import unreachable
from shared.settings import Settings

VERSION = 1
"""Of the file. A file of a later version is refused."""
FORMAT = "parley-backup"
AT_ONCE = 100
"""Keys that are read or written in one round trip."""
LOOK_AT = 500
TIMEOUT_S = 60
"""The vectors are one key, which is read and written in one step."""
PROBE_MS = 60_000
STDOUT = "-"
REDIS_URL = "PARLEY_REDIS_URL"
KEPT = frozenset(
    {
        "access",
        "answer",
        "asked",
        "audit",
        "dead",
        "feedback",
        "forgetting",
        "installations",
        "installed",
        "job",
        "leaving",
        "mood_alert",
        "muted",
        "opted_out",
        "pins",
        "preferences",
        "preferences_changes",
        "presence",
        "questions",
        "rated",
        "ratings",
        "sequence",
        "talk",
        "thought",
        "transcript",
        "used",
    }
)
"""The kinds of keys that a backup has, besides what people have taught."""
LEARNED = ("documents", "knowledge", "lessons", "teachers", "vectors")
"""Keys that are read in one step, so that they agree; their passages follow."""
PASSAGE = "passage"
RESTORING = f"{keys.PREFIX}restoring"
"""Exists while a backup is being restored: one that was cut off is not taken for whole."""
CELERY = frozenset({CHAT_QUEUE, *QUEUES.values(), "unacked", "unacked_index", "unacked_mutex"})
NOT_WHOLE = "the file is damaged or was cut off; nothing was changed."

CLOSE = f"""#!lua flags=allow-oom
-- ARGV: keys of jobs. What was open when the backup was made is not answered again: it may have
-- been answered since. Returns how many that were.
local num = 0
for _, key in ipairs(ARGV) do
  local state = redis.call('HGET', key, 'state')
  if state == 'waiting' or state == 'queued' or state == 'running' or state == 'done' then
    redis.call('HSET', key, 'state', 'delivered')
    redis.call('HDEL', key, 'token', 'lock', 'lock_until', 'presenter', 'presenter_until')
    redis.call('PEXPIRE', key, {keys.DELIVERED_JOB_LIFETIME_MS})
    num = num + 1
  end
end
return num
"""


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """One key."""

    name: bytes
    expires_at_ms: int
    """By the clock of its Redis; 0 for never."""
    payload: bytes

    @property
    def kind(self) -> str:
        """What follows the prefix in its name."""
        return kind_of(self.name)

    def line(self) -> bytes:
        """As a line of the file."""
        document = {
            "k": self.name.decode(errors="surrogateescape"),
            "t": self.expires_at_ms,
            "d": base64.b64encode(self.payload).decode(),
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def read(cls, document: dict[str, Any]) -> "BackupRecord":
        """Parse a line. Raises ValueError, KeyError, TypeError."""
        name = str(document["k"]).encode(errors="surrogateescape")
        payload = base64.b64decode(document["d"], validate=True)
        return cls(name, int(document["t"]), payload)


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What is in a file."""

    num_keys: int
    by_kind: dict[str, int]
    redis_version: str

    def __str__(self) -> str:
        """A line for operators."""
        told = {"job": "questions", "transcript": "conversations", PASSAGE: "passages"}
        parts = [f"{self.by_kind.get(kind, 0):,} {name}" for kind, name in told.items()]
        return f"{self.num_keys:,} keys ({', '.join(parts)})"


Progress = Callable[[int], None]
"""Is told how many keys more are done."""


def kind_of(name: bytes) -> str:
    """The kind of a key, by its name."""
    return name.decode(errors="replace").removeprefix(keys.PREFIX).partition(":")[0]


@contextlib.contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    """A client whose faults end in a sentence.

    Raises:
        RedisUnavailableError: Redis does not answer, or refuses.
    """
    try:
        client = client_of(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=3)
    except ValueError as error:
        raise unreachable(url, error) from error
    try:
        with client:
            client.ping()
            yield client
    except redis.ResponseError as error:
        word = str(error).partition(" ")[0]
        raise RedisUnavailableError(f"Redis refused a step ({word}); begin again.") from error
    except redis.RedisError as error:
        raise unreachable(url, error) from error


@contextlib.contextmanager
def redis_for(settings: Settings) -> Iterator[redis.Redis]:
    """The Redis that Parley runs on; the embedded one is started for as long if it does not run.

    Raises:
        RedisUnavailableError: Redis does not answer, or refuses.
    """
    with contextlib.ExitStack() as stack:
        if settings.redis_url:
            url = settings.redis_url.get_secret_value()
        else:
            url = stack.enter_context(redis_beside(settings, is_needed=True))[REDIS_URL]
        yield stack.enter_context(connected(url))


# Making one


def write_backup(client: redis.Redis, file: str, progress: Progress) -> BackupSummary:
    """Write what is kept to a file, or to standard output for ``-``; the file appears when whole.

    Raises:
        SettingsError: the file cannot be written; what was there is unchanged.
        redis.RedisError: Redis is away; the same.
    """
    if file == STDOUT:
        return _write(client, sys.stdout.buffer, progress)
    path = Path(file)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                summary = _write(client, out, progress)
                out.flush()
                os.fsync(out.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if isinstance(error, redis.RedisError):
            raise
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
    return summary


def _write(client: redis.Redis, out: IO[bytes], progress: Progress) -> BackupSummary:
    info: Any = client.info("server")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "redis_version": info["redis_version"],
        "taken_at_ms": _now_ms(client),
    }
    digest, by_kind = hashlib.sha256(), Counter[str]()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=3, mtime=0) as packed:

        def put(line: bytes) -> None:
            digest.update(line)
            packed.write(line)

        put(json.dumps(header).encode() + b"\n")
        for record in _records(client):
            put(record.line())
            by_kind[record.kind] += 1
            progress(1)
        num_keys = by_kind.total()
        end = {"num_keys": num_keys, "by_kind": by_kind, "sha256": digest.hexdigest()}
        packed.write(json.dumps({"end": end}).encode() + b"\n")
    return BackupSummary(num_keys, dict(by_kind), info["redis_version"])


def _records(client: redis.Redis) -> Iterator[BackupRecord]:
    seen: set[bytes] = set()
    wanted: list[bytes] = []
    for name in client.scan_iter(f"{keys.PREFIX}*", count=LOOK_AT):
        if name not in seen and kind_of(name) in KEPT:
            seen.add(name)
            wanted.append(name)
        if len(wanted) >= AT_ONCE:
            yield from _dumped(client, wanted)
            wanted = []
    yield from _dumped(client, wanted)
    yield from _learned(client)


def _learned(client: redis.Redis) -> Iterator[BackupRecord]:
    """What people have taught: the lists in one step, then the passages that they name."""
    names = [f"{keys.PREFIX}{kind}".encode() for kind in LEARNED]
    with client.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.dump(name)
        pipe.hvals(keys.DOCUMENTS)
        *dumps, records = pipe.execute()
    for name, payload in zip(names, dumps, strict=True):
        if payload is not None:
            yield BackupRecord(name, 0, payload)
    passages = [
        keys.passage(passage).encode()
        for record in records
        for passage in json.loads(record)["passages"]
    ]
    for at in range(0, len(passages), AT_ONCE):
        yield from _dumped(client, passages[at : at + AT_ONCE])


def _dumped(client: redis.Redis, names: list[bytes]) -> Iterator[BackupRecord]:
    """Each key as it is at one moment; without those that are gone."""
    if not names:
        return
    now_ms = _now_ms(client)
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.pttl(name)
            pipe.dump(name)
        answers = pipe.execute()
    for name, left_ms, payload in zip(names, answers[::2], answers[1::2], strict=True):
        if payload is not None and left_ms != 0:
            yield BackupRecord(name, now_ms + left_ms if left_ms > 0 else 0, payload)


def _now_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    now_ms: int = seconds * 1000 + micros // 1000
    return now_ms


# Putting one back


def read_backup(file: str) -> BackupSummary:
    """Check a whole file: its version, every line, the counts and the checksum.

    Raises:
        SettingsError: it is missing, no backup, damaged, cut off, or of a later version.
    """
    digest, by_kind = hashlib.sha256(), Counter[str]()
    end: dict[str, Any] | None = None
    header: dict[str, Any] = {}
    for number, (line, document) in enumerate(_lines(file)):
        if end is not None:
            raise SettingsError(f"{file} goes on after its end: {NOT_WHOLE}")
        if number == 0:
            header = _require_header(file, document)
        elif "end" in document:
            end = document["end"]
            continue
        else:
            by_kind[_record(file, document).kind] += 1
        digest.update(line)
    known = {"num_keys": by_kind.total(), "by_kind": by_kind, "sha256": digest.hexdigest()}
    if end != known:
        raise SettingsError(f"{file} is not whole: {NOT_WHOLE}")
    return BackupSummary(by_kind.total(), dict(by_kind), str(header["redis_version"]))


def _require_header(file: str, header: dict[str, Any]) -> dict[str, Any]:
    if header.get("format") != FORMAT or "redis_version" not in header:
        raise SettingsError(f"{file} is no backup of Parley; nothing was changed.")
    if header.get("version") != VERSION:
        raise SettingsError(
            f"{file} has version {header.get('version')} of backups, and this Parley reads "
            f"{VERSION}: use the Parley that made it. Nothing was changed."
        )
    return header


def _lines(file: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The lines of a file, each with what it says. Raises SettingsError."""
    try:
        with gzip.open(file, "rb") as packed:
            for line in packed:
                document = json.loads(line)
                if not isinstance(document, dict):
                    raise SettingsError(f"{file} is no backup of Parley; nothing was changed.")
                yield line, document
    except gzip.BadGzipFile as error:
        raise SettingsError(f"{file} is no backup of Parley, or {NOT_WHOLE}") from error
    except (EOFError, zlib.error, ValueError) as error:
        raise SettingsError(f"{file} is not whole: {NOT_WHOLE}") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error


def _record(file: str, document: dict[str, Any]) -> BackupRecord:
    try:
        record = BackupRecord.read(document)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise SettingsError(f"{file} is not whole: {NOT_WHOLE}") from error
    if record.kind not in KEPT and record.kind not in (*LEARNED, PASSAGE):
        raise SettingsError(f"{file} has keys that no backup has: {NOT_WHOLE}")
    return record


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back."""

    num_keys: int
    num_expired: int
    """Keys whose time had come since."""
    num_closed: int
    """Questions that were open then, and are not answered again."""

    def __str__(self) -> str:
        """A line for operators."""
        return (
            f"{self.num_keys:,} keys are restored; {self.num_expired:,} had expired since. "
            f"{self.num_closed:,} questions were open when the backup was made: they are not "
            "answered again."
        )


def require_restorable(client: redis.Redis, summary: BackupSummary, *, replaces: bool) -> None:
    """Check that a backup may be put into this Redis.

    Raises:
        SettingsError: it is not empty and is not to be replaced, or a process uses it.
        RedisUnavailableError: it is older than the one that the backup was made from.
    """
    info: Any = client.info("server")
    if _number(info["redis_version"]) < _number(summary.redis_version):
        raise RedisUnavailableError(
            f"The backup was made from Redis {summary.redis_version}, and this is "
            f"{info['redis_version']}: use one that is not older. Nothing was changed."
        )
    if alive := client.zcard(keys.WORKERS):
        raise SettingsError(
            f"{alive} workers use this Redis, or did so a moment ago: stop bots and workers, wait "
            "ten seconds, and try again. Nothing was changed."
        )
    if not replaces and client.dbsize():
        raise SettingsError(
            "This Redis is not empty: use an empty one, or --replace, which deletes what Parley "
            "keeps there. Nothing was changed."
        )

    try:
        client.set(RESTORING, 1, px=PROBE_MS)
        client.restore(RESTORING, PROBE_MS, cast("bytes", client.dump(RESTORING)), replace=True)
        client.delete(RESTORING)
    except redis.ResponseError as error:
        raise RedisUnavailableError(
            "This Redis does not let its user run RESTORE, which a user with that right has to do. "
            "Nothing was changed."
        ) from error


def restore_backup(client: redis.Redis, file: str, progress: Progress) -> Restored:
    """Replace what is kept by the content of a file that was checked.

    Raises:
        SettingsError: the file has changed since it was checked.
        redis.RedisError: Redis is away; it is only in part restored.
    """
    client.set(RESTORING, 1)
    _delete_all(client)
    now_ms, num_expired, num_closed, num_keys = _now_ms(client), 0, 0, 0
    some: list[BackupRecord] = []

    def put() -> int:
        closed = _restore(client, some)
        progress(len(some))
        some.clear()
        return closed

    for _, document in _lines(file):
        if "k" not in document:
            continue
        record = _record(file, document)
        if 0 < record.expires_at_ms <= now_ms:
            num_expired += 1
            progress(1)
            continue
        num_keys += 1
        some.append(record)
        if len(some) >= AT_ONCE:
            num_closed += put()
    num_closed += put()
    _drop_torn(client)
    client.delete(RESTORING)
    return Restored(num_keys, num_expired, num_closed)


def _restore(client: redis.Redis, records: list[BackupRecord]) -> int:
    """Put keys back; returns how many open questions were closed, in the same step."""
    jobs = [record.name for record in records if record.kind == "job"]
    with client.pipeline(transaction=True) as pipe:
        for record in records:
            pipe.restore(
                record.name, record.expires_at_ms, record.payload, replace=True, absttl=True
            )
        pipe.eval(CLOSE, 0, *jobs)
        *_, num_closed = pipe.execute()
    return int(num_closed)


def _drop_torn(client: redis.Redis) -> None:
    """Remove documents of which a passage is missing: they were changed during the backup."""
    records: Any = client.hgetall(keys.DOCUMENTS)
    for name, record in records.items():
        passages = [keys.passage(passage) for passage in json.loads(record)["passages"]]
        if passages and client.exists(*passages) < len(passages):
            client.eval(documents.DROP, 0, name)


def _delete_all(client: redis.Redis) -> None:
    """Delete all of Parley's keys, and Celery's."""
    some: list[bytes] = []
    for name in client.scan_iter(count=LOOK_AT):
        is_ours = name.startswith(keys.PREFIX.encode()) and name != RESTORING.encode()
        is_celerys = name.decode(errors="replace").partition(":")[0] in CELERY
        if is_ours or is_celerys or name.startswith(b"_kombu."):
            some.append(name)
        if len(some) >= AT_ONCE:
            client.unlink(*some)
            some.clear()
    if some:
        client.unlink(*some)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
