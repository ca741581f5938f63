"""Discord's adapter: puts messages into the inbox, both received ones and those of a backfill.

Discord's gateway waits for no acknowledgement and sends a new session nothing from before it. So
the inbox keeps messages that cannot be accepted, and read marks record what has been seen.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from bots.access.request import AccessRequest
from bots.adapter import Link, all_or_none
from bots.delivery.surface import Piece
from bots.discord.handlers.account import DiscordAccountHandlers
from bots.discord.handlers.attachments import DiscordAttachmentFetcher
from bots.discord.handlers.automation import DiscordAutomationHandlers, DiscordAutomationRules
from bots.discord.handlers.buttons import DiscordButtonHandlers
from bots.discord.parse.payloads import (
    DIRECT_MARK,
    Caller,
    DiscordPlace,
    Facts,
    id_at,
    origin_of,
    to_incoming,
    written_at_s,
)
from bots.discord.parse.requests import Reaction, TaskRequest, UserRequest
from bots.discord.sdk.client import Client, DiscordAccess
from bots.discord.sdk.run import serve
from bots.discord.sdk.surface import DiscordSurface
from bots.discord.session_limits import SessionStarts
from bots.discord.views.buttons import DiscordButtonPress, is_stop_sign
from bots.incoming.backfill import MAX_MESSAGES, BackfillWindow, backfill, look_through
from bots.incoming.inbox import Inbox
from bots.incoming.intake import Incoming
from bots.incoming.policy import is_for_us
from bots.incoming.read_marks import ReadMarks, Seen
from bots.incoming.reception import LEDGER_AWAY
from bots.incoming.spool import Spool
from shared.errors import NotAllowedError, PlatformError, PlatformUnavailableError
from shared.jobs import Platform

MAX_DIRECT = 200
"""Direct messages that are read after a start: the most recently used ones."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The inbox and the read marks, which keep messages from being lost."""

    spool: Spool
    lookback_s: float
    """How old a missed message may be; 0: there is no backfill."""


