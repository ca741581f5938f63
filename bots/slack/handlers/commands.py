"""Command handlers: slash commands and menus, accepted in time or refused with a sentence.

Slack waits three seconds for its acknowledgement, shows nothing by itself, and sends neither again.
So the person who asked is told of a refusal, in the acknowledgement or after it.
"""

from typing import Any

from bots.adapter import Link
from bots.incoming.intake import Incoming
from bots.incoming.intents.parser import HELP as OF_TASKS
from bots.incoming.intents.parser import Parsed
from bots.incoming.reception import TOO_MUCH
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.handlers.account import SlackAccountHandlers
from bots.slack.handlers.ack import AckReply, PromptAck
from bots.slack.handlers.automation import SlackAutomationHandlers
from bots.slack.handlers.history import ChannelAccess
from bots.slack.parse import commands, shortcuts
from bots.slack.parse.commands import Command
from bots.slack.parse.payloads import Json, read_file
from bots.slack.parse.shortcuts import MessageShortcut
from bots.slack.parse.text import Identity
from bots.slack.views.account import account_request_of
from shared.errors import NotAMemberError, NothingThereError
from shared.jobs import Audience, Origin
from shared.logs import get_logger
from shared.tasks import Ask, Learn, Report

log = get_logger(__name__)

OF_THE_PLACE = (Ask, Report, Learn)
"""Tasks about a place, or that change what others are told there."""


class SlackCommandHandlers:
    """The commands and menus of one workspace."""

    def __init__(
        self,
        me: Identity,
        link: Link,
        sight: ChannelAccess,
        unasked: SlackAutomationHandlers,
        account_handlers: SlackAccountHandlers,
        prompt_ack: PromptAck,
    ) -> None:
        self._me = me
        self._reception = link.reception
        self._access_check = SlackAccessCheck(me, link.access_gate)
        self._account_handlers = account_handlers
        self._people = sight.people
        self._history_reader = sight.history_reader
        self._automation_handlers = unasked
        self._prompt_ack = prompt_ack

    async def command(self, payload: Json) -> dict[str, Any]:
        """Handle a slash command; returns the body of its acknowledgement."""
        command = commands.read_command(payload, self._me)
        if command is None:
            log.warning("command_malformed")
            return {}
        reply = await self._prompt_ack.in_time(self._run(command), command.origin.ticket)
        return reply.body

    async def shortcut(self, payload: Json) -> None:
        """Handle a menu entry. Its reply goes to the response address in the payload."""
        shortcut = shortcuts.read_shortcut(payload, self._me)
        if shortcut is None:
            return
        await self._prompt_ack.tell_in_time(self._use(shortcut), shortcut.origin.ticket)

    async def _run(self, command: Command) -> AckReply:
        if account_request := account_request_of(command):
            return await self._account_handlers.run(*account_request, command)
        await self._access_check.require(command.origin)
        parsed = commands.parse(command)
        if parsed.answer:
            is_help = parsed.answer == OF_TASKS
            return AckReply(commands.HELP if is_help else parsed.answer)
        if commands.is_new(parsed) and not command.is_direct:
            return AckReply(commands.NO_CONVERSATION)
        return await self._obey(command, parsed)

    async def _obey(self, command: Command, parsed: Parsed) -> AckReply:
        origin = command.origin
        if parsed.wanted or isinstance(parsed.task, OF_THE_PLACE):
            await self._require_member(origin)
        are_we_in = await self._people.are_we_in(origin.channel)
        incoming = commands.to_incoming(command, parsed, are_we_in=are_we_in)
        is_public = incoming.origin.audience is Audience.CHANNEL and not command.is_direct
        return await self._receive(incoming, is_public=is_public)

    async def _use(self, shortcut: MessageShortcut) -> AckReply:
        await self._access_check.require(shortcut.origin)
        await self._require_member(shortcut.origin)
        are_we_in = await self._people.are_we_in(shortcut.origin.channel)
        origin = shortcuts.to_origin(shortcut, are_we_in=are_we_in)
        opted_out = await self._reception.store.opted_out(origin.tenant)
        if shortcut.author in opted_out and shortcut.author != origin.user:
            raise NothingThereError
        (said,) = await self._history_reader.quote(origin.channel, [shortcut.message])
        language = await self._people.language(origin.user)
        incoming = shortcuts.to_incoming(shortcut.callback, origin, said, language)
        if shortcut.callback == shortcuts.LEARN and shortcut.files:
            files = [read_file(file) for file in shortcut.files]
            await self._automation_handlers.learn(origin, files)
            return AckReply() if incoming.refusal else await self._receive(incoming)
        return await self._receive(incoming)

    async def _require_member(self, origin: Origin) -> None:
        if not await self._people.may_ask(origin.channel, origin.user):
            raise NotAMemberError

    async def _receive(self, incoming: Incoming, *, is_public: bool = False) -> AckReply:
        job = await self._reception.receive(incoming)
        if job is not None or await self._reception.is_known(incoming.origin):
            return AckReply(is_public=is_public)
        return AckReply(TOO_MUCH)
