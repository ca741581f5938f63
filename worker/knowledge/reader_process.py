"""``python -m worker.knowledge.reader_process``: reads the files that people gave.

It gets no environment, no settings and no connection: requests come on standard input, answers go
to standard output, and it ends when its input does. After it has imported its libraries it gives up
what it does not need: network, further open files, files that grow, child processes, memory and
time. Whatever a file makes of it, the worker beside it goes on.
"""

import contextlib
import ctypes
import importlib
import os
import pkgutil
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import BinaryIO

from shared import bounds
from shared.errors import UnreadableDocumentError
from worker.knowledge.chunks import ReadDocument
from worker.knowledge.reader_wire import (
    DONE,
    FAILED,
    PASSAGE,
    READY,
    REFUSED,
    TEXT,
    TITLE,
    Isolation,
    ReadRequest,
    line_of,
    parsed,
)
from worker.knowledge.readers import read_passages, read_text_of
from worker.knowledge.readers.samples import samples

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
"""linux/sched.h; ``os.unshare`` came with Python 3.12."""
LATE_PACKAGES = ("docutils.parsers.rst.directives", "encodings", "mammoth", "pypdf")
"""Packages that import some of their modules only for files that need them."""
MEMORY_OF_THIS_PROCESS = "/proc/self/statm"
"""Linux's; its second number is the resident pages. (What ``getrusage`` says of the most that was
resident includes the parent's, from before this program was loaded.)"""


def main() -> int:
    """Run the reader's process; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the worker as well
    with contextlib.suppress(OSError):
        os.nice(bounds.READER_NICENESS)
    # What a library prints must not get between the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _warm_up()
    memory = _open_memory()
    try:
        out.write(line_of(**{READY: asdict(_confine(max(out.fileno(), memory or 0)))}))
        out.flush()
        _serve(sys.stdin.buffer, out, memory)
    finally:
        os._exit(0)  # without freeing what a large file has left, object by object


def _warm_up() -> None:
    """Import what is imported late: later nothing can be opened any more."""
    for package in map(importlib.import_module, LATE_PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(Exception):  # one that needs another system or library
                importlib.import_module(module.name)
    for name, content in samples():
        read_passages(content, name, 1)


def _confine(highest_descriptor: int) -> Isolation:
    """Give up what reading does not need; tell what could be enforced here."""
    has_no_network = _leave_network()
    _limit(resource.RLIMIT_CORE, 0)  # it would hold the file
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    return Isolation(
        has_no_network,
        has_no_descriptors=_limit(resource.RLIMIT_NOFILE, highest_descriptor + 1),
        has_bounded_memory=sys.platform == "linux"
        and _limit(resource.RLIMIT_AS, bounds.READ_MEMORY_BYTES),
    )


def _leave_network() -> bool:
    """Enter an empty network namespace, as root or with a user namespace of its own."""
    if sys.platform != "linux":
        return False
    unshare = ctypes.CDLL(None).unshare
    return any(unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))


def _limit(what: int, most: int) -> bool:
    try:
        resource.setrlimit(what, (most, most))
    except (ValueError, OSError):
        return False
    return True


def _serve(requests: BinaryIO, out: BinaryIO, memory: int | None) -> None:
    """Read files until the input ends, or this process is used up."""
    for number in range(1, bounds.FILES_PER_READER + 1):
        line = requests.readline()
        if not line:
            return
        request = ReadRequest(**parsed(line))
        content = requests.read(request.num_bytes)
        if len(content) < request.num_bytes:
            return
        _grant_time()
        is_well = _answer(request, content, out)
        is_last = not is_well or number == bounds.FILES_PER_READER or _has_grown(memory)
        out.write(line_of(**{DONE: is_last}))
        out.flush()
        if is_last:
            return


def _grant_time() -> None:
    """Processor time for one more file: the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + bounds.READ_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _answer(request: ReadRequest, content: bytes, out: BinaryIO) -> bool:
    """Read a file and answer; return whether this process may read another one."""
    try:
        out.writelines(_lines(request, content))
    except UnreadableDocumentError as error:
        out.write(line_of(**{REFUSED: error.sentence}))
    except BrokenPipeError:
        raise
    except BaseException as error:  # noqa: BLE001 - the worker is told, whatever it is
        out.write(line_of(**{FAILED: type(error).__name__}))
        return False
    return True


def _lines(request: ReadRequest, content: bytes) -> Iterator[bytes]:
    if request.max_chars is None:
        yield from _document_lines(read_passages(content, request.name, request.max_mb))
        return
    text = read_text_of(content, request.name, request.max_mb)
    yield line_of(**{TEXT: text[: request.max_chars], "num_chars": len(text)})


def _document_lines(document: ReadDocument) -> Iterator[bytes]:
    yield line_of(**{TITLE: document.title})
    for passage in document.passages:
        blocks = [[block.text, block.is_code] for block in passage.blocks]
        yield line_of(**{PASSAGE: [passage.path, blocks]})


def _open_memory() -> int | None:
    """The descriptor that tells the memory in use; None where there is none."""
    try:
        return os.open(MEMORY_OF_THIS_PROCESS, os.O_RDONLY)
    except OSError:
        return None


def _has_grown(memory: int | None) -> bool:
    """Whether files have left more memory in use than a new process needs."""
    if memory is None:
        return False
    pages = int(os.pread(memory, 100, 0).split()[1])
    return pages * resource.getpagesize() > bounds.READER_KEPT_BYTES


if __name__ == "__main__":
    sys.exit(main())
