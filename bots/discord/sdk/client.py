"""discord.py's client on the addresses of the settings; hands events on as plain data."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

import aiohttp
import discord
import discord.gateway
import discord.http
import yarl

from bots.access.request import AccessRequest
from bots.delivery.surface import Piece
from bots.discord.parse.payloads import Caller, DiscordPlace, Facts, Spot
from bots.discord.parse.requests import Reaction, TaskRequest, UserRequest
from bots.discord.sdk.convert import (
    Readable,
    channels_of,
    facts_of,
    may_read,
    place_of,
    roles_of,
)
from bots.discord.sdk.errors import translated
from bots.discord.views.buttons import DiscordButtonPress
from bots.discord.views.settings import SettingsPage, Sheet
from bots.incoming.preference_form import Values
from shared.errors import UndeliverableError
from shared.jobs import Origin
from shared.logs import get_logger

log = get_logger(__name__)

MAX_RATE_LIMIT_WAIT_S = 60
NOBODY = discord.AllowedMentions.none()
STARTS_KEPT_BACK = 10
"""New sessions of a day that are left for repairing whatever used up the others."""
MS = 1000
PAGE = 100
"""Messages that Discord returns at once."""
MAX_PINS = 250
"""Of a channel: docs.discord.com, Message, Pin Message."""
DOWNLOAD_S = 30.0
CHUNK_BYTES = 1 << 16
NONCE_CHARS = 25
"""The longest nonce that Discord accepts: docs.discord.com, Message, Create Message."""


@dataclass(frozen=True, slots=True)
class DiscordAccess:
    """The token and the addresses of Discord."""

    token: str
    api_url: str
    gateway_url: str | None = None
    """None: as Discord says."""
    user_installs: bool = False
    """Whether commands are offered to people who installed the app for themselves."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a channel lies in."""

    parent: str
    """The channel of a thread or a forum's post; else empty."""
    category: str
    """Empty for none."""


class AccountHandlers(Protocol):
    """Handles account requests and settings. Return values are for the asker alone."""

    async def quota(self, caller: Caller) -> str:
        """What a person and the channel have used today, and their quotas."""
        ...

    async def forget(self, caller: Caller) -> str:
        """Delete what is kept of a person."""
        ...

    def may_edit(self, caller: Caller, *, is_for_server: bool) -> bool:
        """Whether a person may change the settings of their channel, or of their server."""
        ...

    async def settings(self, caller: Caller) -> str:
        """The preferences of a channel and its server."""
        ...

    async def open(self, caller: Caller, page: SettingsPage, *, is_for_server: bool) -> Sheet | str:
        """A form, in time to be shown; or why there is none."""
        ...

    async def save(self, caller: Caller, sheet: Sheet, values: Values) -> str:
        """Save a submitted form."""
        ...


class DiscordEventHandler(Protocol):
    """Receives events, and is asked before a session is started."""

    @property
    def account_handlers(self) -> AccountHandlers:
        """Handles account requests and settings."""
        ...

    async def may_begin(self, bot: str) -> None:
        """Return once this bot may start a new session."""
        ...

    async def begin_session(self, shard: int) -> None:
        """Before a shard starts a session, which receives nothing from before it."""
        ...

    async def look_back(self, shard: int) -> None:
        """A shard has started a session: backfill what was said meanwhile."""
        ...

    def note_listening(self, shard: int, *, is_listening: bool) -> None:
        """Note that a shard receives events again, without a gap, or receives none."""
        ...

    async def on_message(self, facts: Facts) -> None:
        """Handle a new message."""
        ...

    async def forget(self, place: DiscordPlace, messages: Sequence[int]) -> None:
        """Handle deleted messages."""
        ...

    async def on_edit(self, facts: Facts, edited_at_s: float) -> None:
        """Handle an edited message; the time is in seconds since 1970."""
        ...

    async def refusal(
        self, request: AccessRequest, *, of_operator_alone: bool = False
    ) -> str | None:
        """Why a person may not ask; empty if they were told already, None if they may."""
        ...

    async def on_command(self, act: UserRequest, task_request: TaskRequest) -> str:
        """Handle a command or a menu; returns what to say instead of an answer, if anything."""
        ...

    async def on_reaction(self, reaction: Reaction) -> None:
        """Handle a reaction that a person added."""
        ...

    async def on_button(self, press: DiscordButtonPress) -> Sequence[Piece]:
        """Handle a pressed button under an answer; returns what to tell the person, if anything."""
        ...

    async def stop_all(self, caller: Caller) -> str:
        """Stop a person's answers in a place; returns what to tell them."""
        ...

    def note_pins(self, place: DiscordPlace) -> None:
        """Handle a change of a place's pinned messages."""
        ...

    def note_guild(self, guild: int, *, is_here: bool) -> None:
        """Note that a server has us, or has removed us."""
        ...


