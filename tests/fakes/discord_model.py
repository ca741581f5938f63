"""The things a fake Discord holds: users, guilds, channels, messages, interactions, requests.

Plain data that tests read directly. Ids are integers here and strings on the wire.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from tests.fakes.discord_errors import MISSING_PERMISSIONS
from tests.fakes.discord_settings import MESSAGE_EPHEMERAL, MESSAGE_LOADING, Json

# Reference (Snowflakes): milliseconds since the first second of 2015, shifted by 22 bits
EPOCH_MS = 1_420_070_400_000
SNOWFLAKE_SHIFT = 22


class Snowflakes:
    """Makes ids that carry the wall clock and always increase."""

    def __init__(self) -> None:
        self._last = 0

    def make(self) -> int:
        """Return the next id."""
        now = (int(time.time() * 1000) - EPOCH_MS) << SNOWFLAKE_SHIFT
        self._last = max(self._last + 1, now)
        return self._last


def snowflake_time(snowflake: int) -> datetime:
    """Return the time that an id carries."""
    return datetime.fromtimestamp(((snowflake >> SNOWFLAKE_SHIFT) + EPOCH_MS) / 1000, UTC)


class ChannelKind(IntEnum):
    """Channel (Channel Types): those that the fake knows."""

    TEXT = 0
    DM = 1
    VOICE = 2
    CATEGORY = 4
    ANNOUNCEMENT = 5
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12


class MessageKind(IntEnum):
    """Message (Message Types): those that the fake makes."""

    DEFAULT = 0
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    THREAD_STARTER = 21
    CONTEXT_MENU_COMMAND = 23


@dataclass(slots=True)
class User:
    """An account: a person, or a bot."""

    id: int
    name: str
    bot: bool = False
    is_closed: bool = False
    """Takes no direct messages from servers' members."""


@dataclass(slots=True)
class Role:
    """A role of a guild."""

    id: int
    name: str
    mentionable: bool = True


@dataclass(slots=True)
class Guild:
    """A server: `members` maps a user's id to the ids of that user's roles."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    is_foreign: bool = False
    """Whether the bot is not its member: only user installs reach it from there."""


@dataclass(slots=True)
class Channel:
    """A channel, thread or direct message.

    `denied_code` is set while the bot is kept out: 50001 (Missing Access) refuses everything,
    50013 (Missing Permissions) only what writes.
    """

    id: int
    kind: ChannelKind
    name: str
    guild_id: int | None = None
    parent_id: int | None = None
    owner_id: int | None = None
    recipient_id: int | None = None
    last_message_id: int | None = None
    denied_code: int | None = None
    denied: dict[int, int] = field(default_factory=dict)
    """User -> permissions, as bits, that an overwrite takes from them here."""
    pins: dict[int, datetime] = field(default_factory=dict)
    """Pinned messages, and when they were pinned; the latest last."""

    @property
    def is_readable(self) -> bool:
        """Whether the bot may read here."""
        return self.denied_code in {None, MISSING_PERMISSIONS}

    @property
    def is_dm(self) -> bool:
        """Whether this is a direct message channel."""
        return self.kind is ChannelKind.DM

    @property
    def is_thread(self) -> bool:
        """Whether this is a thread."""
        return self.kind in {ChannelKind.PUBLIC_THREAD, ChannelKind.PRIVATE_THREAD}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: on a message, or given to `say` (then its id is made for you)."""

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    id: int = 0
    description: str | None = None


@dataclass(slots=True)
class Message:
    """A message as stored, deleted ones included.

    `edits` holds the earlier contents, oldest first. `live_mentions` holds whatever pinged at
    some time (`@everyone`, `@here`, `<@id>`, `<@&id>`), from the first post or from an edit;
    `mentions` holds what the text mentions now and `is_reply_ping` whether the author of the
    replied-to message is among it. `reactions` maps an emoji to the ids of its users. Only the
    user `ephemeral_to` sees an ephemeral answer.
    """

    id: int
    channel_id: int
    author_id: int
    content: str
    kind: MessageKind = MessageKind.DEFAULT
    reference: int | None = None
    nonce: str | int | None = None
    flags: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    mentions: list[str] = field(default_factory=list)
    is_reply_ping: bool = False
    live_mentions: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    deleted: bool = False
    posted_at_s: float = 0.0
    edited_at: datetime | None = None
    thread_id: int | None = None
    interaction_id: int | None = None
    ephemeral_to: int | None = None

    @property
    def is_ephemeral(self) -> bool:
        """Whether only one user sees it."""
        return bool(self.flags & MESSAGE_EPHEMERAL)

    @property
    def is_loading(self) -> bool:
        """Whether it still reads "is thinking"."""
        return bool(self.flags & MESSAGE_LOADING)


@dataclass(frozen=True, slots=True)
class TypingCall:
    """One call of the typing endpoint."""

    channel_id: int
    at_s: float


@dataclass(slots=True)
class Interaction:
    """Something a user did with a command, a button or a form, and what was answered.

    `response` is the body of the first response, None until it arrives. `message_ids` holds the
    answers in order: the original first, then the follow-ups.
    """

    id: int
    token: str
    kind: int
    channel_id: int
    user_id: int
    data: Json
    created_at_s: float
    message_id: int | None = None
    locale: str = ""
    """The language of the user's Discord; empty for the usual one."""
    is_user_install: bool = False
    """Used by a person who installed the app for themselves, where no server has."""
    response: Json | None = None
    message_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of a multipart request."""

    field: str
    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One HTTP request, whole.

    `route` has placeholders (`/channels/{channel_id}/messages`) and `path` has the ids; both
    are without `/api/v10`. `body` is the parsed JSON, of a multipart request its `payload_json`.
    `at_s` is monotonic.
    """

    method: str
    route: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object
    files: tuple[UploadedFile, ...]
    at_s: float
