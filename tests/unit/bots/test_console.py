"""The terminal as a surface: what is written of an answer that is thought about first."""

import io

from bots.console import ConsoleSurface
from bots.delivery.surface import Piece
from shared.jobs import Kind, Origin, Platform, make_job

JOB = make_job(Kind.CHAT, Origin(Platform.CONSOLE, "local", "s", "", "1", "local"), "hello")


class Terminal(io.StringIO):
    """Text that is written to a terminal."""

    def isatty(self) -> bool:
        return True


async def show(output: io.StringIO) -> str:
    """Show a notice, a beginning and an ending; return what was written."""
    surface = ConsoleSurface(output)
    message = await surface.post(JOB, 0, Piece("*Thinking… 3 s*", is_notice=True))
    await surface.edit(JOB, message, Piece("*Thinking… 4 s*", is_notice=True))
    await surface.edit(JOB, message, Piece("Cold"))
    await surface.edit(JOB, message, Piece("Cold."))
    surface.finish()
    return output.getvalue()


async def test_a_pipe_gets_the_answer_alone() -> None:
    assert await show(io.StringIO()) == "Cold.\n"


async def test_a_terminal_shows_for_how_long_it_thinks_until_there_is_text() -> None:
    written = await show(Terminal())

    assert "Thinking… 4 s" in written
    assert written.rindex("Cold.") > written.rindex("Thinking… 4 s")
