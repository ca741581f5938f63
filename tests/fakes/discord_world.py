"""The state of a fake Discord, what may happen to it, and the events that follow.

No sockets here: the HTTP handlers and the driving methods call this, and whoever listens (the
gateway) is told. Whoever waits for a condition is woken after each change.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from tests.fakes import discord_payloads as payloads
from tests.fakes import discord_settings as limits
from tests.fakes.discord_errors import UNKNOWN_MESSAGE, form_error, not_found
from tests.fakes.discord_forms import Draft, Edit
from tests.fakes.discord_mentions import AllowedMentions, component_texts, find_live_mentions
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
    Snowflakes,
    TypingCall,
    User,
)
from tests.fakes.discord_settings import Json, Settings

T = TypeVar("T")


class Changes:
    """Wakes whoever waits for a condition, each time something changed."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Let every waiter look at its condition again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, condition: Callable[[], T], timeout_s: float) -> T:
        """Return the first truthy value of `condition`.

        Raises:
            TimeoutError: it stayed falsy for `timeout_s` seconds.
        """
        async with asyncio.timeout(timeout_s):
            while not (value := condition()):
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter
            return value


@dataclass(frozen=True, slots=True)
class Event:
    """One gateway event. `build` makes its data for a session with the given intents.

    `guild_id` chooses the shard (None: the first), `intent` must be among the session's.
    """

    name: str
    build: Callable[[int], Json]
    guild_id: int | None = None
    intent: int = 0


