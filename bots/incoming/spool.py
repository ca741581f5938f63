"""Spool: a file of lines that outlive this process, for messages that no platform sends again.

Each line is on the disk before ``append`` returns. A process has a file of its own; the next
process to start takes over the lines of those that have died. The spool does not interpret lines;
one may be a person's text, so only the owner can read the file, which is deleted once its lines are
done.
"""

import asyncio
import contextlib
import os
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import filelock

P = ParamSpec("P")
T = TypeVar("T")
SUFFIX = ".jsonl"


class SpoolFile:
    """One file, and the lock that says that its process lives. Blocking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = filelock.FileLock(f"{path}.lock", timeout=0, thread_local=False, mode=0o600)
        self._descriptor = -1
        self._size = 0

    def open(self) -> Sequence[bytes]:
        """Lock the file, creating it if need be; returns its complete lines.

        Raises:
            filelock.Timeout: another living process holds it.
            OSError: the disk refuses.
        """
        self._lock.acquire()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        _sync_folder(self.path.parent)
        # The process died while it wrote what follows the last line's end.
        whole, end, _torn = self.path.read_bytes().rpartition(b"\n")
        self._size = len(whole) + len(end)
        return [line for line in whole.split(b"\n") if line]

    def append(self, line: bytes) -> None:
        """Write a line and wait until it is on the disk.

        Raises:
            OSError: the disk refuses; the file is as it was.
        """
        data = line + b"\n"
        try:
            _write_whole(self._descriptor, data, self._size)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def drop(self, is_meant: Callable[[bytes], bool]) -> int:
        """Delete lines; returns how many. The others are on the disk at every moment.

        Raises:
            OSError: the disk refuses; the file is as it was.
        """
        if self._descriptor < 0:
            return 0
        lines = [line for line in self.path.read_bytes().split(b"\n") if line]
        kept = [line for line in lines if not is_meant(line)]
        if len(kept) == len(lines):
            return 0
        data = b"".join(line + b"\n" for line in kept)
        new = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_whole(descriptor, data, 0)
            new.replace(self.path)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)
        _sync_folder(self.path.parent)
        return len(lines) - len(kept)

    def clear(self) -> None:
        """Delete all lines. If the disk refuses, they are read again later, which does no harm."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        self._size = 0

    def close(self, *, delete: bool) -> None:
        """Release the file for the next process, or delete it."""
        if self._descriptor < 0:
            return
        if delete:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        self._lock.release()
        if delete:
            Path(self._lock.lock_file).unlink(missing_ok=True)


class Spool:
    """The lines of this process, oldest first."""

    def __init__(self, folder: Path, name: str, max_lines: int) -> None:
        self._folder = folder
        self._name = name
        self._max_lines = max_lines
        self._file = SpoolFile(folder / f"{name}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
        # A thread of its own: a slow disk must not delay other callers of threads, nor they it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._num_written = 0
        """Lines that are in the file, or on their way into it."""
        self._num_done = 0
        self.lines: deque[bytes] = deque()
        """Lines that are in the file and not done."""

    async def open(self) -> None:
        """Create the file, and take over the lines of processes that have died.

        Raises:
            OSError: the disk refuses.
        """
        await self._run(self._open)

    async def append(self, line: bytes) -> bool:
        """Keep a line; False if there is no room for it.

        Raises:
            OSError: the disk refuses.
        """
        if self._num_written >= self._max_lines:
            return False
        self._num_written += 1
        try:
            await self._run(self._file.append, line)
        except OSError:
            self._num_written -= 1
            raise
        self.lines.append(line)
        return True

    async def done(self, line: bytes | None = None) -> None:
        """Mark the oldest line as done. The file is emptied when all of its lines are.

        ``line``: the one that is meant; nothing happens if it was dropped meanwhile.
        """
        if line is not None and (not self.lines or self.lines[0] is not line):
            return
        self.lines.popleft()
        self._num_done += 1
        if self._num_done == self._num_written:
            # A line written from now on comes after this, in the thread's own order.
            self._num_done = self._num_written = 0
            await self._run(self._file.clear)

    async def drop(self, is_meant: Callable[[bytes], bool]) -> None:
        """Delete lines from this process's file, and from those of processes that have died.

        Raises:
            OSError: the disk refuses; some may be deleted.
        """
        num_gone = await self._run(self._drop, is_meant)
        kept = deque(line for line in self.lines if not is_meant(line))
        num_open_gone = len(self.lines) - len(kept)
        self.lines = kept
        self._num_written -= num_gone
        self._num_done -= num_gone - num_open_gone
        if self._num_written == self._num_done:
            self._num_done = self._num_written = 0
            await self._run(self._file.clear)

    async def close(self) -> None:
        """Leave the lines that are not done to the next process."""
        await self._run(lambda: self._file.close(delete=not self.lines))
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Processes that start at the same time wait, so that none takes a file being made.
        with filelock.FileLock(self._folder / "lock", mode=0o600):
            orphans = sorted(self._folder.glob(f"{self._name}-*{SUFFIX}"))
            self._file.open()
            for path in orphans:
                self._take_over(SpoolFile(path))

    def _drop(self, is_meant: Callable[[bytes], bool]) -> int:
        """Delete lines from the files; returns how many were in this process's own."""
        with filelock.FileLock(self._folder / "lock", mode=0o600):
            for path in sorted(self._folder.glob(f"{self._name}-*{SUFFIX}")):
                orphan = SpoolFile(path)
                if path == self._file.path:
                    continue
                with contextlib.suppress(filelock.Timeout):
                    lines = orphan.open()
                    orphan.drop(is_meant)
                    orphan.close(delete=all(map(is_meant, lines)))
        return self._file.drop(is_meant)

    def _take_over(self, orphan: SpoolFile) -> None:
        try:
            lines = orphan.open()
        except filelock.Timeout:
            return
        for line in lines:
            self._file.append(line)
            self._num_written += 1
            self.lines.append(line)
        orphan.close(delete=True)


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError("the disk took a part only")
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that a new file's name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
