"""Discord: the only file that imports discord.py."""

import asyncio
import base64
import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import aiohttp
import discord
import discord.gateway
import discord.http
import yarl

from bots.discord_adapter.reading import Facts, Place, Spot
from bots.render.discord import is_beginning_of, render_for_discord
from shared.errors import (
    MessageGoneError,
    PlatformSilentError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    RateLimitedError,
    TokenError,
    UndeliverableError,
)
from shared.jobs import Job
from shared.logs import get_logger
from shared.replies import Picture

log = get_logger(__name__)

EDIT_EVERY_S = 1.0
NOTICE_EVERY_S = 0.5
TYPING_EVERY_S = 8.0
"""Discord shows "is typing" for ten seconds."""
MAX_RATE_LIMIT_WAIT_S = 60
SHORTEST_WAIT_S = 1.0
SEARCH_LIMIT = 300
MAX_NONCES = 5
"""A part is posted so often anew after somebody deleted it."""
UNKNOWN_MESSAGE = 10008
BAD_TOKEN_CLOSE = 4004
REFUSED = "Discord refuses DISCORD_TOKEN: copy it again from your application's page, Bot."
NOBODY = discord.AllowedMentions.none()
PERSONS_TYPES = (discord.MessageType.default, discord.MessageType.reply)
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
        await self._hearer.hear(self._facts(message))

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
            Spot(_place_of(channel), channel.last_message_id)
            for guild in self.guilds
            if guild.shard_id == shard_id
            for channel in _channels(guild)
            if channel.last_message_id and _may_read(guild, channel)
        ]

    async def history(self, place: Place, after: int, limit: int) -> list[Facts]:
        """The latest messages of a place that were written after one, the oldest first.

        Raises:
            PlatformError: Discord does not show it.
        """
        with _translated():
            # Direct messages are in no cache; all that is missing of this one is its guild.
            channel = self.get_channel(place.channel) or self.get_partial_messageable(place.channel)
            if not isinstance(channel, discord.abc.Messageable):
                return []
            latest = channel.history(after=discord.Object(after), oldest_first=False, limit=limit)
            found = [self._facts(message) async for message in latest]
        return found[::-1]

    async def say(self, channel: int, text: str, nonce: str) -> None:
        """Post a message that is nobody's answer.

        Raises:
            PlatformError: Discord does not take it.
        """
        with _translated():
            place = self.get_partial_messageable(channel)
            await place.send(text, nonce=nonce, allowed_mentions=NOBODY)

    def _facts(self, message: discord.Message) -> Facts:
        reference = message.reference
        original = reference.resolved if reference else None
        role = message.guild.self_role if message.guild else None
        is_persons = message.type in PERSONS_TYPES and message.webhook_id is None
        names = {user.id: user.display_name for user in message.mentions}
        return Facts(
            place=_place_of(message.channel),
            message=message.id,
            author=message.author.id,
            text=message.content,
            our_ids=frozenset(known.id for known in (self.user, role) if known),
            is_from_person=is_persons and not message.author.bot,
            mentioned=frozenset({*message.raw_mentions, *message.raw_role_mentions}),
            pinged=frozenset(names),
            names=names | {role.id: role.name for role in message.role_mentions},
            reply_to=reference.message_id if reference else None,
            reply_to_author=original.author.id if isinstance(original, discord.Message) else None,
        )


Readable = discord.TextChannel | discord.VoiceChannel | discord.Thread


def _channels(guild: discord.Guild) -> list[Readable]:
    return [*guild.text_channels, *guild.voice_channels, *guild.threads]


def _place_of(channel: object) -> Place:
    guild = getattr(channel, "guild", None)
    guild_id = guild.id if guild else getattr(channel, "guild_id", None)
    parent = channel.parent_id if isinstance(channel, discord.Thread) else None
    channel_id: int = getattr(channel, "id")  # noqa: B009 - all kinds of channels have one
    return Place(guild_id, channel_id, parent)


def _may_read(guild: discord.Guild, channel: Readable) -> bool:
    """Whether we may: asking in vain too often closes Discord to this machine."""
    if isinstance(channel, discord.Thread) and channel.parent is None:
        return False
    rights = channel.permissions_for(guild.me)
    return rights.view_channel and rights.read_message_history


async def _wait_for_day(num_left: int, reset_after_s: float) -> None:
    """Wait for another day's sessions if this one's are nearly used up."""
    if num_left <= STARTS_KEPT_BACK:
        log.error("session_starts_used_up", num_left=num_left, wait_s=round(reset_after_s))
        await asyncio.sleep(reset_after_s)