class DiscordAdapter:
    """Receives Discord's events. See ``sdk.client.DiscordEventHandler``."""

    def __init__(
        self,
        access: DiscordAccess,
        surface: DiscordSurface,
        link: Link,
        automation_rules: DiscordAutomationRules,
        keeping: Keeping,
    ) -> None:
        reception = link.reception
        self._access = access
        self._surface = surface
        self._reception = reception
        self._access_gate = link.access_gate
        self._store = reception.store
        self._pins_channels = automation_rules.pins_channels
        self._automation_handlers = DiscordAutomationHandlers(surface, reception, automation_rules)
        self.account_handlers = DiscordAccountHandlers(reception, link.preference_cache)
        """Handles quotas, forget-me and settings."""
        self._button_handlers = DiscordButtonHandlers(surface, link.answer_actions)
        self._lookback_s = keeping.lookback_s
        self._starts = SessionStarts(reception.store)
        self._marks = ReadMarks(reception.store, Platform.DISCORD)
        self._files = DiscordAttachmentFetcher(surface, self._marks, automation_rules.files)
        self._inbox = Inbox(reception, keeping.spool, self._say)
        reception.forgetter.also_drop(self._inbox.forget)
        self._deaf_shards: set[int] = set()
        """Shards without a session, or whose backfill is not done."""
        self._seen: dict[int, Seen] = {}
        """Shard -> what had been seen before its session began."""

    async def run(self) -> None:
        """Serve until cancelled. See ``adapter.Adapter``."""
        await all_or_none(
            serve(self._access, self._surface, self),
            self._inbox.run(),
            self._automation_handlers.run(),
            self._marks.run(self._is_listening),
        )

    async def may_begin(self, bot: str) -> None:
        """Return once this bot may start a new session."""
        await self._starts.wait(bot)

    async def on_message(self, facts: Facts) -> None:
        """Handle a new message. Discord sends it once."""
        await self._take(facts, is_found=False)

    async def forget(self, place: DiscordPlace, messages: Sequence[int]) -> None:
        """Handle deleted messages."""
        for message in messages:
            await self._inbox.withdraw(origin_of(place, message))
        self._automation_handlers.note_pins(
            place, is_heard=True
        )  # one may be being learned just now

    async def on_edit(self, facts: Facts, edited_at_s: float) -> None:
        """Handle an edited message."""
        if not await self._reception.lets(to_incoming(facts).access_request):
            return
        if facts.is_from_person:
            await self._button_handlers.follow(to_incoming(facts))
        await self._automation_handlers.rate_again(facts, edited_at_s)

    async def refusal(
        self, request: AccessRequest, *, of_operator_alone: bool = False
    ) -> str | None:
        """Why a person may not ask; empty if they were told already, None if they may."""
        if self._access_gate is None:
            return None
        try:
            await self._access_gate.require(request, of_operator_alone=of_operator_alone)
        except NotAllowedError as error:
            return error.sentence
        return None

    async def on_command(self, act: UserRequest, task_request: TaskRequest) -> str:
        """Handle a command or a menu."""
        return await self._automation_handlers.on_command(act, task_request)

    async def on_reaction(self, reaction: Reaction) -> None:
        """Handle a reaction that a person added."""
        if is_stop_sign(reaction.emoji) and not await self._reception.lets(reaction.access_request):
            return
        if is_stop_sign(reaction.emoji):
            await self._button_handlers.stop_at(reaction)
        else:
            await self._automation_handlers.on_reaction(reaction)

    async def on_button(self, press: DiscordButtonPress) -> Sequence[Piece]:
        """Handle a pressed button under an answer."""
        return await self._button_handlers.on_button(press)

    async def stop_all(self, caller: Caller) -> str:
        """Stop a person's answers in a place."""
        return await self._button_handlers.stop_all(caller)

    def note_pins(self, place: DiscordPlace) -> None:
        """Handle a change of a place's pinned messages."""
        self._automation_handlers.note_pins(place, is_heard=True)

    def note_guild(self, guild: int, *, is_here: bool) -> None:
        """Note that a server has us, or has removed us."""
        tenant = f"{Platform.DISCORD}:{guild}"
        if is_here:
            self._reception.forgetter.note_served(tenant)
        else:
            self._reception.forgetter.note_left(tenant)

    def note_listening(self, shard: int, *, is_listening: bool) -> None:
        """Note that a shard receives events again, without a gap, or receives none."""
        if is_listening:
            self._deaf_shards.discard(shard)
        else:
            self._deaf_shards.add(shard)

    async def begin_session(self, shard: int) -> None:
        """Before a shard starts a session: remember what has been seen until now."""
        self._deaf_shards.add(shard)
        self._seen[shard] = await self._marks.read()

    async def look_back(self, shard: int) -> None:
        """Backfill what was said between a shard's last session and its new one."""
        for place in self._client().places(shard, self._pins_channels):
            self._automation_handlers.note_pins(place, is_heard=False)
        seen = self._seen[shard]
        window = BackfillWindow(seen, self._lookback_s, lambda mark: written_at_s(int(mark)))
        if window.is_open:
            await backfill(
                self._store,
                Platform.DISCORD,
                seen.now_s,
                lambda: self._look_through(shard, window),
            )
        self._deaf_shards.discard(shard)

    async def _take(self, facts: Facts, *, is_found: bool) -> None:
        incoming = self._reception.situated(to_incoming(facts))
        with self._files.accepting(facts):
            if await self._reception.admits(incoming) and not await self._automation_handlers.teach(
                facts, incoming
            ):
                await self._inbox.take(await self._with_files(facts, incoming), is_found=is_found)
        await self._automation_handlers.overhear(facts, incoming)

    async def _with_files(self, facts: Facts, incoming: Incoming) -> Incoming:
        """The message with its files, if it is a question to us."""
        if not facts.files or not facts.is_from_person:
            return incoming
        with contextlib.suppress(*LEDGER_AWAY):  # in doubt it is
            looked_up = await self._reception.threads.looked_up(incoming)
            if not is_for_us(looked_up.situation):
                return incoming
        return dataclasses.replace(incoming, attachments=await self._files.fetch(facts.files))

    async def _look_through(self, shard: int, window: BackfillWindow) -> int:
        spots = self._client().spots(shard)
        places = [s.place for s in spots if window.has_news(s.place.mark, str(s.latest))]
        if shard == 0:  # direct messages are the first shard's
            marks = [mark for mark in window.seen.latest if mark.startswith(DIRECT_MARK)]
            marks.sort(key=lambda mark: int(window.seen.latest[mark]), reverse=True)
            places += [
                DiscordPlace(None, int(m.removeprefix(DIRECT_MARK))) for m in marks[:MAX_DIRECT]
            ]
        if gate := self._access_gate:
            places = [place for place in places if not gate.is_closed(origin_of(place, 0))]
        return await look_through(places, lambda place: self._look_at(place, window))

    async def _look_at(self, place: DiscordPlace, window: BackfillWindow) -> int:
        after = id_at(window.start_s(place.mark))
        history = await self._client().history(place, after, MAX_MESSAGES)
        found = [facts for facts in history if window.holds(place.mark, str(facts.message))]
        for facts in found:
            await self._take(facts, is_found=True)
        return len(found)

    def _is_listening(self) -> bool:
        client = self._surface.client
        return client is not None and client.is_ready() and not self._deaf_shards

    async def _say(self, incoming: Incoming, sentence: str) -> None:
        """Answer a message without the ledger; if Discord is away, too, the sentence is lost."""
        with contextlib.suppress(PlatformError):
            await self._client().say(incoming.origin, sentence)

    def _client(self) -> Client:
        if self._surface.client is None:
            raise PlatformUnavailableError("not connected")
        return self._surface.client
