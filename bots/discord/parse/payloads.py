"""What Discord sends, as an ``Incoming``. Pure; knows how Discord thinks and not discord.py."""
# Pure. Uses babel.

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from bots.discord.parse.text import plain_text
from bots.incoming.intake import Incoming
from bots.incoming.policy import Situation
from shared.jobs import Origin, Platform

DIRECT_TEAM = "@me"
DIRECT_MARK = "@"
"""Begins the mark of a direct message, so that it is known for one."""
EPOCH_MS = 1_420_070_400_000
TIME_SHIFT = 22
"""An id holds the time in ms since 2015: docs.discord.com, Reference, Snowflakes."""
MS = 1000


@dataclass(frozen=True, slots=True)
class DiscordPlace:
    """Where a message stands."""

    guild: int | None
    """None in direct messages."""
    channel: int
    parent: int | None = None
    """The channel that a thread hangs in; None if it is no thread."""

    @property
    def mark(self) -> str:
        """The name under which is kept what has been seen here."""
        return str(self.channel) if self.guild else f"{DIRECT_MARK}{self.channel}"

    @property
    def team(self) -> str:
        """The guild; a name of its own for direct messages."""
        return str(self.guild) if self.guild else DIRECT_TEAM


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, and the latest message there."""

    place: DiscordPlace
    latest: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message, as Discord names it."""

    id: int
    name: str
    num_bytes: int
    url: str
    """Where Discord says that it lies; good for a day."""
    media_type: str = ""
    """What Discord takes it for; empty if it does not say."""


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
    """Written by a person, by itself: no notice, no webhook, no bot."""
    is_from_bot: bool = False
    """Written by another bot, as a person writes."""
    mentioned: frozenset[int] = frozenset()
    """Users and roles that the text names."""
    pinged: frozenset[int] = frozenset()
    """Users whom it pings: also the author of the message that it replies to."""
    names: Mapping[int, str] | None = None
    reply_to: int | None = None
    reply_to_author: int | None = None
    """None if Discord does not say."""
    roles: frozenset[int] = frozenset()
    """Those of its author."""
    author_name: str = ""
    """The name that people see."""
    link: str = ""
    """Where the message stands."""
    files: tuple[File, ...] = ()
    replied_files: tuple[File, ...] = ()
    """Those of the message that it replies to."""
    replied_link: str = ""
    """Where that one stands."""
    job: str = ""
    """The job whose buttons it has, if it is an answer of ours."""
    pinned_at_s: float = 0.0
    """When it was pinned, in seconds since 1970, where pinned messages are listed; else 0."""

    @property
    def replied_source(self) -> "Facts":
        """The message that it replies to, as far as its files go."""
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
    """The id that a message written at this time would have at least."""
    return max(0, int(time_s * MS) - EPOCH_MS) << TIME_SHIFT


def origin_of(place: DiscordPlace, message: int, author: int | None = None) -> Origin:
    """Where a message came from, before it is known what it replies to."""
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
    """Describe a message in words that every platform shares."""
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
        # Said by Discord itself: the ledger may not know yet which message of ours it was.
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
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a command, presses a button or sends a form, and where."""

    place: DiscordPlace
    user: int
    roles: frozenset[int] = frozenset()
    manages_channel: bool = False
    manages_server: bool = False

    @property
    def origin(self) -> Origin:
        """The person in that place."""
        return origin_of(self.place, 0, self.user)
