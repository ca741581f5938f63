"""Event gate: drops copies of Slack's events, and handles few at a time, in order of arrival.

Slack sends an event again that is not acknowledged within three seconds, by any of an app's
sockets, and reports one mention by two events: ``app_mention``, which leaves the message's files
out, and ``message``. This process handles each event once, and a mention only where its message's
own event does not arrive. What another process has handled, or this one before a restart, the
ledger knows: both events of a mention name the same job.

Without the gate, a flood and the copies of its events would be handled all at once; the work would
grow with the delay until nothing was done in time.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from bots.slack.parse.events import EventName
from bots.tasks import end

MAX_AT_ONCE = 64
ANSWER_S = 2.5
"""Slack sends an event again that is not acknowledged within three seconds."""
TWIN_S = 0.5
"""Slack sends both events of a mention at once: the other one is hardly ever later than this."""
MAX_REMEMBERED = 1_000
"""Messages whose own event has arrived."""

Handle = Callable[[], Awaitable[bool]]
"""Handles an event; returns whether it was accepted."""


@dataclass(eq=False, slots=True)
class _Handling:
    """An event that is being handled, or waits for its turn."""

    task: asyncio.Task[bool]
    has_begun: asyncio.Event


@dataclass(slots=True)
class _Message:
    """What is known of a message's own event."""

    has_come: asyncio.Event = field(default_factory=asyncio.Event)
    handling: _Handling | None = None
    """None before it arrives, and when it has been handled."""
    is_taken: bool = False


class EventGate:
    """Admits the events of one process."""

    def __init__(self, answer_s: float = ANSWER_S, twin_s: float = TWIN_S) -> None:
        """Start with no event in progress.

        Args:
            answer_s: how long an event may take until Slack is told to send it again.
            twin_s: how long a mention waits for its message's own event to arrive.
        """
        self._answer_s = answer_s
        self._twin_s = twin_s
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._under_way: dict[str, _Handling] = {}
        """Event -> its handling in progress."""
        self._messages: OrderedDict[str, _Message] = OrderedDict()

    async def take(self, event: EventName, handle: Handle) -> bool:
        """Handle an event when it is its turn, unless it arrived before.

        An event that takes longer than Slack waits goes on: Slack sends it again meanwhile, and
        that copy waits for the same result.

        Args:
            event: which one it is.
            handle: not called for a copy of an event in progress, nor for a mention whose message
                is accepted from its own event.

        Returns:
            whether it was accepted; False if Slack should send it again.
        """
        handling = self._under_way.get(event.id) or self._begin(event, handle)
        await handling.has_begun.wait()
        done, _ = await asyncio.wait({handling.task}, timeout=self._answer_s)
        return bool(done) and not handling.task.cancelled() and handling.task.result()

    async def close(self) -> None:
        """Cancel all handling in progress."""
        await end([handling.task for handling in self._under_way.values()])

    def _begin(self, event: EventName, handle: Handle) -> _Handling:
        has_begun = asyncio.Event()
        task = asyncio.create_task(self._run(event, handle, has_begun))
        handling = self._under_way[event.id] = _Handling(task, has_begun)
        if event.message and not event.is_mention:
            message = self._message(event.message)
            message.handling = handling
            message.has_come.set()
        task.add_done_callback(lambda _: self._end(event, handling))
        return handling

    async def _run(self, event: EventName, handle: Handle, has_begun: asyncio.Event) -> bool:
        if event.is_mention and await self._came_as_message(event.message, has_begun):
            return True
        async with self._slot():
            has_begun.set()
            return await handle()

    async def _came_as_message(self, name: str, has_begun: asyncio.Event) -> bool:
        """Whether a message is accepted from its own event, if that arrives within a moment.

        Once it has arrived, there is no time limit for its handling: a busy process has a long
        queue.
        """
        message = self._message(name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._twin_s):
                await message.has_come.wait()
        if not message.is_taken and (own := message.handling):
            await own.has_begun.wait()
            has_begun.set()
            await asyncio.wait({own.task})
            return _is_taken(own.task)
        return message.is_taken

    def _message(self, name: str) -> _Message:
        message = self._messages.setdefault(name, _Message())
        if len(self._messages) > MAX_REMEMBERED:
            self._messages.popitem(last=False)
        return message

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold one of few slots; it is freed early once Slack no longer waits for this event."""
        await self._slots.acquire()
        slot = contextlib.ExitStack()
        slot.callback(self._slots.release)
        timer = asyncio.get_running_loop().call_later(self._answer_s, slot.close)
        try:
            yield
        finally:
            timer.cancel()
            slot.close()

    def _end(self, event: EventName, handling: _Handling) -> None:
        handling.has_begun.set()  # also if it was cancelled before its turn
        del self._under_way[event.id]
        message = self._messages.get(event.message)
        if message is None or event.is_mention:
            return
        message.is_taken |= _is_taken(handling.task)  # an accepted message stays accepted
        if message.handling is handling:
            message.handling = None


def _is_taken(task: asyncio.Task[bool]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result()
