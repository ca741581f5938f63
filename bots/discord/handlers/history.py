"""Reads the messages that tasks work on. See ``context.HistoryReader``.

``selection`` decides which messages are used; this reads page by page until that has enough.
"""

from collections.abc import Sequence

from bots.discord.parse import selection
from bots.discord.parse.payloads import DIRECT_TEAM, Facts
from bots.discord.parse.requests import REACTION, quoted
from bots.discord.parse.selection import MAX_CHAIN, MAX_MESSAGES
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming.context import From, Meant, Wanted, WholeThread
from bots.store import AsyncStore
from shared.errors import NotAMemberError, PlaceUnreadableError, UndeliverableError
from shared.jobs import Origin
from shared.tasks import Quoted


class DiscordHistory:
    """Reads Discord's message history."""

    def __init__(self, surface: DiscordSurface, store: AsyncStore) -> None:
        self._surface = surface
        self._store = store

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        """The messages. See ``context.HistoryReader``.

        Raises:
            RefusedError: we, or the asker, may not read them.
        """
        if origin.team != DIRECT_TEAM:
            await self._check(int(origin.channel), int(origin.user))
        found = await self._find(origin, wanted)
        opted_out = await self._store.opted_out(origin.tenant)
        is_one = isinstance(wanted, Meant)
        kept = selection.kept(found, opted_out, is_one=is_one)
        return [quoted(facts) for facts in kept]

    async def _check(self, channel: int, user: int) -> None:
        client = self._surface.connected()
        if not client.may_read(channel):
            raise PlaceUnreadableError
        if not await client.lets_read(channel, user):
            raise NotAMemberError

    async def _find(self, origin: Origin, wanted: Wanted) -> Sequence[Facts]:
        if isinstance(wanted, Meant):
            return await self._meant(origin)
        if isinstance(wanted, WholeThread) and origin.thread and not origin.ticket:
            return await self._chain(origin)
        if isinstance(wanted, From):
            return await self._from(origin, int(wanted.message))
        return await self._latest(origin, wanted)

    async def _meant(self, origin: Origin) -> Sequence[Facts]:
        """The message with the reaction, the one replied to, or the one above."""
        client, channel = self._surface.connected(), int(origin.channel)
        asked = int(origin.message)
        if not origin.ticket:
            message = await client.message(channel, asked)
            if origin.act.startswith(REACTION):
                return [message]
            if message.reply_to:
                return [await client.message(channel, message.reply_to)]
        page = await client.page(channel, before=asked, after=None)
        return selection.last_of_a_person(page)

    async def _chain(self, origin: Origin) -> Sequence[Facts]:
        """The replies from one to the other, up to the first, and what replies to any of them."""
        client, channel = self._surface.connected(), int(origin.channel)
        message = await client.message(channel, int(origin.message))
        root = message
        for _ in range(MAX_CHAIN):
            if not root.reply_to:
                break
            root = await client.message(channel, root.reply_to)
        if root is message:  # it replies to no message: the one above it is meant
            return await self._latest(origin, WholeThread())
        later = await self._from(origin, root.message)
        return selection.chain(later, root.message)

    async def _from(self, origin: Origin, first: int) -> Sequence[Facts]:
        """The messages from a given one to the latest before the question."""
        client, channel = self._surface.connected(), int(origin.channel)
        found: list[Facts] = []
        after = first - 1
        while len(found) < MAX_MESSAGES:
            page = await client.page(channel, before=None, after=after)
            found += page
            if not selection.is_full(page) or page[-1].message >= int(origin.message):
                break
            after = page[-1].message
        return selection.before(found, int(origin.message))

    async def _latest(self, origin: Origin, wanted: Wanted) -> Sequence[Facts]:
        """The latest messages before the question, as far back as is wanted."""
        client, channel = self._surface.connected(), int(origin.channel)
        found: list[Facts] = []
        before = int(origin.message)
        while len(found) < MAX_MESSAGES:
            page = await client.page(channel, before=before, after=None)
            found = [*page, *found]
            start = selection.start_of(found, origin, wanted)
            if start:
                return found[start:]
            if not selection.is_full(page):
                is_whole = isinstance(wanted, WholeThread)
                return [*(await self._starter(found) if is_whole else ()), *found]
            before = page[0].message
        return found

    async def _starter(self, found: Sequence[Facts]) -> Sequence[Facts]:
        """The message that a thread was made of: it is in the channel, and has the thread's id."""
        place = found[0].place if found else None
        if place is None or place.parent is None:
            return ()
        try:
            return [await self._surface.connected().message(place.parent, place.channel)]
        except UndeliverableError:
            return ()  # the thread began without one
