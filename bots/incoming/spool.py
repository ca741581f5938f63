"""A file of lines that outlive this process, for messages that nobody else keeps.

Each line is on the disk before ``append`` returns. A process has a file of its own; whoever starts
next takes over the lines of those that have died. Knows nothing of what a line says; it may be a
person's text, so the file is the owner's alone and goes as soon as its lines are done with.
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
        """Take the file, made if need be; its whole lines.

        Raises:
            filelock.Timeout: it is another living process's.
            OSError: the disk refuses.
        """
        self._lock.acquire()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        _sync_folder(self.path.parent)
        # What follows the last line's end was being written when somebody died.
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

    def clear(self) -> None:
        """Forget all lines. If the disk refuses they come again some day, which does no harm."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        self._size = 0

    def close(self, *, delete: bool) -> None:
        """Leave the file to whoever comes next, or delete it."""
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
        # A thread of its own: a slow disk must not keep others waiting, nor they it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._num_written = 0
        """Lines that are in the file, or on their way into it."""
        self._num_done = 0
        self.lines: deque[bytes] = deque()
        """Those that are in the file and not done with."""

    async def open(self) -> None:
        """Make the file, and take over the lines of processes that have died.

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

    async def done(self) -> None:
        """The oldest line is done with. The file goes when all of its lines are."""
        self.lines.popleft()
        self._num_done += 1
        if self._num_done == self._num_written:
            # A line that is written from now on comes after this, in the thread's own order.
            self._num_done = self._num_written = 0
            await self._run(self._file.clear)

    async def close(self) -> None:
        """Leave what is not done with to whoever starts next."""
        await self._run(lambda: self._file.close(delete=not self.lines))
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Whoever starts at the same time waits, so that nobody takes a file that is being made.
        with filelock.FileLock(self._folder / "lock", mode=0o600):
            orphans = sorted(self._folder.glob(f"{self._name}-*{SUFFIX}"))
            self._file.open()
            for path in orphans:
                self._take_over(SpoolFile(path))

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
    """Have a new file's name on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
