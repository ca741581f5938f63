"""The visibility of documents: everywhere, a team, or one channel. Pure.

A document's place is stored with each of its passages and checked again when one is read.
"""
# Pure.

import dataclasses
import re
from dataclasses import dataclass

from shared.jobs import Origin, Platform

ANY = "*"
PART = re.compile(r"[A-Za-z0-9_@.-]{1,64}")
"""The format of platforms' ids of teams and channels. An id also stands in a filter of Redis, where
a
quote would end a text."""
EVERYONE = "everyone"
"""Written for documents that may answer any question; never the default."""
FORM = "slack:TEAM, slack:TEAM:CHANNEL, discord:SERVER, discord:SERVER:CHANNEL or everyone"


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """The place of a document; ``*`` is everywhere. A channel names its team, a team its platform.

    Raises:
        ValueError: a part that no platform would use.
    """

    platform: str = ANY
    team: str = ANY
    channel: str = ANY
    parent: str = ""
    """For a place that a question comes from: the parent channel of a thread; else empty. Documents
    of the
    parent are visible in the thread, but not the reverse."""
    is_confined: bool = dataclasses.field(default=False, kw_only=True)
    """For the same: whether a guest asks, who sees the documents of this very channel alone."""

    def __post_init__(self) -> None:
        """Refuse any part that is no valid id."""
        for part in (self.platform, self.team, self.channel, self.parent or ANY):
            if part != ANY and not PART.fullmatch(part):
                raise ValueError(f"{part!r} is no name of a platform, a team or a channel.")

    def __str__(self) -> str:
        """The form after ``--for``."""
        parts = [part for part in (self.platform, self.team, self.channel) if part != ANY]
        return ":".join(parts) or EVERYONE

    def is_seen_from(self, other: "DocumentPlace") -> bool:
        """Whether a question from that channel may be answered from a document of this place."""
        mine = (self.platform, self.team, self.channel)
        return all(part in known for part, known in zip(mine, other.seen, strict=True))

    @property
    def seen(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The platforms, teams and channels whose documents are visible from here."""
        if self.is_confined:
            channels = {self.channel, self.parent or self.channel} - {ANY}
            return frozenset({self.platform}), frozenset({self.team}), frozenset(channels)
        channels = {ANY, self.channel, self.parent or ANY}
        return frozenset({ANY, self.platform}), frozenset({ANY, self.team}), frozenset(channels)


EVERYWHERE = DocumentPlace()


def channel_of(origin: Origin) -> DocumentPlace:
    """The channel of a message, as the place of documents learned from it.

    Raises:
        ValueError: its ids are none that a platform would use.
    """
    return DocumentPlace(origin.platform.value, origin.team, origin.channel)


def view_of(origin: Origin, *, is_confined: bool = False) -> DocumentPlace:
    """The channel of a message, as the place that a question comes from.

    Args:
        origin: of the message.
        is_confined: whether its author sees the documents of that channel alone.

    Raises:
        ValueError: as ``channel_of``.
    """
    return dataclasses.replace(channel_of(origin), parent=origin.parent, is_confined=is_confined)


def parse_place(text: str) -> DocumentPlace:
    """Parse a place as an operator writes it.

    Raises:
        ValueError: it is invalid; the sentence gives the valid forms.
    """
    if text == EVERYONE:
        return EVERYWHERE
    platform, *rest = text.split(":")
    known = {Platform.SLACK.value, Platform.DISCORD.value}
    if platform not in known or len(rest) not in {1, 2} or not all(map(PART.fullmatch, rest)):
        raise ValueError(f"{text} is no place: write {FORM}.")
    return DocumentPlace(platform, *rest)


def filter_for(place: DocumentPlace) -> str:
    """The filter of a vector set for the passages visible from a channel.

    https://redis.io/docs/latest/develop/data-types/vector-sets/filtered-search/
    """
    parts = []
    for name, known in zip(("platform", "team", "channel"), place.seen, strict=True):
        parts.append(" or ".join(f'.{name} == "{part}"' for part in sorted(known)))
    return " and ".join(f"({part})" for part in parts)
