"""Which connections are opened again, and when a gap is noticed."""

import asyncio

from bots.slack.sockets import watch
from shared.errors import PlatformUnavailableError
from tests.patience import PATIENCE_S


class Line:
    """A connection that is cut and mended by hand."""

    def __init__(self, *, fails: int = 0) -> None:
        self.now: object | None = object()
        self.num_reopened = 0
        self.is_mended = asyncio.Event()
        self._fails = fails

    async def session(self) -> object | None:
        return self.now

    async def reopen(self) -> None:
        if self._fails > 0:
            self._fails -= 1
            raise PlatformUnavailableError("503")
        self.num_reopened += 1
        self.now = object()
        self.is_mended.set()


async def test_a_broken_connection_is_opened_again_however_often_that_fails() -> None:
    well, broken = Line(), Line(fails=1)
    gaps: list[None] = []

    async def note_gap() -> None:
        gaps.append(None)

    watching = asyncio.create_task(watch([well, broken], note_gap))
    broken.now = None
    await asyncio.wait_for(broken.is_mended.wait(), PATIENCE_S)

    assert (well.num_reopened, broken.num_reopened) == (0, 1)
    assert gaps == [], "the other one heard everything"
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_moment_without_any_connection_is_noticed() -> None:
    lines = [Line(), Line()]
    was_noticed = asyncio.Event()

    async def note_gap() -> None:
        was_noticed.set()

    watching = asyncio.create_task(watch(lines, note_gap))
    await asyncio.sleep(0)
    for line in lines:
        line.now = None

    await asyncio.wait_for(was_noticed.wait(), PATIENCE_S)

    assert all(line.num_reopened == 1 for line in lines)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_connections_that_were_all_replaced_between_two_looks_are_a_gap() -> None:
    lines = [Line(), Line()]
    was_noticed = asyncio.Event()

    async def note_gap() -> None:
        was_noticed.set()

    watching = asyncio.create_task(watch(lines, note_gap))
    await asyncio.sleep(0)
    for line in lines:
        line.now = object()

    await asyncio.wait_for(was_noticed.wait(), PATIENCE_S)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
