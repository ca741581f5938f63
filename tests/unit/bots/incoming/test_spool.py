"""Lines that outlive a process: on a real disk, with files damaged by hand."""

import contextlib
import resource
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bots.incoming.spool import Spool, SpoolFile

NAME = "discord"


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = Spool(tmp_path / "spool", NAME, max_lines=3)
    await opened.open()
    yield opened
    await opened.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"spool/{NAME}-*.jsonl"))


def leave_behind(folder: Path, content: bytes) -> Path:
    """The file of a process that has died."""
    path = folder / "spool" / f"{NAME}-1-dead.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


async def test_a_line_is_in_the_file_before_append_returns(spool: Spool, tmp_path: Path) -> None:
    assert await spool.append(b"one")
    assert await spool.append(b"two")

    (file,) = files(tmp_path)
    assert file.read_bytes() == b"one\ntwo\n"
    assert list(spool.lines) == [b"one", b"two"]


async def test_only_the_owner_may_read_what_people_wrote(spool: Spool, tmp_path: Path) -> None:
    await spool.append(b"one")

    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_full_spool_takes_no_more_until_all_is_done_with(
    spool: Spool, tmp_path: Path
) -> None:
    taken = [await spool.append(line) for line in (b"1", b"2", b"3", b"4")]
    await spool.done()
    still_full = await spool.append(b"5")
    await spool.done()
    await spool.done()

    assert taken == [True, True, True, False]
    assert not still_full
    assert files(tmp_path)[0].read_bytes() == b""
    assert await spool.append(b"6")
    assert files(tmp_path)[0].read_bytes() == b"6\n"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b'one\n{"torn', [b"one"]),
        (b"torn", []),
        (b"one\n\n\x00\xff\ntwo\n", [b"one", b"\x00\xff", b"two"]),
    ],
)
async def test_lines_of_a_process_that_died_are_taken_over_and_its_file_goes(
    tmp_path: Path, content: bytes, lines: list[bytes]
) -> None:
    orphan = leave_behind(tmp_path, content)
    spool = Spool(tmp_path / "spool", NAME, max_lines=3)

    await spool.open()

    assert list(spool.lines) == lines
    assert not orphan.exists()
    (mine,) = files(tmp_path)
    assert mine.read_bytes() == b"".join(line + b"\n" for line in lines)
    await spool.close()


async def test_a_living_process_keeps_its_lines(tmp_path: Path) -> None:
    theirs = SpoolFile(leave_behind(tmp_path, b"one\n"))
    theirs.open()
    spool = Spool(tmp_path / "spool", NAME, max_lines=3)

    await spool.open()

    assert list(spool.lines) == []
    assert theirs.path.read_bytes() == b"one\n"
    theirs.close(delete=False)
    await spool.close()


async def test_what_is_not_done_with_waits_for_the_next_process(tmp_path: Path) -> None:
    first, second = (Spool(tmp_path / "spool", NAME, max_lines=9) for _ in range(2))
    await first.open()
    for line in (b"1", b"2"):
        await first.append(line)
    await first.done()
    await first.close()

    await second.open()

    # The first line may come twice: the ledger knows it.
    assert list(second.lines) == [b"1", b"2"]
    await second.done()
    await second.done()
    await second.close()
    assert files(tmp_path) == []


def test_a_disk_that_refuses_a_line_leaves_those_before_it(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / "lines.jsonl")
    file.open()
    file.append(b"one")

    with files_of_at_most(6), pytest.raises(OSError, match=r"a part only|too large"):
        file.append(b"two, which is longer")

    file.append(b"three")
    assert file.path.read_bytes() == b"one\nthree\n"
    file.close(delete=True)


@contextlib.contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """The kernel lets no file of this process grow beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_writing_happens_in_a_thread_of_its_own(spool: Spool) -> None:
    before = threading.active_count()

    await spool.append(b"one")

    assert any(thread.name.startswith("spool") for thread in threading.enumerate())
    assert threading.active_count() <= before + 1


def contents(folder: Path) -> list[bytes]:
    """What is in the files of spools."""
    return [path.read_bytes() for path in folder.glob("*.jsonl")]


def modes(folder: Path) -> set[int]:
    """Who may read them."""
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.jsonl")}


async def test_lines_are_dropped_here_and_in_the_files_of_dead_processes(tmp_path: Path) -> None:
    dead = Spool(tmp_path, "discord", 10)
    await dead.open()
    spool = Spool(tmp_path, "discord", 10)
    await spool.open()
    for each, lines in ((dead, (b"theirs 1", b"other 1")), (spool, (b"theirs 2", b"other 2"))):
        for line in lines:
            await each.append(line)
    await dead.close()

    await spool.drop(lambda line: line.startswith(b"theirs"))

    assert list(spool.lines) == [b"other 2"]
    assert sorted(contents(tmp_path)) == [b"other 1\n", b"other 2\n"]
    assert modes(tmp_path) == {0o600}
    await spool.append(b"other 3")
    assert sorted(contents(tmp_path))[1] == b"other 2\nother 3\n"
    await spool.close()


async def test_a_line_that_is_dropped_while_it_is_handed_on_takes_no_other_with_it(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, "discord", 10)
    await spool.open()
    for line in (b"theirs", b"other"):
        await spool.append(line)
    in_hand = spool.lines[0]

    await spool.drop(lambda line: line == b"theirs")
    await spool.done(in_hand)

    assert list(spool.lines) == [b"other"]
    await spool.done(spool.lines[0])
    assert contents(tmp_path) == [b""]
    await spool.close()