class World:
    """Users, guilds, channels, messages and interactions; posts, edits, deletions, reactions."""

    def __init__(self, settings: Settings, application_id: int, bot_user_id: int) -> None:
        self.settings = settings
        self.application_id = application_id
        self.ids = Snowflakes()
        self.changes = Changes()
        self.listeners: list[Callable[[Event], None]] = []
        self.attachments_url = ""
        self.downloads: list[str] = []
        """Names of the files that were asked for, the oldest first."""
        self.is_token_reset = False
        self.bot = User(bot_user_id, "parley", bot=True)
        self.owner = User(bot_user_id + 1, "owner")
        self.users = {user.id: user for user in (self.bot, self.owner)}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.all_messages: dict[int, Message] = {}
        self._by_channel: dict[int, list[Message]] = {}
        self._by_nonce: dict[tuple[int, str], Message] = {}
        self.interactions: dict[int, Interaction] = {}
        self.uploads: dict[int, Attachment] = {}
        """Files that were given to commands."""
        self.commands: dict[int | None, list[Json]] = {}
        self.typing: list[TypingCall] = []
        self.requests: list[RequestRecord] = []

    # ------------------------------------------------------------------ people and places

    def add_user(self, name: str, *, bot: bool = False, user_id: int | None = None) -> User:
        """Make an account."""
        user = User(user_id or self.ids.make(), name, bot)
        self.users[user.id] = user
        return user

    def add_guild(
        self,
        name: str,
        members: Iterable[User],
        guild_id: int | None = None,
        *,
        is_foreign: bool = False,
    ) -> Guild:
        """Make a guild with these members, the owner, and the bot unless it is foreign."""
        guild = Guild(guild_id or self.ids.make(), name, self.owner.id, is_foreign=is_foreign)
        guild.roles[guild.id] = Role(guild.id, "@everyone", mentionable=False)
        for user in (self.owner, *(() if is_foreign else (self.bot,)), *members):
            guild.members[user.id] = []
        self.guilds[guild.id] = guild
        if not is_foreign:
            self.emit(self.guild_event(guild))
        return guild

    def guild_event(self, guild: Guild) -> Event:
        """Return the GUILD_CREATE of a guild."""

        def build(intents: int) -> Json:
            has_all_members = bool(intents & limits.INTENT_GUILD_MEMBERS)
            return payloads.guild_json(self, guild, has_all_members=has_all_members)

        return Event("GUILD_CREATE", build, guild.id, limits.INTENT_GUILDS)

    def add_role(self, guild: Guild, name: str, *, mentionable: bool) -> Role:
        """Make a role in a guild."""
        role = Role(self.ids.make(), name, mentionable)
        guild.roles[role.id] = role

        def build(_intents: int) -> Json:
            return {"guild_id": str(guild.id), "role": payloads.role_json(role, len(guild.roles))}

        self.emit(Event("GUILD_ROLE_CREATE", build, guild.id, limits.INTENT_GUILDS))
        return role

    def add_channel(
        self,
        guild: Guild,
        name: str,
        kind: ChannelKind,
        channel_id: int | None = None,
        *,
        category: int | None = None,
    ) -> Channel:
        """Make a channel in a guild, in a category if one is given."""
        channel = Channel(
            channel_id or self.ids.make(), kind, name, guild_id=guild.id, parent_id=category
        )
        self._add_place(channel, "CHANNEL_CREATE", {})
        return channel

    def open_dm(self, user: User) -> Channel:
        """Return the direct message channel with a user, made at first use."""
        for channel in self.channels.values():
            if channel.recipient_id == user.id:
                return channel
        channel = Channel(self.ids.make(), ChannelKind.DM, user.name, recipient_id=user.id)
        self.channels[channel.id] = channel
        self.changes.notify()
        return channel

    def add_thread(self, parent: Channel, name: str, starter: Message | None = None) -> Channel:
        """Make a public thread; from a message it gets that message's id and a starter message.

        The starter message is stored and not dispatched.
        """
        thread = Channel(
            starter.id if starter else self.ids.make(),
            ChannelKind.PUBLIC_THREAD,
            name,
            guild_id=parent.guild_id,
            parent_id=parent.id,
            owner_id=self.bot.id,
        )
        self._add_place(thread, "THREAD_CREATE", {"newly_created": True})
        if starter is not None:
            starter.thread_id = thread.id
            starter.flags |= limits.MESSAGE_HAS_THREAD
            kind = MessageKind.THREAD_STARTER
            first = Message(self.ids.make(), thread.id, starter.author_id, "", kind, starter.id)
            self._store(first)
            self._emit_message("MESSAGE_UPDATE", starter)
        return thread

    def _add_place(self, channel: Channel, event: str, extra: Json) -> None:
        self.channels[channel.id] = channel

        def build(_intents: int) -> Json:
            return payloads.channel_json(self, channel) | extra

        self.emit(Event(event, build, channel.guild_id, limits.INTENT_GUILDS))

    # ------------------------------------------------------------------ messages

    def messages_in(self, channel_id: int) -> list[Message]:
        """Return a channel's messages, oldest first, deleted and ephemeral ones included."""
        return list(self._by_channel.get(channel_id, ()))

    def find_message(self, channel_id: int, message_id: int) -> Message:
        """Return a message that the API would show.

        Raises:
            ApiError: there is none, or it is deleted or ephemeral.
        """
        message = self.all_messages.get(message_id)
        if message is None or message.channel_id != channel_id:
            raise not_found(UNKNOWN_MESSAGE)
        if message.deleted or message.is_ephemeral:
            raise not_found(UNKNOWN_MESSAGE)
        return message

    def find_by_nonce(self, author_id: int, draft: Draft) -> Message | None:
        """Return this author's recent message with the draft's nonce, if that is to be enforced.

        Raises:
            ApiError: that message was deleted meanwhile; Discord answers 404 then.
        """
        message = self._by_nonce.get((author_id, str(draft.nonce)))
        if message is None or not draft.is_nonce_enforced:
            return None
        if message.posted_at_s < self.settings.clock() - self.settings.nonce_window_s:
            return None
        if message.deleted:
            raise not_found(UNKNOWN_MESSAGE)
        return message

    def find_reference(self, channel_id: int, draft: Draft) -> int | None:
        """Return the message a draft replies to, None if it is gone and need not exist.

        Raises:
            ApiError: it must exist and does not.
        """
        original = self.all_messages.get(draft.reference or 0)
        if original is not None and original.channel_id == channel_id and not original.deleted:
            return original.id
        if draft.reference is not None and draft.is_reference_required:
            code = "MESSAGE_REFERENCE_UNKNOWN_MESSAGE"
            raise form_error("message_reference", code, "Unknown message")
        return None

    def post(self, channel_id: int, author_id: int, draft: Draft, reference: int | None) -> Message:
        """Store a checked post and dispatch it. `reference` is the message it replies to."""
        kind = MessageKind.DEFAULT if reference is None else MessageKind.REPLY
        message = Message(self.ids.make(), channel_id, author_id, draft.content, kind, reference)
        self.fill(message, draft)
        self.publish(message, draft.allowed)
        return message

    def fill(self, message: Message, draft: Draft) -> None:
        """Put a draft's parts into a message that is not stored yet."""
        message.content = draft.content
        message.nonce = draft.nonce
        message.flags = draft.flags
        message.embeds = draft.embeds
        message.components = draft.components
        message.attachments = self.keep_attachments(draft.attachments)

    def publish(self, message: Message, allowed: AllowedMentions) -> None:
        """Store a new message, note what it pings, and dispatch it unless it is ephemeral."""
        message.posted_at_s = self.settings.clock()
        message.is_reply_ping = message.reference is not None and allowed.is_reply_ping
        self._read_mentions(message, allowed)
        self._store(message)
        self._emit_message("MESSAGE_CREATE", message)

    def keep_attachments(self, files: Sequence[Attachment]) -> list[Attachment]:
        """Return the files with ids."""
        return [replace(file, id=self.ids.make()) for file in files]

    def edit(self, message: Message, edit: Edit) -> None:
        """Change a message and dispatch that. New content is parsed for mentions again.

        Message (Edit Message): without `allowed_mentions` the defaults hold, whatever the
        original post said. A reply's ping stays as it was then, because it is not in the text.
        """
        if edit.content is not None and edit.content != message.content:
            message.edits.append(message.content)
        if edit.kept_attachments is not None:
            message.attachments = edit.kept_attachments
        message.attachments += self.keep_attachments(edit.new_attachments)
        for name in ("content", "embeds", "components", "flags"):
            if (value := getattr(edit, name)) is not None:
                setattr(message, name, value)
        if edit.content is not None or edit.components is not None:
            if edit.allowed.is_given:
                is_ping = message.reference is not None and edit.allowed.is_reply_ping
                message.is_reply_ping = is_ping
            self._read_mentions(message, edit.allowed)
        message.edited_at = datetime.now(UTC)
        self._emit_message("MESSAGE_UPDATE", message)

    def delete(self, message: Message) -> None:
        """Mark a message as deleted and dispatch that; it is pinned no more."""
        message.deleted = True
        channel = self.channels[message.channel_id]
        channel.pins.pop(message.id, None)
        if message.is_ephemeral:
            self.changes.notify()
            return
        event = "MESSAGE_DELETE"
        self._emit_in(message.channel_id, event, lambda _: payloads.deletion_json(self, message))

    def deny(self, channel: Channel, user: User, permissions: int) -> None:
        """Take permissions from a user in a channel, and dispatch that."""
        channel.denied[user.id] = permissions
        event = Event(
            "CHANNEL_UPDATE",
            lambda _: payloads.channel_json(self, channel),
            channel.guild_id,
            limits.INTENT_GUILDS,
        )
        self.emit(event)

    def pin(self, message: Message, *, is_pinned: bool) -> None:
        """Pin a message or take it down, and dispatch that."""
        channel = self.channels[message.channel_id]
        channel.pins.pop(message.id, None)
        if is_pinned:
            channel.pins[message.id] = datetime.now(UTC)
        self._emit_message("MESSAGE_UPDATE", message)
        event = Event(
            "CHANNEL_PINS_UPDATE",
            lambda _: payloads.pins_event_json(channel),
            channel.guild_id,
            limits.INTENT_GUILDS if channel.guild_id else limits.INTENT_DIRECT_MESSAGES,
        )
        self.emit(event)

    def react(self, message: Message, user_id: int, emoji: str) -> None:
        """Add a reaction; a second one of the same user changes nothing."""
        users = message.reactions.setdefault(emoji, [])
        if user_id not in users:
            users.append(user_id)
            self._emit_reaction("MESSAGE_REACTION_ADD", message, user_id, emoji)

    def unreact(self, message: Message, user_id: int, emoji: str) -> None:
        """Take a reaction back, if it is there."""
        users = message.reactions.get(emoji, [])
        if user_id in users:
            users.remove(user_id)
            if not users:
                del message.reactions[emoji]
            self._emit_reaction("MESSAGE_REACTION_REMOVE", message, user_id, emoji)

    def mentioned_ids(self, message: Message) -> list[int]:
        """Return the ids of users a message mentions now, the replied-to author included."""
        return payloads.mentioned_in(message, self.all_messages.get(message.reference or 0))

    def is_content_exempt(self, message: Message) -> bool:
        """Whether the bot may read a message without the MESSAGE_CONTENT intent."""
        if message.author_id == self.bot.id or self.channels[message.channel_id].is_dm:
            return True
        return self.bot.id in self.mentioned_ids(message)

    def _store(self, message: Message) -> None:
        self.all_messages[message.id] = message
        self._by_channel.setdefault(message.channel_id, []).append(message)
        if message.nonce is not None:
            self._by_nonce[message.author_id, str(message.nonce)] = message
        self.channels[message.channel_id].last_message_id = message.id

    def _read_mentions(self, message: Message, allowed: AllowedMentions) -> None:
        text = "\n".join([message.content, *component_texts(message.components)])
        message.mentions = find_live_mentions(text, allowed)
        live = [*message.mentions, *(f"<@{user}>" for user in self.mentioned_ids(message))]
        message.live_mentions = list(dict.fromkeys([*message.live_mentions, *live]))

    # ------------------------------------------------------------------ telling others

    def emit(self, event: Event) -> None:
        """Hand an event to the gateway and wake whoever waits."""
        for listener in self.listeners:
            listener(event)
        self.changes.notify()

    def _emit_in(
        self, channel_id: int, name: str, build: Callable[[int], Json], intents: int = 0
    ) -> None:
        """Emit an event of a channel; `intents` are those for a guild and for a direct message."""
        channel = self.channels[channel_id]
        wanted = intents or limits.INTENT_GUILD_MESSAGES | limits.INTENT_DIRECT_MESSAGES
        direct = limits.INTENT_DIRECT_MESSAGES | limits.INTENT_DIRECT_MESSAGE_REACTIONS
        intent = wanted & direct if channel.is_dm else wanted & ~direct
        self.emit(Event(name, build, channel.guild_id, intent))

    def _emit_message(self, name: str, message: Message) -> None:
        if message.is_ephemeral:
            self.changes.notify()
            return

        def build(intents: int) -> Json:
            has_intent = bool(intents & limits.INTENT_MESSAGE_CONTENT)
            return payloads.message_event_json(self, message, has_content_intent=has_intent)

        self._emit_in(message.channel_id, name, build)

    def _emit_reaction(self, name: str, message: Message, user_id: int, emoji: str) -> None:
        def build(_intents: int) -> Json:
            return payloads.reaction_event_json(self, message, user_id, emoji)

        reactions = limits.INTENT_GUILD_MESSAGE_REACTIONS | limits.INTENT_DIRECT_MESSAGE_REACTIONS
        self._emit_in(message.channel_id, name, build, reactions)
