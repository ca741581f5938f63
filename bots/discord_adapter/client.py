"""Discord: the only file that imports discord.py."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp
import discord
import discord.http
import redis
import yarl

from bots.discord_adapter.text import plain_text
from bots.intake import Incoming
from bots.policy import Situation
from bots.reception import Reception
from bots.render.discord import render_for_discord
from shared.errors import (
    MessageGoneError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    TokenError,
    UndeliverableError,
)
from shared.jobs import Job, Origin, Platform
from shared.logs import get_logger

log = get_logger(__name__)

EDIT_EVERY_S = 1.0
TYPING_EVERY_S = 8.0
"""Discord shows "is typing" for ten seconds."""
MAX_RATE_LIMIT_WAIT_S = 60
SEARCH_LIMIT = 100
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0
UNKNOWN_MESSAGE = 10008
BAD_TOKEN_CLOSE = 4004
REFUSED = "Discord refuses DISCORD_TOKEN: copy it again from your application's page, Bot."
DIRECT_TEAM = "@me"
NOBODY = discord.AllowedMentions.none()
PERSONS_TYPES = (discord.MessageType.default, discord.MessageType.reply)


@dataclass(frozen=True, slots=True)
class DiscordAccess:
    """What is needed to talk to Discord."""

    token: str
    api_url: str
    gateway_url: str | None = None
    """None: as Discord says."""


class Client(discord.AutoShardedClient):
    """discord.py's client on the addresses of the settings, handing on messages."""

    def __init__(
        self, access: DiscordAccess, adapter: "DiscordAdapter", *, reads_content: bool
    ) -> None:
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
        self._adapter = adapter
        self._gateway = yarl.URL(access.gateway_url) if access.gateway_url else None

    @property
    def user_id(self) -> int | None:
        """Our own id, once we are logged in."""
        return self.user.id if self.user else None

    async def launch_shards(self) -> None:
        """Start as many shards as Discord says; one if only the gateway is known."""
        try:
            await super().launch_shards()
        except (discord.GatewayNotFound, KeyError):
            if self._gateway is None:
                raise
            self.shard_count = 1
            await super().launch_shards()

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect one shard, to the gateway of the settings if there is one."""
        await super().launch_shard(self._gateway or gateway, shard_id, initial=initial)

    async def on_ready(self) -> None:
        """Say in the log that we are there."""
        log.info("discord_ready", shards=self.shard_count, guilds=len(self.guilds))

    async def on_message(self, message: discord.Message) -> None:
        """Hand a message on."""
        await self._adapter.receive(message)


class DiscordSurface:
    """Discord as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = TYPING_EVERY_S
    placeholder: str | None = None

    def __init__(self) -> None:
        self.client: Client | None = None
        """The connected client; set by the adapter."""

    def render(self, text: str) -> Sequence[str]:
        """Parts of Markdown within Discord's limit."""
        return render_for_discord(text)

    async def post(self, job: Job, part: int, text: str) -> str:
        """Post, the first part as a reply to the question. See ``delivery.Surface``.

        The nonce is the job's: Discord answers a repeated post with the message that it has.
        """
        with _translated():
            channel = self._channel(job)
            message = await channel.send(
                text,
                nonce=job.id if part == 0 else f"{job.id}-{part}",
                allowed_mentions=NOBODY,
                suppress_embeds=True,
                # None means none to discord.py, though its types do not say so.
                reference=_reference(job) if part == 0 else None,  # type: ignore[arg-type]
            )
        return str(message.id)

    async def edit(self, job: Job, message: str, text: str) -> None:
        """Replace a posted message's text. See ``delivery.Surface``."""
        with _translated():
            posted = self._channel(job).get_partial_message(int(message))
            await posted.edit(content=text, allowed_mentions=NOBODY)

    async def find(self, job: Job, part: int) -> str | None:
        """Look for our reply to the question. See ``delivery.Surface``.

        Later parts refer to nothing; their nonce alone keeps them from being posted twice.
        """
        if part > 0:
            return None
        asked = discord.Object(int(job.origin.message))
        me = self._connected().user_id
        with _translated():
            async for message in self._channel(job).history(
                after=asked, limit=SEARCH_LIMIT, oldest_first=True
            ):
                reference = message.reference
                if message.author.id == me and reference and reference.message_id == asked.id:
                    return str(message.id)
        return None

    async def show_busy(self, job: Job) -> None:
        """Show that we are typing."""
        with contextlib.suppress(PlatformUnavailableError, UndeliverableError), _translated():
            await self._channel(job).typing()

    def _connected(self) -> Client:
        if self.client is None or self.client.user is None:
            raise PlatformUnavailableError("not connected")
        return self.client

    def _channel(self, job: Job) -> discord.PartialMessageable:
        return self._connected().get_partial_messageable(int(job.origin.channel))


