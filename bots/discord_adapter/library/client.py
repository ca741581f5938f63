"""discord.py's client on the addresses of the settings, handing on what it hears as plain data."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import discord
import discord.gateway
import discord.http
import yarl

from bots.discord_adapter.library.facts import channels_of, facts_of, may_read, place_of
from bots.discord_adapter.library.faults import translated
from bots.discord_adapter.reading import Facts, Place, Spot
from shared.logs import get_logger

log = get_logger(__name__)

MAX_RATE_LIMIT_WAIT_S = 60
NOBODY = discord.AllowedMentions.none()
STARTS_KEPT_BACK = 10
"""New sessions of a day that are left for whoever mends what used up the others."""
MS = 1000


@dataclass(frozen=True, slots=True)
class DiscordAccess:
    """What is needed to talk to Discord."""

    token: str
    api_url: str
    gateway_url: str | None = None
    """None: as Discord says."""


class Hearer(Protocol):
    """Who is told what is heard, and asked before a session is begun."""

    async def may_begin(self, bot: str) -> None:
        """Return once this bot may begin a new session."""
        ...

    async def begin_session(self, shard: int) -> None:
        """A shard is about to begin a session, which tells it of nothing that was said before."""
        ...

    async def look_back(self, shard: int) -> None:
        """A shard has begun a session: look for what was said meanwhile."""
        ...

    def note_listening(self, shard: int, *, is_listening: bool) -> None:
        """A shard hears again, with all that it missed, or hears no more."""
        ...

    async def hear(self, facts: Facts) -> None:
        """A message."""
        ...

    async def forget(self, place: Place, messages: Sequence[int]) -> None:
        """Messages were deleted."""
        ...


class Client(discord.AutoShardedClient):
    """discord.py's client on the addresses of the settings, handing on what it hears."""

    def __init__(self, access: DiscordAccess, hearer: Hearer, *, reads_content: bool) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.messages = True
        intents.message_content = reads_content
        super().__init__(
            intents=intents,
            allowed_mentions=NOBODY,
            max_ratelimit_timeout=MAX_RATE_LIMIT_WAIT_S,
            # Nothing is read from the cache but who wrote the message that is replied to.
            max_messages=None,
            chunk_guilds_at_startup=False,
        )
        discord.http.Route.BASE = access.api_url.rstrip("/")
        self._hearer = hearer
        self._gateway = yarl.URL(access.gateway_url) if access.gateway_url else None
        self._paid_shards: set[int | None] = set()
        """Shards for whose next session a start has been taken."""

    @property
    def user_id(self) -> int | None:
        """Our own id, once we are logged in."""
        return self.user.id if self.user else None

    async def launch_shards(self) -> None:
        """Start as many shards as Discord says; one if only the gateway is known."""
        try:
            num_shards, url, limit = await self.http.get_bot_gateway()
        except (discord.GatewayNotFound, KeyError):
            if self._gateway is None:
                raise
            num_shards, url = 1, ""
        else:
            await _wait_for_day(limit["remaining"], limit["reset_after"] / MS)
        self._gateway = self._gateway or yarl.URL(url)
        # A session that cannot be resumed begins anew at what discord.py takes for the gateway.
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = self._gateway
        self.shard_count = num_shards
        await super().launch_shards()

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect one shard as soon as it may begin a session, and not before."""
        await self._pay(shard_id)
        await super().launch_shard(self._gateway or gateway, shard_id, initial=initial)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """A new session: whatever was said since the last one has to be looked for."""
        await super().before_identify_hook(shard_id, initial=initial)
        await self._pay(shard_id)
        self._paid_shards.discard(shard_id)
        await self._hearer.begin_session(shard_id or 0)

    async def _pay(self, shard_id: int | None) -> None:
        if shard_id not in self._paid_shards:
            await self._hearer.may_begin(str(self.user_id))
            self._paid_shards.add(shard_id)

    async def on_ready(self) -> None:
        """Say in the log that we are there."""
        log.info("discord_ready", shards=self.shard_count, guilds=len(self.guilds))

    async def on_shard_ready(self, shard_id: int) -> None:
        """A new session."""
        await self._hearer.look_back(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """The old session goes on: Discord has sent what was missed."""
        self._hearer.note_listening(shard_id, is_listening=True)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """Nothing is heard for now."""
        self._hearer.note_listening(shard_id, is_listening=False)

    async def on_message(self, message: discord.Message) -> None:
        """Hand a message on."""
        await self._hearer.hear(facts_of(message, self.user))

    async def on_raw_message_delete(self, deleted: discord.RawMessageDeleteEvent) -> None:
        """Hand a deletion on."""
        place = Place(deleted.guild_id, deleted.channel_id)
        await self._hearer.forget(place, [deleted.message_id])

    async def on_raw_bulk_message_delete(self, deleted: discord.RawBulkMessageDeleteEvent) -> None:
        """Hand many deletions on."""
        place = Place(deleted.guild_id, deleted.channel_id)
        await self._hearer.forget(place, sorted(deleted.message_ids))

    def spots(self, shard_id: int) -> list[Spot]:
        """The channels and active threads of a shard that we may read and that hold messages."""
        return [
            Spot(place_of(channel), channel.last_message_id)
            for guild in self.guilds
            if guild.shard_id == shard_id
            for channel in channels_of(guild)
            if channel.last_message_id and may_read(guild, channel)
        ]

    async def history(self, place: Place, after: int, limit: int) -> list[Facts]:
        """The latest messages of a place that were written after one, the oldest first.

        Raises:
            PlatformError: Discord does not show it.
        """
        with translated():
            # Direct messages are in no cache; all that is missing of this one is its guild.
            channel = self.get_channel(place.channel) or self.get_partial_messageable(place.channel)
            if not isinstance(channel, discord.abc.Messageable):
                return []
            latest = channel.history(after=discord.Object(after), oldest_first=False, limit=limit)
            found = [facts_of(message, self.user) async for message in latest]
        return found[::-1]

    async def say(self, channel: int, text: str, nonce: str) -> None:
        """Post a message that is nobody's answer.

        Raises:
            PlatformError: Discord does not take it.
        """
        with translated():
            place = self.get_partial_messageable(channel)
            await place.send(text, nonce=nonce, allowed_mentions=NOBODY)


async def _wait_for_day(num_left: int, reset_after_s: float) -> None:
    """Wait for another day's sessions if this one's are nearly used up."""
    if num_left <= STARTS_KEPT_BACK:
        log.error("session_starts_used_up", num_left=num_left, wait_s=round(reset_after_s))
        await asyncio.sleep(reset_after_s)
