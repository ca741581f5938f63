"""Discord's messages as ``Facts`` and ``Incoming``; knows Discord's rules and not discord.py."""
# Pure. Uses babel.

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from bots.access.request import AccessHints
from bots.discord.parse.text import plain_text
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from shared.jobs import Origin, Platform

DIRECT_TEAM = "@me"
DIRECT_MARK = "@"
"""The prefix of a direct message's read mark."""
EPOCH_MS = 1_420_070_400_000
TIME_SHIFT = 22
"""An id holds the time in ms since 2015: docs.discord.com, Reference, Snowflakes."""
MS = 1000


@dataclass(frozen=True, slots=True)
class DiscordPlace:
    """The place of a message."""

    guild: int | None
    """None in direct messages."""
    channel: int
    parent: int | None = None
    """The channel of a thread; None if it is not a thread."""

    @property
    def mark(self) -> str:
        """The name of this place's read mark."""
        return str(self.channel) if self.guild else f"{DIRECT_MARK}{self.channel}"

    @property
    def team(self) -> str:
        """The guild; a name of its own for direct messages."""
        return str(self.guild) if self.guild else DIRECT_TEAM


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, and its latest message."""

    place: DiscordPlace
    latest: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message, as Discord names it."""

    id: int
    name: str
    num_bytes: int
    url: str
    """Discord's address of the file; valid for a day."""
    media_type: str = ""
    """The type that Discord reports; empty if it reports none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A message in plain data."""

    place: DiscordPlace
    message: int
    author: int
    text: str
    our_ids: frozenset[int]
    """Our user, and the role that Discord makes for a bot: people mention either."""
    is_from_person: bool
    """Written by a person: not a notice, a webhook or a bot."""
    is_from_bot: bool = False
    """Written by another bot, like a person's message."""
    mentioned: frozenset[int] = frozenset()
    """Users and roles that the text names."""
    pinged: frozenset[int] = frozenset()
    """Users whom it pings: also the author of the message that it replies to."""
    names: Mapping[int, str] | None = None
    reply_to: int | None = None
    reply_to_author: int | None = None
    """None if Discord does not say."""
    roles: frozenset[int] = frozenset()
    """The roles of its author."""
    knows_roles: bool = False
    """Whether Discord sent them along."""
    author_name: str = ""
    """The display name."""
    link: str = ""
    """The address of the message."""
    files: tuple[File, ...] = ()
    replied_files: tuple[File, ...] = ()
    """The files of the message that it replies to."""
    replied_link: str = ""
    """The address of that message."""
    job: str = ""
    """The job of its buttons, if it is an answer of ours."""
    pinned_at_s: float = 0.0
    """When it was pinned, in seconds since 1970, where pinned messages are listed; else 0."""

    @property
    def replied_source(self) -> "Facts":
        """The message that it replies to, as the source of its files."""
        return dataclasses.replace(
            self,
            message=self.reply_to or self.message,
            author=self.reply_to_author or self.author,
            files=self.replied_files,
            link=self.replied_link,
        )

    @property
    def is_ours(self) -> bool:
        """Whether we wrote it."""
        return self.author in self.our_ids

    @property
    def written_at_s(self) -> float:
        """When it was written, in seconds since 1970."""
        return written_at_s(self.message)


def written_at_s(message: int) -> float:
    """When a message was written, in seconds since 1970, by its id."""
    return ((message >> TIME_SHIFT) + EPOCH_MS) / MS


def id_at(time_s: float) -> int:
    """The smallest id that a message written at this time can have."""
    return max(0, int(time_s * MS) - EPOCH_MS) << TIME_SHIFT


def origin_of(place: DiscordPlace, message: int, author: int | None = None) -> Origin:
    """The origin of a message, before the lookup of the message that it replies to."""
    return Origin(
        platform=Platform.DISCORD,
        team=place.team,
        channel=str(place.channel),
        thread="",
        message=str(message),
        user=str(author or ""),
        parent=str(place.parent or ""),
    )


def to_incoming(facts: Facts) -> Incoming:
    """A message in the form that all platforms share."""
    place, our_ids = facts.place, facts.our_ids
    is_direct, is_thread = place.guild is None, place.parent is not None
    origin = origin_of(place, facts.message, facts.author)
    reply_to = ""
    if not (is_direct or is_thread):
        # Every message begins a conversation of its own, unless it replies to one of ours.
        origin = dataclasses.replace(origin, thread=origin.message)
        if facts.reply_to and facts.reply_to_author in {None, *our_ids}:
            reply_to = str(facts.reply_to)
    replied = frozenset({facts.reply_to_author} if facts.reply_to_author else ())
    situation = Situation(
        is_from_person=facts.is_from_person and facts.author not in our_ids,
        is_direct=is_direct,
        mentions_us=bool((facts.mentioned | facts.pinged) & our_ids),
        mentions_others=bool((facts.mentioned | replied) - our_ids),
        # Discord itself says so: the ledger may not know yet which message of ours it was.
        replies_to_us=bool(replied & our_ids),
    )
    return Incoming(
        origin,
        plain_text(facts.text, our_ids, facts.names or {}),
        situation,
        in_thread=is_thread,
        reply_to=reply_to,
        written_at_s=written_at_s(facts.message),
        roles=frozenset(map(str, facts.roles)),
        bot=origin.user if facts.is_from_bot and facts.author not in our_ids else "",
        hints=AccessHints(knows_roles=facts.knows_roles),
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """The person who calls a command, presses a button or sends a form, and where."""

    place: DiscordPlace
    user: int
    roles: frozenset[int] = frozenset()
    manages_channel: bool = False
    manages_server: bool = False

    @property
    def origin(self) -> Origin:
        """The person in that place."""
        return origin_of(self.place, 0, self.user)
