"""The workspace behind the fake Slack: channels, users, messages and what is set on them.

No sockets and no HTTP here. The Web API methods change it on behalf of the bot, the driving
methods of `FakeSlack` on behalf of everybody else; both tell it to publish the events that follow.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.fakes.slack_settings import Json, Settings

# What Slack turns into a notification: see "Advanced formatting" on
# docs.slack.dev/messaging/formatting-message-text
_MENTION = re.compile(
    r"<(?P<mention>!(?:channel|here|everyone|group)|@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+)"
    r"(?:\|[^<>]*)?>"
)
_NAME_MENTION = re.compile(r"(?<![\w@])@(channel|here|everyone)\b")
_RICH_MENTIONS = {
    "user": "@{user_id}",
    "usergroup": "!subteam^{usergroup_id}",
    "broadcast": "!{range}",
}


class Changes:
    """Wakes those who wait for the state to change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Wake every waiter, so that it looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, is_met: Callable[[], object], timeout_s: float) -> None:
        """Return as soon as `is_met()` is true; raise `TimeoutError` after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_met():
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"the condition was still false after {timeout_s} s") from None


@dataclass(kw_only=True)
class User:
    """A person, or the user that stands for a bot."""

    id: str
    name: str
    real_name: str = ""
    is_bot: bool = False
    is_admin: bool = False
    is_restricted: bool = False
    """A guest; with `is_ultra_restricted` one of a single channel."""
    is_ultra_restricted: bool = False
    team: str = ""
    """The workspace of a person of another organisation, who is here in shared channels."""
    locale: str = "en-US"
    tz: str = "Europe/Berlin"


@dataclass(kw_only=True)
class Channel:
    """A conversation of any kind; `members` are user ids."""

    id: str
    name: str
    members: set[str]
    is_im: bool = False
    is_mpim: bool = False
    is_private: bool = False
    is_archived: bool = False
    creator: str = ""
    team: str = ""
    """Another workspace than the settings', which has installed the app, too."""

    @property
    def kind(self) -> str:
        """The `channel_type` of its message events."""
        if self.is_im:
            return "im"
        if self.is_mpim:
            return "mpim"
        return "group" if self.is_private else "channel"


@dataclass(kw_only=True)
class Stream:
    """The streaming state of a message begun by chat.startStream."""

    expires_at_s: float
    recipient_user_id: str | None = None
    is_stopped: bool = False
    is_stopped_by_user: bool = False
    chunks: list[Json] = field(default_factory=list)


@dataclass(kw_only=True)
class Message:
    """One message, with all it has been: `edits` are its earlier texts, oldest first.

    `live_mentions` lists whom any version of it would have notified, for example `<!channel>` or
    `<@U1>`, each once. `is_ephemeral_for` names the only user who sees it, if it `is_shown` at all.
    """

    channel: str
    ts: str
    user: str | None
    text: str
    posted_at_s: float
    thread_ts: str | None = None
    bot_id: str | None = None
    subtype: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    is_ephemeral_for: str | None = None
    is_shown: bool = True
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None
    is_linking_names: bool = False
    edits: list[str] = field(default_factory=list)
    edited_by: str | None = None
    deleted: bool = False
    reactions: dict[str, list[str]] = field(default_factory=dict)
    stream: Stream | None = None
    live_mentions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._note_mentions()

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread and is not the message that began it."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def revise(self, *, text: str, blocks: list[Json], by: str) -> None:
        """Replace text and blocks, keeping the old text."""
        self.edits.append(self.text)
        self.text = text
        self.blocks = blocks
        self.edited_by = by
        self._note_mentions()

    def _note_mentions(self) -> None:
        found = list(find_live_mentions(self.text, is_linking_names=self.is_linking_names))
        for part in (*self.blocks, *self.attachments):
            found.extend(_mentions_in_block(part))
        self.live_mentions.extend(m for m in dict.fromkeys(found) if m not in self.live_mentions)


def find_live_mentions(text: str, *, is_linking_names: bool = False) -> Iterator[str]:
    """Yield what Slack would treat as a mention in `text`, without labels.

    Code spans do not protect: Slack resolves control sequences before it formats. An escaped
    `&lt;!channel&gt;` is text. With `link_names` or `parse=full` a bare `@channel` counts too.
    """
    for match in _MENTION.finditer(text):
        yield f"<{match['mention']}>"
    if is_linking_names:
        for match in _NAME_MENTION.finditer(text):
            yield f"<!{match[1]}>"


