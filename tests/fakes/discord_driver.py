"""What a test does to a fake Discord and what it sees there: places, users' doings, faults.

Nothing here opens a socket. Wherever an id is asked for, the thing itself will do.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from tests.fakes.discord_errors import MISSING_ACCESS
from tests.fakes.discord_faults import Fault, FaultKind, Faults
from tests.fakes.discord_forms import Edit
from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_interactions import BUTTON, Input, Interactions, OptionValue, Place
from tests.fakes.discord_mentions import REGULAR_DEFAULT, AllowedMentions
from tests.fakes.discord_model import (
    Attachment,
    Channel,
    ChannelKind,
    Guild,
    Interaction,
    Message,
    MessageKind,
    RequestRecord,
    Role,
    TypingCall,
    User,
)
from tests.fakes.discord_session import Close
from tests.fakes.discord_settings import INTENT_GUILDS, RateLimit, Settings
from tests.fakes.discord_world import Event, World
from tests.patience import PATIENCE_S

T = TypeVar("T")
# What a person with the largest subscription can write; a bot is held to 2,000.
MAX_USER_CONTENT_CHARS = 4_000


class HasId(Protocol):
    """A user, guild, channel or message."""

    id: int


# Wherever an id is asked for, the thing itself will do.
Ref = int | HasId


def to_id(ref: Ref) -> int:
    """Return the id of what was given."""
    return ref if isinstance(ref, int) else ref.id


class Driver:
    """The controls of one fake Discord.

    `settings` holds every limit and switch and may be changed at any time; `gateway` tells about
    connections and sessions.
    """

    def __init__(self, world: World, token: str) -> None:
        self.settings = world.settings
        self.world = world
        self.application_id = world.application_id
        self.bot_user_id = world.bot.id
        self.token = token
        self.gateway = Gateway(world, token)
        self._interactions = Interactions(world)
        self._faults = Faults()

    # ------------------------------------------------------------------ people and places

    def add_user(self, name: str, *, bot: bool = False, user_id: int | None = None) -> User:
        """Make an account."""
        return self.world.add_user(name, bot=bot, user_id=user_id)

    def add_guild(
        self,
        name: str = "guild",
        members: Iterable[Ref] = (),
        guild_id: int | None = None,
        *,
        is_foreign: bool = False,
    ) -> Guild:
        """Make a guild with these members, the owner, and the bot unless it is foreign.

        It has no channels yet.
        """
        users = [self.world.users[to_id(user)] for user in members]
        return self.world.add_guild(name, users, guild_id, is_foreign=is_foreign)

    def give_role(self, guild_id: Ref, user_id: Ref, role: Ref) -> None:
        """Give a member a role; the bot is not told, as without the intent for members."""
        self.world.guilds[to_id(guild_id)].members[to_id(user_id)].append(to_id(role))

    def add_role(self, guild_id: Ref, name: str, *, mentionable: bool = True) -> Role:
        """Make a role in a guild."""
        guild = self.world.guilds[to_id(guild_id)]
        return self.world.add_role(guild, name, mentionable=mentionable)

    def add_channel(
        self,
        guild_id: Ref,
        name: str = "general",
        kind: ChannelKind = ChannelKind.TEXT,
        channel_id: int | None = None,
        *,
        category: Ref | None = None,
    ) -> Channel:
        """Make a channel in a guild, in a category if one is given."""
        guild = self.world.guilds[to_id(guild_id)]
        above = None if category is None else to_id(category)
        return self.world.add_channel(guild, name, ChannelKind(kind), channel_id, category=above)

    def add_dm(self, user_id: Ref) -> Channel:
        """Return the direct message channel of the bot and a user, made at first use."""
        return self.world.open_dm(self.world.users[to_id(user_id)])

    def add_thread(self, channel_id: Ref, name: str, message_id: Ref | None = None) -> Channel:
        """Make a thread in a channel, from a message if one is given."""
        starter = None if message_id is None else self._message(message_id)
        return self.world.add_thread(self.world.channels[to_id(channel_id)], name, starter)

    def deny_channel(self, channel_id: Ref, code: int = MISSING_ACCESS) -> None:
        """Answer 403 in this channel and its threads: 50001 to everything, 50013 to writes."""
        self.world.channels[to_id(channel_id)].denied_code = code

    def allow_channel(self, channel_id: Ref) -> None:
        """Let the bot into the channel again."""
        self.world.channels[to_id(channel_id)].denied_code = None

    def deny_member(self, channel_id: Ref, user_id: Ref, permissions: int) -> None:
        """Take permissions, as bits, from a user in a channel; interactions tell what is left."""
        user = self.world.users[to_id(user_id)]
        self.world.deny(self.world.channels[to_id(channel_id)], user, permissions)

    def close_direct_messages(self, user_id: Ref) -> None:
        """Let a user take no direct messages."""
        self.world.users[to_id(user_id)].is_closed = True

    # ------------------------------------------------------------------ what users do

    async def say(  # noqa: PLR0913 - everything after the text is rare and named
        self,
        channel_id: Ref,
        user_id: Ref,
        content: str,
        *,
        reply_to: Ref | None = None,
        mentions: Iterable[Ref] | None = None,
        attachments: Sequence[Attachment] = (),
        bot: bool = False,
    ) -> Message:
        """Post as a user: store the message and dispatch MESSAGE_CREATE.

        Everything the text mentions pings, and so does a reply, unless `mentions` names the only
        users that do (empty: nobody, as a reply with its ping switched off). `bot` marks the
        author as a bot.

        Raises:
            ValueError: the text is longer than any user can post.
        """
        if len(content) > MAX_USER_CONTENT_CHARS:
            raise ValueError(f"nobody can post more than {MAX_USER_CONTENT_CHARS} characters")
        author = self.world.users[to_id(user_id)]
        author.bot = author.bot or bot
        channel = self.world.channels[to_id(channel_id)]
        if channel.guild_id is not None:
            self.world.guilds[channel.guild_id].members.setdefault(author.id, [])
        message = Message(self.world.ids.make(), channel.id, author.id, content)
        message.attachments = self.world.keep_attachments(attachments)
        if reply_to is not None:
            message.kind, message.reference = MessageKind.REPLY, to_id(reply_to)
        self.world.publish(message, self._read_pings(message, mentions))
        await self.gateway.flush()
        return message

    def _read_pings(self, message: Message, mentions: Iterable[Ref] | None) -> AllowedMentions:
        if mentions is None:
            return REGULAR_DEFAULT
        users = frozenset(to_id(user) for user in mentions)
        original = self.world.all_messages.get(message.reference or 0)
        is_reply_ping = original is not None and original.author_id in users
        return AllowedMentions(users=users, is_reply_ping=is_reply_ping)

    async def edit_message(self, message_id: Ref, content: str) -> Message:
        """Change a message as its author."""
        message = self._message(message_id)
        self.world.edit(message, Edit(content=content))
        await self.gateway.flush()
        return message

    async def delete_message(self, message_id: Ref) -> None:
        """Delete a message as its author or a moderator."""
        self.world.delete(self._message(message_id))
        await self.gateway.flush()

    async def pin(self, message_id: Ref) -> None:
        """Pin a message."""
        self.world.pin(self._message(message_id), is_pinned=True)
        await self.gateway.flush()

    async def unpin(self, message_id: Ref) -> None:
        """Take a pinned message down."""
        self.world.pin(self._message(message_id), is_pinned=False)
        await self.gateway.flush()

    async def react(self, message_id: Ref, user_id: Ref, emoji: str) -> None:
        """Add a user's reaction: a Unicode emoji or `name:id`."""
        self.world.react(self._message(message_id), to_id(user_id), emoji)
        await self.gateway.flush()

    async def unreact(self, message_id: Ref, user_id: Ref, emoji: str) -> None:
        """Take a user's reaction back."""
        self.world.unreact(self._message(message_id), to_id(user_id), emoji)
        await self.gateway.flush()

    async def call_command(
        self,
        channel_id: Ref,
        user_id: Ref,
        name: str,
        options: dict[str, OptionValue] | None = None,
        *,
        is_user_install: bool = False,
    ) -> Interaction:
        """Use a slash command; subcommands follow after spaces in `name`. A file is an option.

        Raises:
            LookupError: the bot has not registered it.
        """
        place = Place(to_id(channel_id), to_id(user_id), is_user_install=is_user_install)
        return await self._done(self._interactions.call_command(place, name, options or {}))

    async def type_option(
        self, channel_id: Ref, user_id: Ref, name: str, option: str, typed: str
    ) -> Interaction:
        """Type the beginning of an option; what the bot suggests is in the response.

        Raises:
            LookupError: the bot has not registered the command.
        """
        place = Place(to_id(channel_id), to_id(user_id))
        return await self._done(self._interactions.type_option(place, name, option, typed))

    async def call_message_menu(
        self, message_id: Ref, user_id: Ref, name: str, locale: str = ""
    ) -> Interaction:
        """Use a command from the context menu of a message.

        Raises:
            LookupError: the bot has not registered it.
        """
        message = self._message(message_id)
        place = Place(message.channel_id, to_id(user_id), locale=locale)
        return await self._done(self._interactions.call_message_menu(place, name, message))

    async def press_button(self, message_id: Ref, user_id: Ref, custom_id: str) -> Interaction:
        """Press a button of a message.

        Raises:
            LookupError: the message has no such button.
        """
        return await self._use_component(message_id, user_id, custom_id, None)

    async def choose(
        self, message_id: Ref, user_id: Ref, custom_id: str, values: Iterable[str]
    ) -> Interaction:
        """Choose values in a select menu of a message.

        Raises:
            LookupError: the message has no such menu.
        """
        return await self._use_component(message_id, user_id, custom_id, list(values))

    async def _use_component(
        self, message_id: Ref, user_id: Ref, custom_id: str, values: list[str] | None
    ) -> Interaction:
        message = self._message(message_id)
        kind = self._interactions.find_component(message, custom_id)
        if (kind == BUTTON) is not (values is None):
            raise LookupError(f"component {custom_id!r} is of type {kind}")
        place = Place(message.channel_id, to_id(user_id), message.id)
        return await self._done(
            self._interactions.use_component(place, custom_id, kind, values or [])
        )

    async def submit_modal(
        self, channel_id: Ref, user_id: Ref, custom_id: str, inputs: dict[str, Input]
    ) -> Interaction:
        """Send a form: the text, or the choices, for each of its fields by custom id."""
        place = Place(to_id(channel_id), to_id(user_id))
        return await self._done(self._interactions.submit_modal(place, custom_id, inputs))

    async def _done(self, interaction: Interaction) -> Interaction:
        await self.gateway.flush()
        return interaction

    # ------------------------------------------------------------------ what there is to see

    @property
    def requests(self) -> list[RequestRecord]:
        """All requests to the HTTP API, whole, oldest first."""
        return self.world.requests

    @property
    def typing(self) -> list[TypingCall]:
        """All calls of the typing endpoint."""
        return self.world.typing

    def messages(self, channel_id: Ref) -> list[Message]:
        """Return a channel's messages, oldest first, with deleted and ephemeral ones."""
        return self.world.messages_in(to_id(channel_id))

    def replies(self, channel_id: Ref) -> list[Message]:
        """Return the bot's messages of a channel that are not deleted."""
        return [
            m
            for m in self.messages(channel_id)
            if m.author_id == self.bot_user_id and not m.deleted
        ]

    def _message(self, message_id: Ref) -> Message:
        return self.world.all_messages[to_id(message_id)]

    async def wait_for(self, condition: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
        """Return the first truthy value of `condition`, looked at after each change here.

        Raises:
            TimeoutError: it stayed falsy for `timeout_s` seconds.
        """
        try:
            return await self.world.changes.wait_for(condition, timeout_s)
        except TimeoutError:
            last = [f"{r.method} {r.path}" for r in self.requests[-5:]]
            text = f"not so within {timeout_s} s; {self.gateway.num_connected} sessions connected"
            raise TimeoutError(f"{text}; last of {len(self.requests)} requests: {last}") from None

    async def wait_for_replies(
        self, channel_id: Ref, count: int = 1, contains: str = "", timeout_s: float = PATIENCE_S
    ) -> list[Message]:
        """Return the bot's messages in a channel once `count` of them contain a text.

        Raises:
            TimeoutError: there are too few after `timeout_s` seconds.
        """

        def find() -> list[Message]:
            found = [m for m in self.replies(channel_id) if contains in m.content]
            return found if len(found) >= count else []

        return await self.wait_for(find, timeout_s)

    def gateway_status(self) -> dict[str, int]:
        """Return how many sessions are connected, and how often there was IDENTIFY and RESUME."""
        return {
            "connected": self.gateway.num_connected,
            "identifies": len(self.gateway.identified_at_s),
            "resumes": self.gateway.num_resumes,
        }

    async def wait_until_connected(self, sessions: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until so many sessions have a connection."""
        await self.wait_for(lambda: self.gateway.num_connected >= sessions, timeout_s)

    # ------------------------------------------------------------------ faults of the HTTP API

    def fail_next(  # noqa: PLR0913 - the answer's parts, all named
        self,
        method: str,
        route_pattern: str,
        *,
        status: int,
        code: int = 0,
        retry_after_s: float | None = None,
        is_global: bool = False,
        times: int = 1,
    ) -> None:
        """Answer so instead of handling the next `times` requests that match."""
        fault = Fault(FaultKind.ANSWER, method, route_pattern, times)
        fault.status, fault.code = status, code
        fault.retry_after_s, fault.is_global = retry_after_s, is_global
        self._faults.add(fault)

    def ban_by_cloudflare(
        self, method: str, route_pattern: str, retry_after_s: float = 600.0, times: int = 1
    ) -> None:
        """Answer with Cloudflare's 429: HTML and no Via header."""
        fault = Fault(FaultKind.ANSWER, method, route_pattern, times, status=429)
        fault.retry_after_s, fault.is_from_cloudflare = retry_after_s, True
        self._faults.add(fault)

    def drop_connection_before(self, method: str, route_pattern: str, times: int = 1) -> None:
        """Close the connection instead of handling the request."""
        self._faults.add(Fault(FaultKind.DROP_BEFORE, method, route_pattern, times))

    def drop_connection_after(self, method: str, route_pattern: str, times: int = 1) -> None:
        """Handle the request, then close the connection instead of answering."""
        self._faults.add(Fault(FaultKind.DROP_AFTER, method, route_pattern, times))

    def answer_502_after(self, method: str, route_pattern: str, times: int = 1) -> None:
        """Handle the request, then answer 502."""
        self._faults.add(Fault(FaultKind.BAD_GATEWAY_AFTER, method, route_pattern, times))

    def delay(self, method: str, route_pattern: str, delay_s: float, times: int = 1) -> None:
        """Let the request wait before anything is done with it."""
        self._faults.add(Fault(FaultKind.DELAY, method, route_pattern, times, delay_s))

    def delay_after(self, method: str, route_pattern: str, delay_s: float, times: int = 1) -> None:
        """Handle the request at once, and answer late."""
        self._faults.add(Fault(FaultKind.DELAY_AFTER, method, route_pattern, times, delay_s))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._faults.clear()

    # ------------------------------------------------------------------ faults of the gateway

    async def drop_gateways(self) -> None:
        """Cut every gateway connection without a goodbye; the sessions can be resumed."""
        self.gateway.drop()

    async def close_gateways(self, code: int = Close.UNKNOWN_ERROR) -> None:
        """Close every gateway connection with a code; the sessions can be resumed."""
        self.gateway.close_all(code)
        await self.gateway.flush()

    async def invalidate_sessions(self, *, resumable: bool = False) -> None:
        """Send INVALID_SESSION to all; unless resumable nothing will be replayed."""
        self.gateway.invalidate(resumable=resumable)
        await self.gateway.flush()

    async def request_reconnect(self) -> None:
        """Send RECONNECT to all; what happens until they resume is replayed."""
        self.gateway.request_reconnect()
        await self.gateway.flush()

    async def revoke_token(self) -> None:
        """Answer 401 from now on, and close every gateway connection with 4004."""
        self.gateway.revoke_token()
        await self.gateway.flush()

    async def remove_guild(self, guild_id: Ref, *, is_outage: bool = False) -> None:
        """Take the bot out of a guild, or let the guild be unavailable for a while."""
        guild = self.world.guilds[to_id(guild_id)]
        gone = {"id": str(guild.id), **({"unavailable": True} if is_outage else {})}
        self.world.emit(Event("GUILD_DELETE", lambda _: gone, guild.id, INTENT_GUILDS))
        await self.gateway.flush()

    async def return_guild(self, guild_id: Ref) -> None:
        """Add the bot to a guild again, or end the guild's outage."""
        self.world.emit(self.world.guild_event(self.world.guilds[to_id(guild_id)]))
        await self.gateway.flush()

    # ------------------------------------------------------------------ switches

    @property
    def allow_message_content(self) -> bool:
        """The Message Content switch of the developer portal."""
        return self.settings.allow_message_content

    @allow_message_content.setter
    def allow_message_content(self, is_allowed: bool) -> None:
        self.settings.allow_message_content = is_allowed

    def configure(self, **changes: object) -> None:
        """Change settings by name; a rate limit may be given as a mapping.

        Raises:
            TypeError: there is no such setting.
        """
        names = {setting.name for setting in dataclasses.fields(Settings)}
        for name, value in changes.items():
            if name not in names:
                raise TypeError(f"no setting {name!r}, only {sorted(names)}")
            setattr(self.settings, name, RateLimit(**value) if isinstance(value, dict) else value)
