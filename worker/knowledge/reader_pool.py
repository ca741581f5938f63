"""The readers of a worker: a few processes that read the files which people gave.

A file may be made to use up time or memory, or to end the process that reads it. So none is read in
a process that answers people: a reader that takes too long or dies is replaced, the person reads
one sentence, and the job is over. Readers start when a file needs one, and are kept.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any, Protocol, TypeVar, cast

from shared import bounds
from shared.errors import UnreadableDocumentError
from shared.logs import get_logger
from worker.handler import RunEndedError
from worker.knowledge.chunks import MAX_CHARS, Passage, ReadDocument
from worker.knowledge.documents import DocumentBlock, clean_line
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
    parsed,
    request_line,
)

log = get_logger(__name__)
T = TypeVar("T")

COMMAND = (sys.executable, "-P", "-m", "worker.knowledge.reader_process")
NEEDED_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Without them some builds of Python do not start."""
BURIAL_S = 5.0
FOLDER = "/"


class InterruptibleRun(Protocol):
    """The run of a job that wants a file read; ``leases.HeldLease`` is one."""

    @property
    def is_over(self) -> bool:
        """Whether it must end."""

    def when_over(self, listener: Callable[[], None]) -> None:
        """Register a listener for its end; called at once if it has ended already."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How long, and by how many readers at once, files are read."""

    max_s: float = bounds.READ_S
    """For one file."""
    max_readers: int = bounds.MAX_READERS


@dataclass(frozen=True, slots=True)
class ReadText:
    """The text of a file, as far as it was wanted."""

    text: str
    num_chars: int
    """Of the whole text."""


class _ReaderLostError(Exception):
    """The reader has failed at this file; the message says how, for the log."""


class _NotStartedError(_ReaderLostError):
    """The reader did not start: no file is to blame."""


