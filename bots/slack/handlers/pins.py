"""Pinned messages, where switched on: learned, and forgotten when they are unpinned.

Slack sends an event for each pin. Pins missed in between are found by comparing what is pinned with
what was learned: one channel after the other, one message after the other.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

from bots.access.request import AccessRequest
from bots.incoming.intake import Incoming, unasked
from bots.incoming.reception import LEDGER_AWAY, Reception
from bots.slack.handlers.automation import SlackAutomationHandlers, Sources
from bots.slack.parse import automation, events
from bots.slack.parse.events import EventType
from bots.slack.parse.payloads import Json, read_file, read_files
from bots.slack.parse.text import Identity
from shared.errors import PlatformError
from shared.jobs import Origin, Platform
from shared.ledger import documents
from shared.logs import get_logger

log = get_logger(__name__)


class SlackPins:
    """The pinned messages of one workspace."""

    def __init__(
        self,
        me: Identity,
        reception: Reception,
        sources: Sources,
        unasked: SlackAutomationHandlers,
        channels: frozenset[str],
    ) -> None:
        """``channels``: where it is switched on; other platforms' channels may be among them."""
        self._me = me
        self._reception = reception
        self._store = reception.store
        self._sources = sources
        self._automation_handlers = unasked
        self._channels = sorted(name for name in channels if not name.isdecimal())
        self._is_due = asyncio.Event()

    def look_soon(self) -> None:
        """Note that events of pins may have been missed."""
        self._is_due.set()

    async def take(self, body: Json) -> None:
        """Handle an event of a pin.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer in time.
        """
        event: Json = body["event"]
        origin = automation.pin_origin(event, events.team_of(body, self._me))
        if origin is None:
            return
        if event["type"] == EventType.PIN_REMOVED:
            await self._forget(origin)
        elif origin.channel in self._channels:
            await self._learn_now(origin)

    async def run(self) -> None:
        """Compare whenever that is due, until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            for channel in self._channels:
                try:
                    await self._compare(channel)
                except (PlatformError, *LEDGER_AWAY) as error:
                    log.warning("pins_not_learned", error=type(error).__name__)

    async def _compare(self, channel: str) -> None:
        pinned = await self._sources.history.pins(channel)
        found = [automation.pinned_of(item, channel, self._me.team_id) for item in pinned]
        now = {pin.origin.message: pin for pin in found if pin}
        here = Origin(Platform.SLACK, self._me.team_id, channel, "", "", "")
        known = await self._store.pinned(here.tenant, here.channel)
        for message in sorted(known - set(now)):
            await self._forget(dataclasses.replace(here, message=message))
        opted_out = await self._store.opted_out(here.tenant)
        left_out = {self._me.user_id, *opted_out}
        for message, pin in now.items():
            if message not in known and pin.author not in left_out:
                await self._learn_found(pin.origin)

    async def _learn_now(self, origin: Origin) -> None:
        if not await self._reception.lets(AccessRequest(origin)):
            return
        try:
            if message := await self._message(origin):
                async for lesson in self._lessons(origin, message):
                    await self._reception.receive(lesson)
                await self._store.note_pin(origin, is_pinned=True)
        except PlatformError as error:
            log.warning("pin_not_learned", error=type(error).__name__)

    async def _learn_found(self, origin: Origin) -> None:
        """Learn missed pins without a reply. A refused one waits for the next comparison.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``take``.
        """
        if not await self._reception.lets(AccessRequest(origin)):
            return
        try:
            message = await self._message(origin)
            if message is None:
                return
            async for lesson in self._lessons(origin, message):
                if not await self._reception.receive_in_turn(unasked(lesson)):
                    return
            await self._store.note_pin(origin, is_pinned=True)
        except PlatformError as error:
            log.warning("pin_not_learned", error=type(error).__name__)

    async def _message(self, origin: Origin) -> Json | None:
        """A pinned message; None if it is not to be learned.

        Raises:
            PlatformError: Slack does not show it.
        """
        message = await self._sources.history.message(origin.channel, origin.message)
        if message is None or message.get("user") == self._me.user_id:
            return None  # our own messages are no evidence
        if message.get("user") in await self._store.opted_out(origin.tenant):
            return None
        return message

    async def _lessons(self, origin: Origin, message: Json) -> AsyncIterator[Incoming]:
        """What a message has to be learned: its text, and its files."""
        (said,) = await self._sources.history_reader.quote(origin.channel, [message])
        if said.text:
            yield automation.pinned(origin, said)
        files = [read_file(file) for file in read_files(message.get("files"))]
        async for lesson in self._automation_handlers.lessons(origin, files):
            yield lesson

    async def _forget(self, origin: Origin) -> None:
        await self._store.run(documents.forget(origin))
        await self._store.note_pin(origin, is_pinned=False)
