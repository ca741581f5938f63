"""Slack's adapter: hands its events, commands and menus to the workspace that they belong to.

Slack sends again what is not acknowledged, so nothing is spooled here.
"""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bots.adapter import all_or_none
from bots.incoming.backfill import WAIT_S, BackfillWindow, backfill
from bots.incoming.privacy import Forgetter
from bots.incoming.read_marks import ReadMarks, Seen
from bots.incoming.reception import AWAY, LEDGER_AWAY
from bots.slack import sockets
from bots.slack.handlers.ack import AckReply
from bots.slack.parse import events
from bots.slack.parse.payloads import Json
from bots.slack.sdk.app import Authorize, EventsApp
from bots.slack.sdk.client import SlackAccess
from bots.slack.workspace import Workspace
from bots.slack.workspaces import Workspaces
from bots.store import AsyncStore
from shared.jobs import Platform
from shared.logs import get_logger

log = get_logger(__name__)

NUM_SOCKETS = 2
"""Slack refreshes connections now and then; with two, one of them is always open."""
FIND_S = 0.8
"""Of the three seconds that Slack waits; ``ack.ACK_S`` is for the rest of the work."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """The read marks, and how far back a backfill may look."""

    store: AsyncStore
    marks: ReadMarks
    lookback_s: float


class SlackAdapter:
    """Receives Slack's events over Socket Mode or HTTP. See ``app.SlackEventHandler``."""

    def __init__(
        self,
        access: SlackAccess,
        authorize: Authorize,
        workspaces: Workspaces,
        hindsight: Hindsight,
        forgetter: Forgetter,
    ) -> None:
        """``access``: the app's; its bot token is not used."""
        self._is_by_socket = access.app_token is not None
        self._workspaces = workspaces
        self._hindsight = hindsight
        self._forgetter = forgetter
        self._marks = hindsight.marks
        self._num_looking = 0
        self._missed: Seen | None = None
        """What had been seen when an event was first not accepted; None if none is missed."""
        self._has_missed = asyncio.Event()
        self._app = EventsApp(access, authorize, self)

    async def run(self) -> None:
        """Serve until cancelled. See ``adapter.Adapter``."""
        seen = await self._marks.read()
        await self._workspaces.open_all()
        try:
            await self._serve(seen)
        finally:
            await self._app.close()

    async def _serve(self, seen: Seen) -> None:
        parts = (
            self._start(seen),
            self._workspaces.run(),
            self._marks.run(self._is_listening),
            self._make_up(),
        )
        if not self._is_by_socket:
            log.info("slack_ready", way_in="http")
            await all_or_none(*parts)
            return
        opened = self._app.make_sockets(NUM_SOCKETS)
        try:
            for socket in opened:
                await socket.open()
            log.info("slack_ready", way_in="socket_mode")
            await all_or_none(*parts, sockets.watch(opened, self._after_gap))
        finally:
            await asyncio.gather(*(socket.close() for socket in opened))

    async def handle_http(self, request: web.Request) -> web.Response:
        """Answer one request of Slack's Events API."""
        return await self._app.answer(request)

    def is_unwanted(self, body: Json) -> bool:
        """Whether an event is part of a flood. See ``app.SlackEventHandler``."""
        if not events.is_persons_event(body):
            return False
        workspace = self._workspaces.known(events.team_named_in(body))
        return workspace is not None and workspace.is_unwanted(body)

    async def on_event(self, body: Json) -> bool:
        """Handle an event. See ``app.SlackEventHandler``."""
        try:
            team = events.team_named_in(body)
            if events.is_farewell(body):
                await self._workspaces.leave(team)
                self._forgetter.note_left(f"{Platform.SLACK}:{team}")
                await self._forgetter.flush()
                return True
            workspace = await self._workspaces.find(team)
            if workspace is not None:
                await workspace.take(body)
        except LEDGER_AWAY as error:
            log.warning("event_not_accepted", error=type(error).__name__)
            self._note_missed()
            return False
        return True

    async def on_command(self, payload: Json) -> dict[str, Any]:
        """Handle a slash command. See ``app.SlackEventHandler``."""
        try:
            workspace = await self._found(str(payload.get("team_id") or ""))
        except LEDGER_AWAY as error:
            log.warning("command_not_accepted", error=type(error).__name__)
            return AckReply(AWAY).body
        return await workspace.on_command(payload) if workspace else {}

    async def on_shortcut(self, payload: Json) -> None:
        """Handle a menu entry. See ``app.SlackEventHandler``."""
        if workspace := await self._workspace_of(payload):
            await workspace.on_shortcut(payload)

    async def on_button(self, payload: Json) -> None:
        """Handle a pressed button. See ``app.SlackEventHandler``."""
        if workspace := await self._workspace_of(payload):
            await workspace.on_button(payload)

    async def on_view(self, payload: Json) -> dict[str, Any]:
        """Handle a submitted view. See ``app.SlackEventHandler``."""
        workspace = await self._workspace_of(payload)
        return await workspace.on_view(payload) if workspace else {}

    async def _workspace_of(self, payload: Json) -> Workspace | None:
        team = payload.get("team") or {}
        try:
            return await self._found(str(team.get("id") or ""))
        except LEDGER_AWAY as error:
            log.warning("command_not_accepted", error=type(error).__name__)
            return None

    async def _found(self, team: str) -> Workspace | None:
        """The workspace, if it is found soon enough for the rest to be done in time.

        Raises:
            redis.RedisError, TimeoutError, OSError: it is not.
        """
        async with asyncio.timeout(FIND_S):
            return await self._workspaces.find(team)

    def _is_listening(self) -> bool:
        return self._num_looking == 0

    async def _start(self, seen: Seen) -> None:
        await self._look_back(seen)
        await asyncio.Event().wait()

    async def _after_gap(self) -> None:
        await self._look_back(await self._marks.read())

    def _note_missed(self) -> None:
        """Remember what had been seen: Slack sends an event again for some minutes, or never."""
        if self._missed is None:
            seen = self._marks.known()
            self._missed = dataclasses.replace(seen, alive_at_s=seen.now_s)
            self._has_missed.set()

    async def _make_up(self) -> None:
        """Whenever events were not accepted, run a backfill once the ledger is back."""
        while True:
            await self._has_missed.wait()
            try:
                now = await self._marks.read_all()
            except LEDGER_AWAY:
                await asyncio.sleep(WAIT_S)
                continue
            missed, self._missed = self._missed, None
            self._has_missed.clear()
            if missed is not None:
                await self._look_back(
                    dataclasses.replace(
                        now, alive_at_s=missed.alive_at_s, latest={**now.latest, **missed.latest}
                    )
                )

    async def _look_back(self, seen: Seen) -> None:
        """Run a backfill for the time without a connection."""
        for workspace in self._workspaces.opened:
            workspace.look_soon()
        window = BackfillWindow(seen, self._hindsight.lookback_s, float)
        if not window.is_open:
            return
        self._num_looking += 1
        try:
            await backfill(
                self._hindsight.store,
                Platform.SLACK,
                seen.now_s,
                lambda: self._look_through(window),
            )
        finally:
            self._num_looking -= 1

    async def _look_through(self, window: BackfillWindow) -> int:
        found = [await workspace.look_through(window) for workspace in self._workspaces.opened]
        return sum(found)