def _mentions_in_block(part: object) -> Iterator[str]:
    """Yield the mentions in a block, an attachment or any part of one."""
    if isinstance(part, list):
        for item in part:
            yield from _mentions_in_block(item)
    elif isinstance(part, dict) and part.get("type") != "plain_text":
        pattern = _RICH_MENTIONS.get(str(part.get("type")))
        if pattern and all(name in part for name in re.findall(r"{(\w+)}", pattern)):
            yield f"<{pattern.format(**part)}>"
        is_literal = part.get("type") in ("text", "link")  # the leaves of rich_text
        for value in part.values():
            if isinstance(value, str) and not is_literal:
                yield from find_live_mentions(value)
            else:
                yield from _mentions_in_block(value)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pinned message: by whom, and when, in seconds."""

    channel: str
    ts: str
    user: str
    created_s: int


@dataclass(kw_only=True)
class Status:
    """What stands in the status slot of a thread; the last writer wins."""

    channel: str
    thread_ts: str | None
    status: str
    method: str
    title: str | None = None


@dataclass(kw_only=True)
class File:
    """A file; its bytes come after it was announced, and it can be shown once it is complete."""

    id: str
    name: str
    user: str
    size: int
    content: bytes | None = None
    title: str = ""
    alt_text: str = ""
    is_complete: bool = False


@dataclass(kw_only=True)
class View:
    """A view that the app published or opened."""

    id: str
    method: str
    user: str | None
    view: Json


class Store:
    """Everything the workspace remembers.

    `publish` is called with each event that Slack would send to the app.
    """

    def __init__(
        self, settings: Settings, changes: Changes, publish: Callable[[Json], None]
    ) -> None:
        self.settings = settings
        self.changes = changes
        self.publish = publish
        self.channels: dict[str, Channel] = {}
        self.users: dict[str, User] = {}
        self.statuses: list[Status] = []
        self.views: list[View] = []
        self.triggers: dict[str, str] = {}
        self.files: dict[str, File] = {}
        self.file_requests: list[dict[str, str]] = []
        self.usergroups: dict[str, set[str]] = {}
        """User group -> its people."""
        self.pins: dict[tuple[str, str], Pin] = {}
        self.base_url: Callable[[], str] = str
        self.codes: dict[str, str] = {}
        """Code of an installation that is under way -> workspace."""
        self.tokens: dict[str, str] = {}
        """Token of a further workspace -> workspace."""
        self._messages: dict[str, dict[str, Message]] = {}
        self._replies: dict[tuple[str, str], list[Message]] = {}
        self._num_ts = 0
        self._num_ids = 0

    def next_ts(self) -> str:
        """Return a ts later than all before it."""
        self._num_ts += 1
        if clock := self.settings.ts_clock:
            self._num_ts = max(self._num_ts, int((clock() - self.settings.first_ts_s) * 10_000))
        seconds, ticks = divmod(self._num_ts, 10_000)
        return f"{self.settings.first_ts_s + seconds}.{ticks * 100:06d}"

    def next_id(self, prefix: str) -> str:
        """Return a new id such as `Ev0000000001`."""
        self._num_ids += 1
        return f"{prefix}{self._num_ids:010d}"

    def issue_trigger(self, user: str) -> str:
        """Return a `trigger_id` with which `user` may be shown one view."""
        trigger_id = self.next_id("trigger.")
        self.triggers[trigger_id] = user
        return trigger_id

    def user(self, user_id: str) -> User:
        """Return the user, made up on the spot if nobody added one."""
        return self.users.setdefault(user_id, User(id=user_id, name=user_id.lower()))

    def open_im(self, user_id: str) -> Channel:
        """Return the direct channel between the bot and `user_id`."""
        members = {self.settings.bot_user_id, self.user(user_id).id}
        for channel in self.channels.values():
            if channel.is_im and channel.members == members:
                return channel
        return self.add_channel(
            Channel(id=f"D{user_id}", name=user_id, members=members, is_im=True)
        )

    def add_channel(self, channel: Channel) -> Channel:
        """Store a channel and its members."""
        self.channels[channel.id] = channel
        for member in channel.members:
            self.user(member)
        self.changes.touch()
        return channel

    def team_of(self, channel_id: str) -> str:
        """Return the workspace of a conversation."""
        channel = self.channels.get(channel_id)
        return (channel.team if channel else "") or self.settings.team_id

    def channel(self, channel_id: str) -> Channel:
        """Return the channel; raise `LookupError` naming it if there is none."""
        if channel_id not in self.channels:
            raise LookupError(f"no channel {channel_id}: call add_channel first")
        return self.channels[channel_id]

    def add_message(self, message: Message) -> Message:
        """Store a message."""
        self._messages.setdefault(message.channel, {})[message.ts] = message
        if message.thread_ts is not None and message.is_reply:
            self._replies.setdefault((message.channel, message.thread_ts), []).append(message)
        self.changes.touch()
        return message

    def messages(self, channel_id: str) -> list[Message]:
        """Return all messages of the channel, deleted and ephemeral ones too, oldest first."""
        return list(self._messages.get(channel_id, {}).values())

    def find(self, channel_id: str, ts: str) -> Message | None:
        """Return the message that everybody can see, or None."""
        message = self._messages.get(channel_id, {}).get(ts)
        if message is None or message.deleted or message.is_ephemeral_for:
            return None
        return message

    def has_root(self, channel_id: str, ts: str) -> bool:
        """Whether a thread may hang on `ts`; a deleted message still holds its thread."""
        return ts in self._messages.get(channel_id, {})

    def thread(self, channel_id: str, root_ts: str) -> list[Message]:
        """Return the visible replies below `root_ts`, oldest first."""
        replies = self._replies.get((channel_id, root_ts), [])
        return [m for m in replies if not m.deleted and not m.is_ephemeral_for]

    def is_streaming(self, message: Message) -> bool:
        """Whether the message still takes text by chat.appendStream."""
        stream = message.stream
        if stream is None or stream.is_stopped:
            return False
        return self.settings.clock() < stream.expires_at_s

    def set_status(self, status: Status) -> None:
        """Write the status slot of a thread."""
        self.statuses.append(status)
        self.changes.touch()


def ts_order(ts: str) -> Decimal:
    """Return the value by which ts strings are ordered."""
    return Decimal(ts)
