"""Files are read in processes of their own: whatever a file does there, one sentence says so."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from shared import bounds
from shared.errors import UnreadableDocumentError
from shared.jobs import Kind, Origin, Platform, make_job
from shared.ledger.lifecycle import Lease
from tests.hostile import office
from tests.test_architecture import foreign, reached_from
from worker.handler import RunEndedError
from worker.knowledge.chunks import cut
from worker.knowledge.reader_pool import ReaderPool, ReadLimits, shown_name
from worker.knowledge.readers import read_document, read_passages
from worker.knowledge.readers.samples import samples
from worker.leases import Ending, HeldLease

DAMAGED = "I could not read {}: it is damaged, or too complicated."
RST = b"""
Title
=====

.. csv-table:: c
   :header: a, b

   1, 2

.. list-table::

   * - x

.. code:: python

   import os

.. math:: a^2

.. figure:: none.png

   A caption

.. |s| unicode:: 0xA9

|s| :math:`x` :sub:`y` [1]_

.. [1] A note.
"""
SLOW = b"a\n" * 999_000
"""As Markdown: half a minute."""


@pytest.fixture
def fresh() -> Iterator[ReaderPool]:
    """A pool of its own, for files after which a reader is replaced."""
    with contextlib.closing(ReaderPool(ReadLimits(max_s=20, max_readers=2))) as pool:
        yield pool


def readers_of_this_process() -> set[int]:
    found = set()
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "worker.knowledge.reader_process" in process.cmdline():
                found.add(process.pid)
    return found


def held() -> HeldLease:
    job = make_job(Kind.LEARN, Origin(Platform.SLACK, "T1", "C1", "1", "1", "U1"), "")
    return HeldLease(Lease(job, "t", 1, is_alone=False, shown="", history=()))


def await_reader(before: set[int]) -> int:
    """The process id of the reader that has just been started."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if new := readers_of_this_process() - before:
            return new.pop()
        time.sleep(0.01)
    raise AssertionError("No reader was started.")


def test_a_file_comes_back_as_it_would_be_read_here(readers: ReaderPool) -> None:
    text = b"# Title\n\n## One\n\nA *word*.\n\n```\n  code\n```\n"

    assert readers.read_document(text, "a.md", 1) == cut(read_document(text, "a.md", 1))
    assert readers.read_text(text, "a.md", 1, 7).text == "# Title"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *samples(),
        ("tables.rst", RST),
        ("packed.pdf", office.pages(3, office.WORDS)),
        ("table.docx", office.docx(f"<w:tbl><w:tr><w:tc>{office.PARAGRAPH}</w:tc></w:tr></w:tbl>")),
        ("old.html", b"<title>T</title><p>" + "\u0416\u0435".encode("koi8-r")),
    ],
)
def test_every_format_is_read_although_nothing_can_be_opened(
    readers: ReaderPool, name: str, content: bytes
) -> None:
    assert readers.read_document(content, name, 1) == read_passages(content, name, 1)


def test_what_a_reader_says_of_a_file_is_said(readers: ReaderPool) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"The file a\.pdf is damaged"):
        readers.read_document(b"%PDF-1.4", "a.pdf", 1)


@pytest.mark.parametrize("name", ["a.html", "a.md"])
def test_nested_tags_end_in_a_sentence_and_the_next_file_is_read(
    fresh: ReaderPool, name: str
) -> None:
    with pytest.raises(UnreadableDocumentError) as caught:
        fresh.read_document(b"<div>" * 400 + b"deep", name, 1)

    assert caught.value.sentence == DAMAGED.format(name)
    assert fresh.read_document(b"# A\n\nb", "b.md", 1).title == "A"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU])
def test_a_reader_that_dies_ends_in_a_sentence(fresh: ReaderPool, number: signal.Signals) -> None:
    before = readers_of_this_process()
    fresh.isolation()
    (reader,) = readers_of_this_process() - before
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(fresh.read_document, SLOW, "report.md", 10)
        os.kill(reader, number)

        with pytest.raises(UnreadableDocumentError) as caught:
            reading.result(20)

    assert caught.value.sentence == DAMAGED.format("report.md")
    assert readers_of_this_process() == before


