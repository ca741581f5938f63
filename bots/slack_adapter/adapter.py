"""Slack's messages into the reception: those that it tells us of, and those that we look for.

Slack sends again what is not acknowledged, so nothing is kept here.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bots.adapters import all_or_none
from bots.ending import end
from bots.marks import Marks, Seen
from bots.reception import LEDGER_AWAY, Reception
from bots.slack_adapter import events, sockets
from bots.slack_adapter.acts import Acts
from bots.slack_adapter.bodies import Json, read_body
from bots.slack_adapter.customs import Customs
from bots.slack_adapter.files import Downloads
from bots.slack_adapter.gatherer import SlackGatherer
from bots.slack_adapter.identity import Identity
from bots.slack_adapter.library.app import EventsApp
from bots.slack_adapter.library.history import History
from bots.slack_adapter.library.web import SlackAccess
from bots.slack_adapter.looking import Looking, thread_name
from bots.slack_adapter.people import People
from bots.slack_adapter.pins import Pins
from bots.slack_adapter.unasked import Sources, Unasked
from bots.store import Store
from shared.jobs import Platform
from shared.logs import get_logger

log = get_logger(__name__)

NUM_SOCKETS = 2
"""Slack refreshes connections now and then; with two, one of them is always open."""
HEAR_S = 2.5
"""Slack sends an event again that is not acknowledged within three seconds."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is read of one workspace, by everybody with the same memory."""

    history: History
    people: People
    gatherer: SlackGatherer


def sight_of(access: SlackAccess, me: Identity, store: Store) -> Sight:
    """What reads a workspace."""
    history = History(access)
    people = People(history)
    return Sight(history, people, SlackGatherer(history, people, store, me))


class SlackAdapter:
    """Slack's way in: over Socket Mode, or over HTTP. See ``app.Hearer``."""

    def __init__(
        self,
        access: SlackAccess,
        me: Identity,
        reception: Reception,
        sight: Sight,
        customs: Customs,
    ) -> None:
        self._is_by_socket = access.app_token is not None
        self._me = me
        self._reception = reception
        self._auto_reply_channels = customs.auto_reply_channels
        self._looking = Looking(me, sight.history, reception.store, customs.lookback_s)
        self._marks = Marks(reception.store, Platform.SLACK)
        downloads = Downloads(access.bot_token, access.api_url, customs.max_upload_mb)
        sources = Sources(sight.history, sight.gatherer, downloads)
        self._unasked = Unasked(me, reception, sources, customs)
        self._pins = Pins(me, reception, sources, self._unasked, customs.pins_channels)
        self._acts = Acts(me, reception, sight.people, sight.gatherer, self._unasked)
        self._hearing: dict[str, asyncio.Task[bool]] = {}
        """Event -> what is being done about it."""
        self._app = EventsApp(access, me, self)

    async def run(self) -> None:
        """Serve until cancelled. See ``adapters.Adapter``."""
        seen = await self._marks.read()
        try:
            await self._serve(seen)
        finally:
            await self._acts.close()
            await end(list(self._hearing.values()))

    async def _serve(self, seen: Seen) -> None:
        if not self._is_by_socket:
            log.info("slack_ready", way_in="http")
            await all_or_none(
                self._start(seen), self._pins.run(), self._marks.run(self._is_listening)
            )
            return
        opened = self._app.make_sockets(NUM_SOCKETS)
        try:
            for socket in opened:
                await socket.open()
            log.info("slack_ready", way_in="socket_mode")
            await all_or_none(
                self._start(seen),
                self._pins.run(),
                sockets.watch(opened, self._after_gap),
                self._marks.run(self._is_listening),
            )
        finally:
            await asyncio.gather(*(socket.close() for socket in opened))

    async def handle_http(self, request: web.Request) -> web.Response:
        """Answer one request of Slack's Events API."""
        return await self._app.answer(request)

    def is_unwanted(self, body: Json) -> bool:
        """Whether an event is one of a flood. See ``app.Hearer``."""
        known = read_body(body)
        if known is None or not events.is_persons_event(known):
            return False
        origin = events.origin_of(known, self._me)
        if origin is None or not self._reception.floods.holds_off(origin.asker):
            return False
        self._marks.note(origin.channel, origin.message)
        return True

    async def hear(self, body: Json) -> bool:
        """Take an event. See ``app.Hearer``.

        What takes longer than Slack waits goes on; Slack sends the event again meanwhile, and finds
        it taken.
        """
        name = str(body.get("event_id") or id(body))
        task = self._hearing.get(name)
        if task is None:
            task = self._hearing[name] = asyncio.create_task(self._hear(body))
            task.add_done_callback(lambda _: self._hearing.pop(name, None))
        done, _ = await asyncio.wait({task}, timeout=HEAR_S)
        return bool(done) and task.result()

    async def obey(self, payload: Json) -> dict[str, Any]:
        """Take a slash command. See ``app.Hearer``."""
        return await self._acts.command(payload)

    async def use(self, payload: Json) -> None:
        """Take a menu's entry. See ``app.Hearer``."""
        await self._acts.shortcut(payload)

    async def _hear(self, body: Json) -> bool:
        try:
            await self._take(body)
        except LEDGER_AWAY as error:
            log.warning("event_not_accepted", error=type(error).__name__)
            return False
        return True

    async def _take(self, body: Json, *, is_found: bool = False, now_s: float = 0.0) -> None:
        if deleted := events.deleted_origin(body, self._me):
            await self._reception.withdraw(deleted)
            return
        if edited := events.edited(body):
            await self._unasked.rate_again(*edited)
            return
        if await self._unasked.take(body) or await self._pins.take(body):
            return
        origin = events.origin_of(body, self._me)
        if origin is None:
            return
        is_auto_reply = origin.channel in self._auto_reply_channels
        incoming = events.to_incoming(body, origin, self._me, is_auto_reply=is_auto_reply)
        age_s = max(0.0, now_s - incoming.written_at_s) if is_found else 0.0
        if not await self._unasked.teach(body, incoming):
            job = await self._reception.receive(incoming, age_s)
            if job is not None and job.origin.thread:
                self._marks.note_thread(thread_name(origin.channel, job.origin.thread))
        await self._unasked.overhear(body, incoming)
        self._marks.note(origin.channel, origin.message)

    def _is_listening(self) -> bool:
        return not self._looking.is_under_way

    async def _start(self, seen: Seen) -> None:
        self._pins.look_soon()
        await self._looking.look_back(seen, self._take)
        await asyncio.Event().wait()

    async def _after_gap(self) -> None:
        self._pins.look_soon()
        await self._looking.look_back(await self._marks.read(), self._take)
