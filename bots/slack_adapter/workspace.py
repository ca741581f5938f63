"""One workspace of Slack's: what comes of its events, commands and menus."""

from dataclasses import dataclass
from typing import Any

from bots.lookback import Window
from bots.marks import Marks
from bots.reception import Reception
from bots.slack_adapter import events
from bots.slack_adapter.acts import Acts
from bots.slack_adapter.bodies import Json
from bots.slack_adapter.customs import Customs
from bots.slack_adapter.files import Downloads
from bots.slack_adapter.gatherer import SlackGatherer
from bots.slack_adapter.library.history import History
from bots.slack_adapter.library.web import Account
from bots.slack_adapter.looking import Looking, thread_name
from bots.slack_adapter.people import People
from bots.slack_adapter.pins import Pins
from bots.slack_adapter.unasked import Sources, Unasked
from bots.store import Store


@dataclass(frozen=True, slots=True)
class Sight:
    """What is read of one workspace, by everybody with the same memory."""

    history: History
    people: People
    gatherer: SlackGatherer


def sight_of(account: Account, store: Store) -> Sight:
    """What reads a workspace."""
    history = History(account.access)
    people = People(history)
    return Sight(history, people, SlackGatherer(history, people, store, account.me))


class Workspace:
    """What we do in one workspace."""

    def __init__(
        self,
        account: Account,
        reception: Reception,
        sight: Sight,
        customs: Customs,
        marks: Marks,
    ) -> None:
        access, me = account.access, account.me
        self._me = me
        self._reception = reception
        self._marks = marks
        self._looking = Looking(me, sight.history)
        downloads = Downloads(access.bot_token, access.api_url, customs.max_upload_mb)
        sources = Sources(sight.history, sight.gatherer, downloads)
        self._unasked = Unasked(me, reception, sources, customs)
        self._pins = Pins(me, reception, sources, self._unasked, customs.pins_channels)
        self._acts = Acts(me, reception, sight.people, sight.gatherer, self._unasked)

    async def run(self) -> None:
        """Do what is done in the background, until cancelled."""
        try:
            await self._pins.run()
        finally:
            await self._acts.close()

    def look_soon(self) -> None:
        """Something may have happened without our hearing of it."""
        self._pins.look_soon()

    async def look_through(self, window: Window) -> int:
        """Look for what was said in a time, and take it; how many messages were found."""
        return await self._looking.look_through(window, self.take)

    def is_unwanted(self, body: Json) -> bool:
        """Whether a person's message is one of a flood."""
        origin = events.origin_of(body, self._me)
        if origin is None or not self._reception.floods.holds_off(origin.asker):
            return False
        self._marks.note(origin.channel, origin.message)
        return True

    async def obey(self, payload: Json) -> dict[str, Any]:
        """Take a slash command. See ``app.Hearer``."""
        return await self._acts.command(payload)

    async def use(self, payload: Json) -> None:
        """Take a menu's entry. See ``app.Hearer``."""
        await self._acts.shortcut(payload)

    async def take(self, body: Json, *, is_found: bool = False, now_s: float = 0.0) -> None:
        """Take an event.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger could not be asked in time.
        """
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
        incoming = self._reception.situated(events.to_incoming(body, origin, self._me))
        age_s = max(0.0, now_s - incoming.written_at_s) if is_found else 0.0
        if not await self._unasked.teach(body, incoming):
            job = await self._reception.receive(incoming, age_s)
            if job is not None and job.origin.thread:
                self._marks.note_thread(thread_name(origin.channel, job.origin.thread))
        await self._unasked.overhear(body, incoming)
        self._marks.note(origin.channel, origin.message)
