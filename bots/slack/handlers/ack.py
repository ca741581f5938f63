"""Acknowledgements within Slack's three seconds, with a sentence if something failed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from bots.incoming.reception import AWAY, LEDGER_AWAY
from bots.render.slack import render_for_slack
from bots.slack.sdk.errors import translated
from bots.slack.sdk.screen import respond
from bots.tasks import end
from shared.errors import PlaceUnreadableError, PlatformError, RefusedError
from shared.logs import get_logger

log = get_logger(__name__)

ACK_S = 2.0
"""Slack gives up after three."""


@dataclass(frozen=True, slots=True)
class AckReply:
    """The immediate reply to a command, a menu or a button."""

    sentence: str = ""
    """For that person alone; empty if there is nothing to say."""
    is_public: bool = False
    """Whether everybody may see the request, since everybody will see the answer."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """The same with buttons, or as it is shown, if that differs."""
    further: "tuple[AckReply, ...]" = ()
    """What is said to that person after it."""

    @property
    def body(self) -> dict[str, Any]:
        """As the acknowledgement of a command."""
        if self.sentence:
            said = {"response_type": "ephemeral", "text": mrkdwn(self.sentence)}
            return {**said, "blocks": list(self.blocks)} if self.blocks else said
        return {"response_type": "in_channel"} if self.is_public else {}


Tell = Callable[[AckReply], Awaitable[None]]
"""Says something to the person who acted, and raises nothing."""


class PromptAck:
    """Does what Slack waits for, and continues in the background if it takes too long."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def in_time(self, work: Coroutine[None, None, AckReply], ticket: str) -> AckReply:
        """The work's reply, if it is known in time; else it is sent later.

        Args:
            work: is always finished.
            ticket: the response address for a later reply.
        """

        async def tell(reply: AckReply) -> None:
            await _tell(ticket, reply)

        return await self._in_time(work, tell)

    async def _in_time(self, work: Coroutine[None, None, AckReply], tell: Tell) -> AckReply:
        task = self.spawn(_without_faults(work))
        done, _ = await asyncio.wait({task}, timeout=ACK_S)
        if done:
            reply: AckReply = task.result()
            return reply
        log.info("command_taken_late")
        self.spawn(_tell_later(task, tell))
        return AckReply()

    async def tell_in_time(self, work: Coroutine[None, None, AckReply], ticket: str) -> None:
        """Do the work and send its reply to the response address; wait as long as Slack does."""
        reply = await self.in_time(work, ticket)
        if reply.sentence:
            self.spawn(_tell(ticket, reply))

    async def open_in_time(self, work: Coroutine[None, None, None]) -> None:
        """Open a view; if that fails there is no address for an error."""

        async def opened() -> AckReply:
            await work
            return AckReply()

        await self.in_time(opened(), "")

    async def answer_in_time(
        self, work: Coroutine[None, None, AckReply], block: str, tell: Tell
    ) -> dict[str, Any]:
        """Handle a submitted view; returns the body of its acknowledgement.

        Args:
            work: is always finished.
            block: the field below which a sentence is shown.
            tell: says it later, when the view is closed.
        """
        reply = await self._in_time(work, tell)
        if not reply.sentence:
            return {}
        return {"response_action": "errors", "errors": {block: reply.sentence}}

    def spawn(self, work: Coroutine[None, None, Any]) -> asyncio.Task[Any]:
        """Run in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel the background work."""
        await end(list(self._tasks))


async def _tell_later(task: asyncio.Task[AckReply], tell: Tell) -> None:
    reply = await task
    if reply.sentence:
        await tell(reply)


async def _tell(ticket: str, reply: AckReply) -> None:
    if not ticket:
        return
    try:
        with translated():
            for each in (reply, *reply.further):
                await respond(ticket, mrkdwn(each.sentence), each.blocks)
    except PlatformError as error:
        log.warning("refusal_not_told", reason=str(error))


async def _without_faults(work: Coroutine[None, None, AckReply]) -> AckReply:
    """The work's reply; an error sentence if it fails."""
    try:
        return await work
    except RefusedError as error:
        return AckReply(error.sentence)
    except PlatformError as error:
        log.warning("command_not_accepted", error=type(error).__name__)
        return AckReply(PlaceUnreadableError().sentence)
    except LEDGER_AWAY as error:
        log.warning("command_not_accepted", error=type(error).__name__)
        return AckReply(AWAY)


def mrkdwn(sentence: str) -> str:
    """Our own text as Slack's mrkdwn."""
    return "\n".join(render_for_slack(sentence))