class Client(discord.AutoShardedClient):
    """discord.py's client; hands events on to its event handler."""

    def __init__(
        self, access: DiscordAccess, event_handler: DiscordEventHandler, *, reads_content: bool
    ) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.messages = True
        intents.reactions = True
        intents.message_content = reads_content
        super().__init__(
            intents=intents,
            allowed_mentions=NOBODY,
            max_ratelimit_timeout=MAX_RATE_LIMIT_WAIT_S,
            # The cache is only used for the author of the message that is replied to.
            max_messages=None,
            chunk_guilds_at_startup=False,
        )
        discord.http.Route.BASE = access.api_url.rstrip("/")
        self.event_handler = event_handler
        """Receives the events."""
        self._gateway = yarl.URL(access.gateway_url) if access.gateway_url else None
        self._paid_shards: set[int | None] = set()
        """Shards whose next session's start has been counted."""

    @property
    def user_id(self) -> int | None:
        """The bot's user id, once it is logged in."""
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
        # A session that cannot be resumed starts again at what discord.py takes for the gateway.
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = self._gateway
        self.shard_count = num_shards
        await super().launch_shards()

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect one shard as soon as it may start a session, and not before."""
        await self._pay(shard_id)
        await super().launch_shard(self._gateway or gateway, shard_id, initial=initial)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Before a new session: what was said since the last one needs a backfill."""
        await super().before_identify_hook(shard_id, initial=initial)
        await self._pay(shard_id)
        self._paid_shards.discard(shard_id)
        await self.event_handler.begin_session(shard_id or 0)

    async def _pay(self, shard_id: int | None) -> None:
        if shard_id not in self._paid_shards:
            await self.event_handler.may_begin(str(self.user_id))
            self._paid_shards.add(shard_id)

    async def on_ready(self) -> None:
        """Log that the bot is ready."""
        log.info("discord_ready", shards=self.shard_count, guilds=len(self.guilds))
        for guild in self.guilds:
            self.event_handler.note_guild(guild.id, is_here=True)

    async def on_shard_ready(self, shard_id: int) -> None:
        """Handle a new session."""
        await self.event_handler.look_back(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """Handle a resumed session: Discord has sent what was missed."""
        self.event_handler.note_listening(shard_id, is_listening=True)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """Handle a lost connection."""
        self.event_handler.note_listening(shard_id, is_listening=False)

    async def on_message(self, message: discord.Message) -> None:
        """Hand a message on."""
        await self.event_handler.on_message(facts_of(message, self.user))

    async def on_raw_message_edit(self, edited: discord.RawMessageUpdateEvent) -> None:
        """Hand an edit on; Discord also sends one when it unfurls a link."""
        message = edited.message
        if message.edited_at is not None:
            facts = facts_of(message, self.user)
            await self.event_handler.on_edit(facts, message.edited_at.timestamp())

    async def on_raw_message_delete(self, deleted: discord.RawMessageDeleteEvent) -> None:
        """Hand a deletion on."""
        place = DiscordPlace(deleted.guild_id, deleted.channel_id)
        await self.event_handler.forget(place, [deleted.message_id])

    async def on_raw_bulk_message_delete(self, deleted: discord.RawBulkMessageDeleteEvent) -> None:
        """Hand many deletions on."""
        place = DiscordPlace(deleted.guild_id, deleted.channel_id)
        await self.event_handler.forget(place, sorted(deleted.message_ids))

    async def on_raw_reaction_add(self, added: discord.RawReactionActionEvent) -> None:
        """Hand a person's reaction on."""
        is_bots = added.member is not None and added.member.bot
        if added.user_id != self.user_id and not is_bots and added.emoji.is_unicode_emoji():
            channel = self.get_channel(added.channel_id)
            place = place_of(channel) if channel else DiscordPlace(added.guild_id, added.channel_id)
            name = added.emoji.name
            roles = roles_of(added.member) if added.member else None
            await self.event_handler.on_reaction(
                Reaction(place, added.message_id, added.user_id, name, roles)
            )

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Hand on that a server has added us."""
        self.event_handler.note_guild(guild.id, is_here=True)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Hand on that an outage has ended, or that a server has added us."""
        self.event_handler.note_guild(guild.id, is_here=True)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Hand on that a server has removed us. During an outage of Discord this is not called."""
        self.event_handler.note_guild(guild.id, is_here=False)

    async def on_guild_channel_pins_update(
        self, channel: discord.abc.GuildChannel | discord.Thread, last_pin: datetime | None
    ) -> None:
        """Hand on that a place's pins have changed."""
        del last_pin
        self.event_handler.note_pins(place_of(channel))

    def spots(self, shard_id: int) -> list[Spot]:
        """The channels and active threads of a shard that we may read and that hold messages."""
        return [
            Spot(place_of(channel), channel.last_message_id)
            for guild in self.guilds
            if guild.shard_id == shard_id
            for channel in channels_of(guild)
            if channel.last_message_id and may_read(guild, channel)
        ]

    def places(self, shard_id: int, channels: frozenset[str]) -> list[DiscordPlace]:
        """Those of these channels that belong to a shard and that we may read."""
        return [spot.place for spot in self.spots(shard_id) if str(spot.place.channel) in channels]

    async def history(self, place: DiscordPlace, after: int, limit: int) -> list[Facts]:
        """The latest messages of a place that were written after one, the oldest first.

        Raises:
            PlatformError: Discord does not show it.
        """
        with translated():
            # Direct messages are in no cache; only the guild is missing here.
            channel = self.get_channel(place.channel) or self.get_partial_messageable(place.channel)
            if not isinstance(channel, discord.abc.Messageable):
                return []
            latest = channel.history(after=discord.Object(after), oldest_first=False, limit=limit)
            found = [facts_of(message, self.user) async for message in latest]
        return found[::-1]

    async def page(self, channel: int, *, before: int | None, after: int | None) -> list[Facts]:
        """At most ``PAGE`` messages of a channel before or after one, the oldest first.

        Raises:
            PlatformError: Discord does not show it.
        """
        with translated():
            place = self.get_channel(channel) or self.get_partial_messageable(channel)
            if not isinstance(place, discord.abc.Messageable):
                return []
            found = place.history(
                limit=PAGE,
                before=None if before is None else discord.Object(before),
                after=None if after is None else discord.Object(after),
            )
            messages = [facts_of(message, self.user) async for message in found]
        return sorted(messages, key=lambda facts: facts.message)

    async def message(self, channel: int, message: int) -> Facts:
        """One message.

        Raises:
            PlatformError: Discord does not show it.
        """
        with translated():
            place = self.get_channel(channel) or self.get_partial_messageable(channel)
            if not isinstance(place, discord.abc.Messageable):
                raise UndeliverableError("no channel for messages")
            return facts_of(await place.fetch_message(message), self.user)

    async def pins(self, place: DiscordPlace) -> list[Facts]:
        """The pinned messages of a place, the latest first.

        Raises:
            PlatformError: Discord does not show them.
        """
        with translated():
            channel = self.get_channel(place.channel)
            if not isinstance(channel, discord.abc.Messageable):
                return []
            return [facts_of(message, self.user) async for message in channel.pins(limit=MAX_PINS)]

    def may_read(self, channel: int) -> bool:
        """Whether we may read the messages of a server's channel."""
        place = self.get_channel(channel)
        return isinstance(place, Readable) and may_read(place.guild, place)

    async def lets_read(self, channel: int, user: int) -> bool:
        """Whether a person may read the messages of a server's channel.

        Raises:
            PlatformError: Discord does not return the member.
        """
        place = self.get_channel(channel)
        if not isinstance(place, Readable):
            return False
        with translated():
            member = await place.guild.fetch_member(user)
        rights = place.permissions_for(member)
        return rights.view_channel and rights.read_message_history

    async def roles_in(self, guild: int, user: int) -> frozenset[str] | None:
        """The roles of a person in a server; None if they, or we, are not its members.

        Raises:
            PlatformError: Discord does not say.
        """
        place = self.get_guild(guild)
        if place is None:
            return None
        with translated():
            try:
                member = await place.fetch_member(user)
            except discord.NotFound:
                return None
        return frozenset(map(str, roles_of(member)))

    async def surroundings(self, channel: int) -> Surroundings:
        """The parent and the category of a server's channel or thread.

        Raises:
            PlatformError: Discord does not say.
        """
        with translated():
            place = self.get_channel(channel) or await self.fetch_channel(channel)
            parent = place.parent_id if isinstance(place, discord.Thread) else None
            above: object = place
            if parent:
                above = self.get_channel(parent) or await self.fetch_channel(parent)
        category = getattr(above, "category_id", None)
        return Surroundings(str(parent or ""), str(category or ""))

    def locale_of(self, guild: int) -> str:
        """The language of a server; empty if it is not known."""
        place = self.get_guild(guild)
        return place.preferred_locale.value if place else ""

    async def whisper(self, user: int, text: str) -> None:
        """Send a person a direct message.

        Raises:
            PlatformError: Discord does not accept it; they may take none.
        """
        with translated():
            direct = await self.create_dm(discord.Object(user))
            await direct.send(text, allowed_mentions=NOBODY)

    async def download(self, url: str, max_bytes: int) -> bytes | None:
        """The bytes at one of Discord's addresses; None if there are more than allowed.

        Raises:
            PlatformError: it does not answer, or not with a file.
        """
        with translated():
            async with (
                asyncio.timeout(DOWNLOAD_S),
                aiohttp.ClientSession() as session,
                session.get(url, allow_redirects=False) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise UndeliverableError(f"the file answers {response.status}")
                return await _read_at_most(response, max_bytes)

    async def say(self, origin: Origin, text: str) -> None:
        """Post a sentence about a message that the ledger knows nothing of.

        Discord shows it once, also if another process says the same of that message.

        Raises:
            PlatformError: Discord does not accept it.
        """
        with translated():
            place = self.get_partial_messageable(int(origin.channel))
            await place.send(text, nonce=_nonce_of(origin), allowed_mentions=NOBODY)


def _nonce_of(origin: Origin) -> str:
    name = f"{origin.channel}:{origin.message}"
    return hashlib.sha256(name.encode()).hexdigest()[:NONCE_CHARS]


async def _wait_for_day(num_left: int, reset_after_s: float) -> None:
    """Wait for another day's sessions if this one's are nearly used up."""
    if num_left <= STARTS_KEPT_BACK:
        log.error("session_starts_used_up", num_left=num_left, wait_s=round(reset_after_s))
        await asyncio.sleep(reset_after_s)


async def _read_at_most(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    content = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            return None
    return bytes(content)
