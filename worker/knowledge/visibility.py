"""Who may be answered from a document: everybody, a team, or one channel. Pure.

A document's place is stored with each of its passages and asked for again when one is read.
"""
# Pure.

import dataclasses
import re
from dataclasses import dataclass

from shared.jobs import Origin, Platform

ANY = "*"
PART = re.compile(r"[A-Za-z0-9_@.-]{1,64}")
"""What platforms name teams and channels with. It also stands in a filter of Redis, where a quote
would end a text."""
FORM = "slack:TEAM, slack:TEAM:CHANNEL, discord:SERVER or discord:SERVER:CHANNEL"


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a document is for; ``*`` is everywhere. A channel names its team, a team its platform.

    Raises:
        ValueError: a part that no platform would use.
    """

    platform: str = ANY
    team: str = ANY
    channel: str = ANY
    parent: str = ""
    """Of a place that is asked from, the channel that it hangs in as a thread; else empty. What is
    for that channel is seen from the thread, and nothing of the thread from there."""

    def __post_init__(self) -> None:
        """Refuse what could be anything but a name."""
        for part in (self.platform, self.team, self.channel, self.parent or ANY):
            if part != ANY and not PART.fullmatch(part):
                raise ValueError(f"{part!r} is no name of a platform, a team or a channel.")

    def __str__(self) -> str:
        """As it is written after ``--for``; ``everywhere`` if it is that."""
        parts = [part for part in (self.platform, self.team, self.channel) if part != ANY]
        return ":".join(parts) or "everywhere"

    def is_seen_from(self, other: "DocumentPlace") -> bool:
        """Whether somebody in that channel may be answered from a document of this place."""
        mine = (self.platform, self.team, self.channel)
        return all(part in known for part, known in zip(mine, other.seen, strict=True))

    @property
    def seen(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The platforms, teams and channels of what is seen from here."""
        channels = {ANY, self.channel, self.parent or ANY}
        return frozenset({ANY, self.platform}), frozenset({ANY, self.team}), frozenset(channels)


EVERYWHERE = DocumentPlace()


def channel_of(origin: Origin) -> DocumentPlace:
    """The channel that a message stands in: whom what it teaches is for.

    Raises:
        ValueError: its ids are none that a platform would use.
    """
    return DocumentPlace(origin.platform.value, origin.team, origin.channel)


def view_of(origin: Origin) -> DocumentPlace:
    """The channel that a message stands in, as one from which something is asked.

    Raises:
        ValueError: as ``channel_of``.
    """
    return dataclasses.replace(channel_of(origin), parent=origin.parent)


def parse_place(text: str) -> DocumentPlace:
    """A place as an operator writes it.

    Raises:
        ValueError: it is none; the sentence says what would be.
    """
    platform, *rest = text.split(":")
    known = {Platform.SLACK.value, Platform.DISCORD.value}
    if platform not in known or len(rest) not in {1, 2} or not all(map(PART.fullmatch, rest)):
        raise ValueError(f"{text} is no place: write {FORM}.")
    return DocumentPlace(platform, *rest)


def filter_for(place: DocumentPlace) -> str:
    """The filter of a vector set that lets through what may be seen from a channel.

    https://redis.io/docs/latest/develop/data-types/vector-sets/filtered-search/
    """
    parts = []
    for name, known in zip(("platform", "team", "channel"), place.seen, strict=True):
        parts.append(" or ".join(f'.{name} == "{part}"' for part in sorted(known)))
    return " and ".join(f"({part})" for part in parts)
