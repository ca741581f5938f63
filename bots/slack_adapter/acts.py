"""Commands and menus: taken in time, or a sentence says why not.

Slack waits three seconds for its acknowledgement, shows nothing by itself, and sends neither again.
So what is not accepted is told to the person who asked, in the acknowledgement or after it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from bots.ending import end
from bots.intake import Incoming
from bots.reception import LEDGER_AWAY, Reception
from bots.render.slack import render_for_slack
from bots.slack_adapter import commands, shortcuts
from bots.slack_adapter.bodies import Json, read_file
from bots.slack_adapter.commands import Command
from bots.slack_adapter.gatherer import SlackGatherer
from bots.slack_adapter.identity import Identity
from bots.slack_adapter.library.faults import translated
from bots.slack_adapter.library.respond import respond
from bots.slack_adapter.people import People
from bots.slack_adapter.shortcuts import Shortcut
from bots.slack_adapter.unasked import Unasked
from bots.wording import Parsed
from shared.errors import (
    NotAMemberError,
    NothingThereError,
    PlaceUnreadableError,
    PlatformError,
    RefusedError,
)
from shared.jobs import Audience, Origin
from shared.logs import get_logger
from shared.tasks import Ask, Learn, Report

log = get_logger(__name__)

ACK_S = 2.0
"""Slack gives up after three."""
AWAY = "I cannot take anything right now. Please try again in a minute."
TOO_MUCH = "You are asking faster than I may answer. Please wait a minute and try again."
OF_THE_PLACE = (Ask, Report, Learn)
"""What is about a place, or changes what others are told there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said at once to a command or a menu."""

    sentence: str = ""
    """For the person who acted; empty if an answer is coming."""
    is_public: bool = False
    """Whether everybody may see what was asked, since everybody will see the answer."""

    @property
    def body(self) -> dict[str, Any]:
        """As the acknowledgement of a command."""
        if self.sentence:
            return {"response_type": "ephemeral", "text": mrkdwn(self.sentence)}
        return {"response_type": "in_channel"} if self.is_public else {}


class Acts:
    """The commands and menus of one workspace."""

    def __init__(
        self,
        me: Identity,
        reception: Reception,
        people: People,
        gatherer: SlackGatherer,
        unasked: Unasked,
    ) -> None:
        self._me = me
        self._reception = reception
        self._people = people
        self._gatherer = gatherer
        self._unasked = unasked
        self._tasks: set[asyncio.Task[Any]] = set()

    async def command(self, payload: Json) -> dict[str, Any]:
        """Take a slash command; the body of its acknowledgement."""
        command = commands.read_command(payload, self._me)
        if command is None:
            log.warning("command_malformed")
            return {}
        parsed = commands.parse(command)
        if parsed.answer:
            return Verdict(parsed.answer).body
        if commands.is_new(parsed) and not command.is_direct:
            return Verdict(commands.NO_CONVERSATION).body
        verdict = await self._in_time(self._obey(command, parsed), command.origin.ticket)
        return verdict.body

    async def shortcut(self, payload: Json) -> None:
        """Take a menu's entry. What is to be said is said by the address that came with it."""
        shortcut = shortcuts.read_shortcut(payload, self._me)
        if shortcut is None:
            return
        ticket = shortcut.origin.ticket
        verdict = await self._in_time(self._use(shortcut), ticket)
        if verdict.sentence:
            self._spawn(self._tell(ticket, verdict.sentence))

    async def close(self) -> None:
        """End what is under way."""
        await end(list(self._tasks))

    async def _in_time(self, work: Coroutine[None, None, Verdict], ticket: str) -> Verdict:
        """What a command or menu comes to, if that is known in time; else it is told later."""
        task = self._spawn(_without_faults(work))
        done, _ = await asyncio.wait({task}, timeout=ACK_S)
        if done:
            verdict: Verdict = task.result()
            return verdict
        log.info("command_taken_late")
        self._spawn(self._tell_later(task, ticket))
        return Verdict()

    async def _tell_later(self, task: "asyncio.Task[Verdict]", ticket: str) -> None:
        verdict = await task
        if verdict.sentence:
            await self._tell(ticket, verdict.sentence)

    async def _tell(self, ticket: str, sentence: str) -> None:
        try:
            with translated():
                await respond(ticket, mrkdwn(sentence))
        except PlatformError as error:
            log.warning("refusal_not_told", reason=str(error))

    async def _obey(self, command: Command, parsed: Parsed) -> Verdict:
        origin = command.origin
        if parsed.wanted or isinstance(parsed.task, OF_THE_PLACE):
            await self._require_member(origin)
        are_we_in = await self._people.are_we_in(origin.channel)
        incoming = commands.to_incoming(command, parsed, are_we_in=are_we_in)
        is_public = incoming.origin.audience is Audience.CHANNEL and not command.is_direct
        return await self._receive(incoming, is_public=is_public)

    async def _use(self, shortcut: Shortcut) -> Verdict:
        await self._require_member(shortcut.origin)
        are_we_in = await self._people.are_we_in(shortcut.origin.channel)
        origin = shortcuts.to_origin(shortcut, are_we_in=are_we_in)
        opted_out = await self._reception.store.opted_out(origin.tenant)
        if shortcut.author in opted_out and shortcut.author != origin.user:
            raise NothingThereError
        (said,) = await self._gatherer.quote(origin.channel, [shortcut.message])
        language = await self._people.language(origin.user)
        incoming = shortcuts.to_incoming(shortcut.callback, origin, said, language)
        if shortcut.callback == shortcuts.LEARN and shortcut.files:
            files = [read_file(file) for file in shortcut.files]
            await self._unasked.learn(origin, files)
            return Verdict() if incoming.refusal else await self._receive(incoming)
        return await self._receive(incoming)

    async def _require_member(self, origin: Origin) -> None:
        if not await self._people.may_ask(origin.channel, origin.user):
            raise NotAMemberError

    async def _receive(self, incoming: Incoming, *, is_public: bool = False) -> Verdict:
        job = await self._reception.receive(incoming)
        if job is not None or await self._unasked.is_known(incoming.origin):
            return Verdict(is_public=is_public)
        return Verdict(TOO_MUCH)

    def _spawn(self, work: "Coroutine[None, None, Any]") -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _without_faults(work: Coroutine[None, None, Verdict]) -> Verdict:
    """What it comes to; a sentence where it does not."""
    try:
        return await work
    except RefusedError as error:
        return Verdict(error.sentence)
    except PlatformError as error:
        log.warning("command_not_accepted", error=type(error).__name__)
        return Verdict(PlaceUnreadableError().sentence)
    except LEDGER_AWAY as error:
        log.warning("command_not_accepted", error=type(error).__name__)
        return Verdict(AWAY)


def mrkdwn(sentence: str) -> str:
    """What we say as Slack writes it."""
    return "\n".join(render_for_slack(sentence))