def test_a_file_that_takes_too_long_ends_in_a_sentence() -> None:
    with contextlib.closing(ReaderPool(ReadLimits(max_s=0.5))) as pool:
        before, begun_s = readers_of_this_process(), time.monotonic()

        with pytest.raises(UnreadableDocumentError) as caught:
            pool.read_document(SLOW, "long.md", 10)

        assert time.monotonic() - begun_s < bounds.READ_CPU_S, "its processor time ended it"

        assert caught.value.sentence == DAMAGED.format("long.md")
        assert readers_of_this_process() == before


def test_a_run_that_has_to_end_does_not_wait_for_its_file(fresh: ReaderPool) -> None:
    run, before = held(), readers_of_this_process()
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(fresh.read_document, SLOW, "a.md", 10, run)
        await_reader(before)
        run.end(Ending.CANCELLED)

        with pytest.raises(RunEndedError):
            reading.result(5)


def test_a_run_that_has_to_end_does_not_wait_for_a_reader() -> None:
    slow, waiting = held(), held()
    with (
        contextlib.closing(ReaderPool(ReadLimits(max_readers=1))) as pool,
        ThreadPoolExecutor(2) as threads,
    ):
        before = readers_of_this_process()
        first = threads.submit(pool.read_document, SLOW, "a.md", 10, slow)
        await_reader(before)
        second = threads.submit(pool.read_document, b"b", "b.md", 10, waiting)
        waiting.end(Ending.EXPIRED)
        with pytest.raises(RunEndedError):
            second.result(5)
        slow.end(Ending.CANCELLED)
        with pytest.raises(RunEndedError):
            first.result(5)


def test_a_reader_is_kept_for_the_next_file_and_started_when_one_is_needed() -> None:
    before = readers_of_this_process()
    with contextlib.closing(ReaderPool()) as pool:
        assert readers_of_this_process() == before
        pool.read_text(b"one", "a.txt", 1, 9)
        (first,) = readers_of_this_process() - before
        pool.read_text(b"two", "a.txt", 1, 9)
        assert readers_of_this_process() - before == {first}


def test_no_more_files_are_read_at_once_than_there_are_readers(fresh: ReaderPool) -> None:
    before, most, is_over = readers_of_this_process(), [0], threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            most[0] = max(most[0], len(readers_of_this_process() - before))
            time.sleep(0.005)

    watching = threading.Thread(target=watch)
    watching.start()
    with ThreadPoolExecutor(8) as threads:
        texts = [
            threads.submit(fresh.read_text, b"word " * 50_000, "a.txt", 1, 9) for _ in "12345678"
        ]
        assert {reading.result(30).text for reading in texts} == {"word word"}
    is_over.set()
    watching.join()

    assert most == [2]


def test_a_reader_has_neither_our_environment_nor_our_rights(readers: ReaderPool) -> None:
    isolation = readers.isolation()
    (pid,) = readers_of_this_process()
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")

    assert {line.partition(b"=")[0] for line in variables if line} <= {
        b"PYTHONPATH",
        b"LD_LIBRARY_PATH",
        b"LC_CTYPE",
    }
    assert isolation.has_no_descriptors
    assert isolation.has_bounded_memory
    # Input, two outputs, the answers, and what tells its memory.
    assert len(list(Path(f"/proc/{pid}/fd").iterdir())) == 5
    assert "Max open files            5                    5" in limits
    assert "Max processes             0                    0" in limits
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + bounds.READER_NICENESS)


def test_a_reader_imports_no_model_and_no_client() -> None:
    reached = reached_from("worker.knowledge.reader_process")
    libraries = {name for module in reached for name in foreign(module)}

    assert libraries <= {"babel", "docutils", "mammoth", "markdown_it", "pypdf", "selectolax"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.md", "a.md"),
        ("a\n\u202eb.md", "a b.md"),
        ("", "note.txt"),
        ("x" * 300 + ".docx", "x" * 249 + "\N{HORIZONTAL ELLIPSIS}.docx"),
    ],
)
def test_names_stand_on_one_line_and_are_bounded(name: str, shown: str) -> None:
    assert shown_name(name) == shown
