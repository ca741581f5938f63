"""The terminal as a platform: live text and history on a terminal, plain lines when piped."""

import asyncio
import contextlib
import itertools
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TextIO

import prompt_toolkit
import prompt_toolkit.history
import rich.console
import rich.live
import rich.markdown

from bots.adapter import Link, Wiring
from bots.delivery.surface import Piece
from bots.delivery.turns import Rank
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from bots.incoming.reception import LEDGER_AWAY, Reception
from bots.store import AsyncStore
from shared import streaming_cadence
from shared.jobs import Job, Origin, Platform
from shared.ledger import keys
from shared.ledger.rate_budget import Bucket

QUIT_WORDS = frozenset({"/quit", "/exit"})
HELP = "Ask me anything. /new begins a new conversation, /quit ends."
PROMPT = "you> "
TEAM = "local"
REFRESH_PER_S = 8
POLL_S = 0.1
RECEIVE_RETRIES = 10
RECEIVE_RETRY_S = 1.0


class ConsoleSurface:
    """The terminal as a delivery surface: one answer after another, each growing at its end."""

    cadence = streaming_cadence.CONSOLE

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._is_live = output.isatty()
        self._printed = ""
        self._console = rich.console.Console(file=output)
        self._live: rich.live.Live | None = None

    def render(self, text: str) -> Sequence[str]:
        """One part: a terminal has no length limit."""
        return [text]

    def placeholder(self, job: Job) -> str | None:
        """None: the terminal shows by itself that it waits."""
        del job
        return None

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """None: a terminal has no rate limit."""
        del job, rank, is_begun
        return None

    def can_edit(self, job: Job) -> bool:
        """True: printed text can be continued."""
        del job
        return True

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Print the beginning of an answer; for a picture, its description."""
        self._printed = ""
        self._show(piece)
        return f"{job.id}-{part}"

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Print what is new in an answer."""
        del job, message
        self._show(piece)

    async def delete(self, job: Job, message: str) -> None:
        """Do nothing: printed text stays."""

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Find nothing: text printed before a crash is lost."""
        del job, part, text, after
        return ()

    async def react(self, job: Job, emoji: str) -> None:
        """Do nothing: a terminal has no reactions."""

    async def unreact(self, job: Job, emoji: str) -> None:
        """Do nothing: a terminal has no reactions."""

    async def show_busy(self, job: Job) -> None:
        """Do nothing: the terminal shows by itself that it waits."""

    def finish(self) -> None:
        """End the answer's last line."""
        if self._live:
            self._live.stop()
            self._live = None
        elif not self._is_live:
            self._output.write("\n")
        self._output.flush()

    def _show(self, piece: Piece) -> None:
        text = _text_of(piece)
        if piece.is_notice and not self._is_live:
            return  # it could not be taken back
        if self._is_live:
            self._show_live(text)
        elif text.startswith(self._printed):
            self._output.write(text[len(self._printed) :])
        else:
            self._output.write(f"\n{text}")
        self._printed = text
        self._output.flush()

    def _show_live(self, text: str) -> None:
        if self._live is None:
            self._live = rich.live.Live(
                console=self._console,
                refresh_per_second=REFRESH_PER_S,
                vertical_overflow="visible",
            )
            self._live.start()
        self._live.update(rich.markdown.Markdown(text), refresh=True)


def _text_of(piece: Piece) -> str:
    """The text to print; for a picture, its description."""
    if piece.picture is None:
        return piece.text
    return f"{piece.text}\n\n[{piece.picture.description}]"


class ConsoleAdapter:
    """Reads questions, one at a time, until the input ends."""

    def __init__(
        self, reception: Reception, session: str, surface: ConsoleSurface, history: Path
    ) -> None:
        self._reception = reception
        self._session = session
        self._surface = surface
        self._history = history
        self._numbers = itertools.count(1)
        self._asked: Origin | None = None
        """The latest question."""

    async def leave(self) -> None:
        """Withdraw unanswered questions and delete what this session stored."""
        with contextlib.suppress(*LEDGER_AWAY):
            if self._asked:
                await self._reception.withdraw(self._asked)
            await self._reception.store.client.delete(
                keys.outbox(f"{Platform.CONSOLE}:{self._session}")
            )

    async def run(self) -> None:
        """Chat until end of input, ``/quit`` or Ctrl-C."""
        async for line in self._lines():
            if line.strip().lower() in QUIT_WORDS:
                return
            if not line.strip():
                continue
            incoming = self._incoming(line)
            self._asked = incoming.origin
            job = await self._receive(incoming)
            if job is not None:
                await self._reception.wait_delivered(job.id)
                self._surface.finish()

    async def _receive(self, incoming: Incoming) -> Job | None:
        """Record a question, retrying while Redis is briefly away: an embedded one is restarted.

        Raises:
            redis.RedisError, TimeoutError, OSError: it stays away.
        """
        for _ in range(RECEIVE_RETRIES):
            with contextlib.suppress(*LEDGER_AWAY):
                return await self._reception.receive(incoming)
            await asyncio.sleep(RECEIVE_RETRY_S)
        return await self._reception.receive(incoming)

    def _incoming(self, line: str) -> Incoming:
        origin = Origin(
            platform=Platform.CONSOLE,
            team=TEAM,
            channel=self._session,
            thread="",
            message=str(next(self._numbers)),
            user=TEAM,
        )
        return Incoming(origin, line, Situation(is_from_person=True, is_direct=True))

    async def _lines(self) -> AsyncIterator[str]:
        if not sys.stdin.isatty():
            async for line in _piped_lines():
                yield line
            return
        sys.stdout.write(f"{HELP}\n")
        self._history.parent.mkdir(parents=True, exist_ok=True)
        prompt: prompt_toolkit.PromptSession[str] = prompt_toolkit.PromptSession(
            PROMPT, history=prompt_toolkit.history.FileHistory(str(self._history))
        )
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                yield await prompt.prompt_async()


async def chat_in_terminal(wiring: Wiring, history: Path) -> None:
    """Chat on standard input and output until the input ends."""
    session = f"{TEAM}-{secrets.token_hex(6)}"
    surface = ConsoleSurface(sys.stdout)
    link = Link(wiring, surface, f"{Platform.CONSOLE}:{session}")
    await link.outbox.open()
    await wait_for_worker(wiring.store)
    adapter = ConsoleAdapter(link.reception, session, surface, history)
    try:
        await link.run_with(adapter)
    finally:
        await adapter.leave()


async def wait_for_worker(store: AsyncStore) -> None:
    """Wait until a worker is alive, and say so."""
    with rich.console.Console(stderr=True).status("Loading the model"):
        while not await store.has_worker():  # noqa: ASYNC110 - it is Redis that changes
            await asyncio.sleep(POLL_S)


async def _piped_lines() -> AsyncIterator[str]:
    """Standard input's lines, read on a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is no reader any more
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line