def _reference(job: Job) -> discord.MessageReference:
    return discord.MessageReference(
        message_id=int(job.origin.message),
        channel_id=int(job.origin.channel),
        fail_if_not_exists=False,
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """discord.py's exceptions as ours, with their cause."""
    try:
        yield
    except (discord.DiscordServerError, discord.RateLimited) as error:
        raise PlatformUnavailableError(type(error).__name__) from error
    except discord.HTTPException as error:
        if error.status == 429:  # noqa: PLR2004 - HTTP's own number
            raise PlatformUnavailableError("429") from error
        if error.code == UNKNOWN_MESSAGE:
            raise MessageGoneError("deleted") from error
        raise UndeliverableError(f"{error.status}, code {error.code}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise PlatformUnavailableError(type(error).__name__) from error


class DiscordAdapter:
    """Discord's messages into the reception."""

    def __init__(
        self,
        access: DiscordAccess,
        surface: DiscordSurface,
        reception: Reception,
        auto_reply_channels: frozenset[str],
    ) -> None:
        self._access = access
        self._surface = surface
        self._reception = reception
        self._auto_reply_channels = auto_reply_channels

    async def run(self) -> None:
        """Serve until cancelled. See ``adapters.Adapter``.

        Without the message content intent Discord still shows us direct messages, mentions and
        replies to us, so a bot that may not have it goes on without.
        """
        try:
            await self._connect(reads_content=True)
        except discord.PrivilegedIntentsRequired:
            log.warning("discord_without_message_content")
            await self._connect(reads_content=False)

    async def _connect(self, *, reads_content: bool) -> None:
        client = Client(self._access, self, reads_content=reads_content)
        self._surface.client = client
        with _start_up_faults(self._access):
            async with client:
                await client.start(self._access.token)

    async def receive(self, message: discord.Message) -> None:
        """Accept a message. Discord does not ask again, so a failure is tried again here."""
        wait_s = FIRST_RETRY_S
        while True:
            try:
                await self._reception.receive(await self._to_incoming(message))
            except (redis.RedisError, TimeoutError, OSError) as error:
                log.warning("accept_delayed", error=type(error).__name__)
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_RETRY_S, wait_s * 2)
            else:
                return

    async def _to_incoming(self, message: discord.Message) -> Incoming:
        """Describe a message in words that every platform shares."""
        our_ids = self._our_ids(message)
        is_direct = isinstance(message.channel, discord.DMChannel)
        is_thread = isinstance(message.channel, discord.Thread)
        is_auto_reply = bool(self._places(message) & self._auto_reply_channels)
        origin = Origin(
            platform=Platform.DISCORD,
            team=_team(message),
            channel=str(message.channel.id),
            thread="",
            message=str(message.id),
            user=str(message.author.id),
        )
        is_follow_up = False
        if is_thread:
            is_follow_up = await self._reception.store.takes_part(origin)
        elif not is_direct and not is_auto_reply:
            thread = await self._thread_of_reply(message, origin)
            is_follow_up = thread is not None
            origin = dataclasses.replace(origin, thread=thread or origin.message)
        mentioned = {*message.raw_mentions, *message.raw_role_mentions}
        pinged = {user.id for user in message.mentions}
        situation = Situation(
            is_from_person=_is_from_person(message) and message.author.id not in our_ids,
            is_direct=is_direct,
            mentions_us=bool((mentioned | pinged) & our_ids),
            mentions_others=bool(mentioned - our_ids),
            is_follow_up=is_follow_up,
            is_auto_reply=is_auto_reply,
        )
        return Incoming(origin, plain_text(message.content, our_ids, _names(message)), situation)

    async def _thread_of_reply(self, message: discord.Message, origin: Origin) -> str | None:
        """The conversation that a reply to one of our messages goes on; None if it is no such."""
        reference = message.reference
        if reference is None or reference.message_id is None:
            return None
        return await self._reception.store.find_thread(origin, str(reference.message_id))

    def _our_ids(self, message: discord.Message) -> frozenset[int]:
        """Our user, and the role that Discord makes for a bot: people mention either."""
        client = self._surface.client
        user = client.user if client else None
        role = message.guild.self_role if message.guild else None
        return frozenset(known.id for known in (user, role) if known)

    def _places(self, message: discord.Message) -> set[str]:
        """The channel and, for a thread, the channel that it hangs in."""
        parent = getattr(message.channel, "parent_id", None)
        return {str(message.channel.id), str(parent)}


def _team(message: discord.Message) -> str:
    guild_id = message.guild.id if message.guild else getattr(message.channel, "guild_id", None)
    return str(guild_id) if guild_id else DIRECT_TEAM


def _is_from_person(message: discord.Message) -> bool:
    is_persons = message.type in PERSONS_TYPES and message.webhook_id is None
    return is_persons and not message.author.bot


def _names(message: discord.Message) -> dict[int, str]:
    users = {user.id: user.display_name for user in message.mentions}
    roles = {role.id: role.name for role in message.role_mentions}
    return users | roles


@dataclass(frozen=True, slots=True)
class DiscordIdentity:
    """Who we are on Discord, and whether we may read every message."""

    name: str
    reads_content: bool


async def identify(access: DiscordAccess) -> DiscordIdentity:
    """Ask Discord who we are, without connecting to its gateway.

    Raises:
        TokenError: it does not know the token.
        PlatformUnreachableError: it does not answer.
    """
    with _start_up_faults(access):
        async with discord.Client(intents=discord.Intents.none()) as client:
            discord.http.Route.BASE = access.api_url.rstrip("/")
            await client.login(access.token)
            application = await client.application_info()
            flags = application.flags
            name = str(client.user)
    reads = flags.gateway_message_content or flags.gateway_message_content_limited
    return DiscordIdentity(name, reads_content=reads)


@contextlib.contextmanager
def _start_up_faults(access: DiscordAccess) -> Iterator[None]:
    try:
        yield
    except discord.LoginFailure as error:
        raise TokenError(REFUSED) from error
    except discord.PrivilegedIntentsRequired:
        raise
    except discord.ConnectionClosed as error:
        if error.code == BAD_TOKEN_CLOSE:
            raise TokenError(REFUSED) from error
        raise PlatformUnreachableError("Discord", access.api_url, str(error.code)) from error
    except (aiohttp.ClientError, TimeoutError, OSError, discord.DiscordException) as error:
        url, reason = access.api_url, type(error).__name__
        raise PlatformUnreachableError("Discord", url, reason) from error
