"""Reads the messages that tasks work on from Slack. See ``bots.incoming.context.HistoryReader``.

Reads the place itself and nothing beside it, and only for its members.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from bots.incoming.context import From, LastHours, Meant, SinceAsker, Wanted, WholeThread
from bots.slack.handlers.access import SlackAccessFacts
from bots.slack.handlers.people import People
from bots.slack.parse import selection
from bots.slack.parse.payloads import Json, SharedFile, is_timestamp, read_file, read_files
from bots.slack.parse.text import Identity, mentioned_in, permalink, plain_text
from bots.slack.sdk.client import Account
from bots.slack.sdk.history import History
from bots.slack.sdk.screen import Screen
from bots.store import AsyncStore
from shared.errors import NotAMemberError, NoThreadError
from shared.jobs import Origin
from shared.logs import get_logger
from shared.tasks import Quoted

log = get_logger(__name__)

HOUR_S = 3600.0
MAX_THREADS = 20
"""Threads of a channel that are read as well, the latest ones: each is a call of its own, of 50 a
minute (docs.slack.dev/apis/web-api/rate-limits, tier 3)."""
FEW = 20
"""Messages among which a person's last one is looked for."""


class SlackHistory:
    """Fetches messages of one workspace."""

    def __init__(
        self,
        history: History,
        people: People,
        store: AsyncStore,
        me: Identity,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._history = history
        self._people = people
        self._store = store
        self._me = me
        self._clock = clock

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        """The messages, the oldest first. See ``bots.incoming.context.HistoryReader``.

        Raises:
            NotAMemberError: the asker is not in that place.
            NoThreadError: there is no thread.
            PlatformError: Slack does not show them.
        """
        if origin.act and not await self._people.may_ask(origin.channel, origin.user):
            raise NotAMemberError
        found = await self._read(origin, wanted)
        opted_out = await self._store.opted_out(origin.tenant)
        if isinstance(wanted, Meant):
            kept = selection.one(found, self._me, opted_out, origin.user)
        else:
            kept = selection.latest(selection.by_people(found, self._me, opted_out))
        return await self.quote(origin.channel, kept)

    async def files(self, origin: Origin) -> list[SharedFile]:
        """The files of the message that is meant, if it has any.

        Raises:
            PlatformError: Slack does not show it.
        """
        meant = [m for m in await self._meant(origin) if m.get("user") != self._me.user_id]
        return [read_file(file) for file in read_files(meant[-1].get("files"))] if meant else []

    async def quote(self, channel: str, messages: Sequence[Json]) -> list[Quoted]:
        """Messages with display names, and as plain text."""
        mentioned = {who for message in messages for who in mentioned_in(message["text"])}
        authors = {str(message["user"]) for message in messages if message.get("user")}
        names = await self._people.names(mentioned | authors)
        return [
            Quoted(
                author=names.get(str(message.get("user")), str(message.get("username") or "bot")),
                text=plain_text(message["text"], self._me, names),
                link=permalink(
                    self._me, channel, message["ts"], str(message.get("thread_ts") or "")
                ),
                written_at_s=float(message["ts"]),
                user=str(message.get("user") or ""),
            )
            for message in messages
        ]

    async def _read(self, origin: Origin, wanted: Wanted) -> list[Json]:
        match wanted:
            case Meant():
                return await self._meant(origin)
            case WholeThread():
                if not origin.thread or origin.thread == origin.message:
                    raise NoThreadError
                return self._asked_before(origin, await self._thread(origin))
            case LastHours(hours):
                return await self._channel(origin, self._clock() - hours * HOUR_S)
            case SinceAsker():
                found = await self._channel(origin, 0.0)
                return selection.since_last_of(found, origin.user)
            case From(message):
                if origin.thread:
                    return selection.since(await self._thread(origin), message)
                # Slack shows the messages after that time.
                return await self._channel(origin, float(message) - 1e-6)
            case _:
                assert_never(wanted)

    async def _meant(self, origin: Origin) -> list[Json]:
        if origin.act and is_timestamp(origin.message):
            message = await self._history.message(origin.channel, origin.message)
            return [message] if message else []
        if origin.thread and origin.thread != origin.message:
            return self._asked_before(origin, await self._thread(origin))
        found = await self._history.messages(origin.channel, 0.0, FEW)
        return self._asked_before(origin, found)

    async def _thread(self, origin: Origin) -> list[Json]:
        return await self._history.thread(origin.channel, origin.thread)

    async def _channel(self, origin: Origin, after_s: float) -> list[Json]:
        """A channel's messages after a time, its latest threads included."""
        most = selection.MAX_MESSAGES
        found = await self._history.messages(origin.channel, after_s, most)
        begun = [m for m in found if float(m.get("latest_reply") or 0) > after_s]
        begun.sort(key=lambda message: float(message["latest_reply"]))
        replies = [
            reply
            for message in begun[-MAX_THREADS:]
            for reply in await self._history.replies(origin.channel, message["ts"], after_s, most)
        ]
        return self._asked_before(origin, selection.latest([*found, *replies]))

    def _asked_before(self, origin: Origin, messages: Sequence[Json]) -> list[Json]:
        """The messages before the request, without the message that asks."""
        if origin.act:
            return list(messages)
        return selection.before(messages, origin.message)


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """What reads one workspace, with caches that all users share."""

    history: History
    people: People
    history_reader: SlackHistory
    access_facts: SlackAccessFacts


def channel_access_of(account: Account, store: AsyncStore) -> ChannelAccess:
    """Build what reads a workspace."""
    history = History(account.access)
    people = People(history)
    history_reader = SlackHistory(history, people, store, account.me)
    access_facts = SlackAccessFacts(account.me, people, Screen(account.access))
    return ChannelAccess(history, people, history_reader, access_facts)
