"""When to speak. Pure: a situation in, yes or no out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about a message besides its words."""

    is_from_person: bool
    """False for our own messages, other bots' and the platform's notices."""
    is_direct: bool = False
    """A direct message to us."""
    mentions_us: bool = False
    mentions_others: bool = False
    is_follow_up: bool = False
    """In a thread we take part in, or a reply to one of our messages."""
    is_auto_reply: bool = False
    """In a channel where every message is answered."""
    is_act: bool = False
    """A command, a menu, a reaction, or what a channel's settings do with a message."""


def is_for_us(situation: Situation) -> bool:
    """Whether a message is to be answered.

    People may talk to each other in a thread that we take part in: a follow-up that mentions
    somebody else and not us is theirs.
    """
    if not situation.is_from_person:
        return False
    if situation.is_act or situation.is_direct or situation.mentions_us or situation.is_auto_reply:
        return True
    return situation.is_follow_up and not situation.mentions_others