class _Reader:
    """One process. Not thread-safe, except for ``kill``."""

    def __init__(self) -> None:
        """Start it; it is ready in some tenths of a second."""
        kept = {name: os.environ[name] for name in NEEDED_VARIABLES if name in os.environ}
        path = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
        self._process = subprocess.Popen(  # noqa: S603 - our own module, in this Python
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=FOLDER,
            env={"PYTHONPATH": path, **kept},
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answered = cast("IO[bytes]", self._process.stdout)
        self.isolation: Isolation | None = None
        """None until it has said that it is ready."""
        self.is_used_up = False
        """Whether it has ended, or said that it will."""

    def ask(self, request: ReadRequest, content: bytes, max_s: float) -> list[dict[str, Any]]:
        """The lines of its answer to a request.

        Raises:
            _ReaderLostError: it did not start, took too long, died, or answered nonsense.
        """
        self.is_used_up = True
        if self.isolation is None:
            self._await_ready()
        is_late = threading.Event()
        with self._killed_after(max_s, is_late):
            try:
                answers = self._answers(request, content)
            except (OSError, EOFError, ValueError) as error:
                raise _ReaderLostError("time" if is_late.is_set() else self._why(error)) from error
        self.is_used_up = bool(answers[-1][DONE])
        return answers

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def bury(self) -> None:
        """End it, and give back what it holds of this process."""
        self.kill()
        self._process.wait(BURIAL_S)
        for pipe in (self._requests, self._answered):
            with contextlib.suppress(OSError):  # what it has not read any more
                pipe.close()

    def _answers(self, request: ReadRequest, content: bytes) -> list[dict[str, Any]]:
        self._requests.write(request_line(request))
        self._requests.write(content)
        self._requests.flush()
        answers: list[dict[str, Any]] = []
        left = bounds.MAX_REPLY_BYTES
        while not (answers and DONE in answers[-1]):
            line = self._line(left)
            left -= len(line)
            answers.append(parsed(line))
        return answers

    def _await_ready(self) -> None:
        with self._killed_after(bounds.READER_START_S, threading.Event()):
            try:
                self.isolation = Isolation(**parsed(self._line(bounds.MAX_REPLY_BYTES))[READY])
            except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
                raise _NotStartedError(self._why(error)) from error

    def _line(self, most: int) -> bytes:
        line = self._answered.readline(most)
        if not line.endswith(b"\n"):
            raise EOFError("The reader has ended, or says too much.")
        return line

    def _why(self, error: Exception) -> str:
        """How it died, or else the error."""
        try:
            code = self._process.wait(BURIAL_S if isinstance(error, EOFError | OSError) else 0)
        except subprocess.TimeoutExpired:
            return type(error).__name__
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    @contextmanager
    def _killed_after(self, max_s: float, is_late: threading.Event) -> Iterator[None]:
        """Kill it, and say so, unless the block ends in time."""

        def expire() -> None:
            is_late.set()
            self.kill()

        timer = threading.Timer(max_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class ReaderPool:
    """Reads files in processes of their own. Thread-safe."""

    def __init__(self, limits: ReadLimits | None = None) -> None:
        """Start nothing yet."""
        self._limits = limits or ReadLimits()
        self._changed = threading.Condition()
        self._idle: list[_Reader] = []
        self._num_lent = 0

    def read_document(
        self, content: bytes, name: str, max_mb: float, run: InterruptibleRun | None = None
    ) -> ReadDocument:
        """Read a file into passages.

        Args:
            content: its bytes.
            name: its name; the extension gives the format.
            max_mb: the largest file that is read, in megabytes.
            run: the run that wants it, which may have to end meanwhile.

        Raises:
            UnreadableDocumentError: it cannot be read; the sentence says why.
            RunEndedError: the run had to end.
        """
        request = ReadRequest(shown_name(name), len(content), max_mb)
        return self._read(request, content, run, _document_of)

    def read_text(
        self,
        content: bytes,
        name: str,
        max_mb: float,
        max_chars: int,
        run: InterruptibleRun | None = None,
    ) -> ReadText:
        """Read the beginning of a file's text.

        ``max_chars``: the most that are wanted. For the rest see ``read_document``.
        """
        request = ReadRequest(shown_name(name), len(content), max_mb, max_chars)
        return self._read(request, content, run, lambda answers: _text_of(answers, max_chars))

    def isolation(self) -> Isolation:
        """What a reader could enforce on this machine; starts one.

        Raises:
            UnreadableDocumentError: it does not start, or cannot read.
        """
        self.read_text(b"text", "text.txt", 1, 1)
        with self._changed:
            found = next((each.isolation for each in self._idle if each.isolation), None)
        return found or Isolation(
            has_no_network=False, has_no_descriptors=False, has_bounded_memory=False
        )

    def close(self) -> None:
        """End the idle readers; those at work end with their file, or with this process."""
        with self._changed:
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.bury()

    def _read(
        self,
        request: ReadRequest,
        content: bytes,
        run: InterruptibleRun | None,
        understand: Callable[[Sequence[dict[str, Any]]], T],
    ) -> T:
        """What a reader answers; each way to fail becomes a sentence."""
        with self._lent(run) as reader:
            try:
                answers = reader.ask(request, content, self._limits.max_s)
                failed = next((each[FAILED] for each in answers if FAILED in each), None)
                if failed is not None:
                    raise _ReaderLostError(str(failed))  # noqa: TRY301 - as if it had died
                refused = next((each[REFUSED] for each in answers if REFUSED in each), None)
                if refused is None:
                    return understand(answers)
            except (_ReaderLostError, TypeError, ValueError, KeyError) as error:
                reader.is_used_up = True
                if run and run.is_over:
                    raise RunEndedError("") from error
                raise _unreadable(request, error) from error
        raise UnreadableDocumentError(str(refused))

    @contextmanager
    def _lent(self, run: InterruptibleRun | None) -> Iterator[_Reader]:
        """A reader, for the length of the block; it is killed if the run has to end meanwhile."""
        reader = self._borrow(run)
        lock, is_lent = threading.Lock(), [True]

        def end() -> None:
            with lock:
                if is_lent:
                    reader.kill()

        if run:
            run.when_over(end)
        try:
            yield reader
        finally:
            with lock:
                is_lent.clear()
            self._take_back(reader)

    def _borrow(self, run: InterruptibleRun | None) -> _Reader:
        """Wait for a reader that is free, or for room to start one.

        Raises:
            RunEndedError: the run had to end first.
        """
        if run:
            run.when_over(self._wake)
        with self._changed:
            self._changed.wait_for(
                lambda: (run and run.is_over) or self._num_lent < self._limits.max_readers
            )
            if run and run.is_over:
                raise RunEndedError("")
            self._num_lent += 1
            reader = self._idle.pop() if self._idle else None
        if reader:
            return reader
        try:
            return _Reader()
        except BaseException:
            self._give_up_place()
            raise

    def _take_back(self, reader: _Reader) -> None:
        if reader.is_used_up:
            reader.bury()
        else:
            with self._changed:
                self._idle.append(reader)
        self._give_up_place()

    def _give_up_place(self) -> None:
        with self._changed:
            self._num_lent -= 1
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def shown_name(name: str) -> str:
    """A file's name as it stands in sentences: on one line, and not longer than a name is."""
    line = clean_line(name)
    ending = PurePath(line).suffix[: bounds.MAX_NAME_CHARS // 2]
    room = bounds.MAX_NAME_CHARS - len(ending) - 1
    if len(line) <= bounds.MAX_NAME_CHARS:
        return line or "note.txt"
    return f"{line[:room]}\N{HORIZONTAL ELLIPSIS}{ending}"


def _unreadable(request: ReadRequest, error: Exception) -> UnreadableDocumentError:
    """The sentence for a file at which a reader failed; the log says how."""
    kind = PurePath(request.name).suffix.lower()
    why = str(error) if isinstance(error, _ReaderLostError) else type(error).__name__
    if isinstance(error, _NotStartedError):
        log.error("reader_not_started", why=why)
        return UnreadableDocumentError(
            f"I could not read {request.name}, because I can read no files at the moment: the "
            "people who run me find the reason with `parley doctor`."
        )
    log.warning("file_not_read", format=kind, num_bytes=request.num_bytes, why=why)
    return UnreadableDocumentError(
        f"I could not read {request.name}: it is damaged, or too complicated."
    )


def _document_of(answers: Sequence[dict[str, Any]]) -> ReadDocument:
    """Parse a document. What a file may have made of its reader is not believed: sizes count.

    Raises:
        TypeError, ValueError, KeyError: it is none, or exceeds a bound.
    """
    (title,) = (each[TITLE] for each in answers if TITLE in each)
    passages = tuple(_passage_of(*each[PASSAGE]) for each in answers if PASSAGE in each)
    if len(passages) > bounds.MAX_PASSAGES:
        raise ValueError("There are too many passages.")
    return ReadDocument(_heading_of(title), passages)


def _passage_of(path: list[str], blocks: list[tuple[str, bool]]) -> Passage:
    if len(path) > bounds.MAX_HEADING_DEPTH:
        raise ValueError("There are too many headings.")
    made = tuple(DocumentBlock("" + text, bool(is_code)) for text, is_code in blocks)
    passage = Passage(tuple(map(_heading_of, path)), made)
    if len(passage.text) > MAX_CHARS:
        raise ValueError("A passage is too long.")
    return passage


def _heading_of(text: str) -> str:
    if len(text) > bounds.MAX_HEADING_CHARS:
        raise ValueError("A heading is too long.")
    return "" + text


def _text_of(answers: Sequence[dict[str, Any]], max_chars: int) -> ReadText:
    (found,) = (each for each in answers if TEXT in each)
    return ReadText(("" + found[TEXT])[:max_chars], int(found["num_chars"]))