class DiscordSurface:
    """Discord as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = TYPING_EVERY_S
    notice_every_s: float | None = NOTICE_EVERY_S
    placeholder: str | None = None

    def __init__(self) -> None:
        self.client: Client | None = None
        """The connected client; set by the adapter."""

    def render(self, text: str) -> Sequence[str]:
        """Parts of Markdown within Discord's limit."""
        return render_for_discord(text)

    def can_edit(self, job: Job) -> bool:
        """All that we post can be edited."""
        del job
        return True

    async def post(self, job: Job, part: int, text: str, picture: Picture | None = None) -> str:
        """Post, the first part as a reply to the question. See ``surface.Surface``.

        The nonce is the job's: Discord answers a repeated post with the message that it has. If
        somebody has deleted that one it says so, and the next nonce is as much the job's.
        """
        for nonce in _nonces(job, part):
            with contextlib.suppress(MessageGoneError):
                return await self._send(job, part, text, nonce, picture)
        raise UndeliverableError("deleted again and again")

    async def _send(
        self, job: Job, part: int, text: str, nonce: str, picture: Picture | None
    ) -> str:
        with _translated():
            message = await self._channel(job).send(
                text,
                nonce=nonce,
                files=_files(picture),
                allowed_mentions=NOBODY,
                suppress_embeds=True,
                # None means none to discord.py, though its types do not say so.
                reference=_reference(job) if part == 0 else None,  # type: ignore[arg-type]
            )
        return str(message.id)

    async def edit(self, job: Job, message: str, text: str, picture: Picture | None = None) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        # discord.py's own edit of a message that is only known by its id cannot keep embeds away.
        content = discord.http.handle_message_parameters(
            text,
            files=_files(picture),
            allowed_mentions=NOBODY,
            flags=discord.MessageFlags(suppress_embeds=True),
        )
        with _translated(), content as params:
            await self._connected().http.edit_message(
                int(job.origin.channel), int(message), params=params
            )

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        with _translated():
            await self._channel(job).get_partial_message(int(message)).delete()

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for our reply to the question, or what stands below it. See ``surface.Surface``.

        The history does not tell nonces. Later parts refer to nothing; they are known by what
        they say.
        """
        asked = int(job.origin.message)
        found: list[str] = []
        with _translated():
            me = self._connected().user_id
            async for message in self._channel(job).history(
                after=discord.Object(int(after or asked)), limit=SEARCH_LIMIT, oldest_first=True
            ):
                reference = message.reference.message_id if message.reference else None
                is_part = (
                    reference == asked
                    if part == 0
                    else reference is None and is_beginning_of(message.content, text)
                )
                if message.author.id == me and is_part:
                    found.append(str(message.id))
        return found

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message. See ``surface.Surface``."""
        with _translated():
            await (
                self._channel(job).get_partial_message(int(job.origin.message)).add_reaction(emoji)
            )

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


def _files(picture: Picture | None) -> list[discord.File]:
    if picture is None:
        return []
    content = io.BytesIO(base64.b64decode(picture.content))
    return [discord.File(content, picture.name, description=picture.description)]


def _nonces(job: Job, part: int) -> list[str]:
    name = job.id if part == 0 else f"{job.id}-{part}"
    return [name, *(f"{name}{again}" for again in "abcdefgh"[: MAX_NONCES - 1])]


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
    except discord.RateLimited as error:
        raise RateLimitedError(error.retry_after) from error
    except discord.DiscordServerError as error:
        raise PlatformUnavailableError(type(error).__name__) from error
    except discord.HTTPException as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _rate_limited(error) from error
        if error.status == HTTPStatus.UNAUTHORIZED:  # somebody has to mend the token
            raise PlatformUnavailableError("401") from error
        if error.code == UNKNOWN_MESSAGE:
            raise MessageGoneError("deleted") from error
        raise UndeliverableError(f"{error.status}, code {error.code}") from error
    except TimeoutError as error:
        raise PlatformSilentError(type(error).__name__) from error
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        # RuntimeError is aiohttp's for a call on a client that is being closed.
        raise PlatformUnavailableError(type(error).__name__) from error


def _rate_limited(error: discord.HTTPException) -> RateLimitedError:
    """A 429 that discord.py does not wait out: the fifth one, or Cloudflare's own.

    Cloudflare's knows no buckets, and comes without the header that Discord's has.
    """
    headers = error.response.headers
    wait_s = float(headers.get("Retry-After") or 0.0)
    return RateLimitedError(max(SHORTEST_WAIT_S, wait_s), is_everywhere="Via" not in headers)


async def serve(access: DiscordAccess, surface: DiscordSurface, hearer: Hearer) -> None:
    """Listen until cancelled.

    Without the message content intent Discord still shows us direct messages, mentions and replies
    to us, so a bot that may not have it goes on without.

    Raises:
        TokenError: Discord does not know the token.
        PlatformUnreachableError: it does not answer.
    """
    try:
        await _connect(access, surface, Client(access, hearer, reads_content=True))
    except discord.PrivilegedIntentsRequired:
        log.warning("discord_without_message_content")
        await _connect(access, surface, Client(access, hearer, reads_content=False))


async def _connect(access: DiscordAccess, surface: DiscordSurface, client: Client) -> None:
    surface.client = client
    with _start_up_faults(access):
        async with client:
            await client.start(access.token)


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
