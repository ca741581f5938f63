"""Who may be answered from a document: everybody, a team, or one channel. Pure.

A document's place is stored with each of its passages and asked for again when one is read.
"""

import re
from dataclasses import dataclass

from shared.jobs import Origin, Platform

ANY = "*"
PART = re.compile(r"[A-Za-z0-9_@.-]{1,64}")
"""What platforms name teams and channels with. It also stands in a filter of Redis, where a quote
would end a text."""
FORM = "slack:TEAM, slack:TEAM:CHANNEL, discord:SERVER or discord:SERVER:CHANNEL"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document is for; ``*`` is everywhere. A channel names its team, a team its platform.

    Raises:
        ValueError: a part that no platform would use.
    """

    platform: str = ANY
    team: str = ANY
    channel: str = ANY

    def __post_init__(self) -> None:
        """Refuse what could be anything but a name."""
        for part in (self.platform, self.team, self.channel):
            if part != ANY and not PART.fullmatch(part):
                raise ValueError(f"{part!r} is no name of a platform, a team or a channel.")

    def __str__(self) -> str:
        """As it is written after ``--for``; ``everywhere`` if it is that."""
        parts = [part for part in (self.platform, self.team, self.channel) if part != ANY]
        return ":".join(parts) or "everywhere"

    def is_seen_from(self, other: "Place") -> bool:
        """Whether somebody in that channel may be answered from a document of this place."""
        pairs = (
            (self.platform, other.platform),
            (self.team, other.team),
            (self.channel, other.channel),
        )
        return all(mine in {ANY, theirs} for mine, theirs in pairs)


EVERYWHERE = Place()


def channel_of(origin: Origin) -> Place:
    """The channel that a message stands in.

    Raises:
        ValueError: its ids are none that a platform would use.
    """
    return Place(origin.platform.value, origin.team, origin.channel)


def parse_place(text: str) -> Place:
    """A place as an operator writes it.

    Raises:
        ValueError: it is none; the sentence says what would be.
    """
    platform, *rest = text.split(":")
    known = {Platform.SLACK.value, Platform.DISCORD.value}
    if platform not in known or len(rest) not in {1, 2} or not all(map(PART.fullmatch, rest)):
        raise ValueError(f"{text} is no place: write {FORM}.")
    return Place(platform, *rest)


def filter_for(place: Place) -> str:
    """The filter of a vector set that lets through what may be seen from a channel.

    https://redis.io/docs/latest/develop/data-types/vector-sets/filtered-search/
    """
    names = (("platform", place.platform), ("team", place.team), ("channel", place.channel))
    return " and ".join(f'(.{name} == "{ANY}" or .{name} == "{value}")' for name, value in names)
