"""Threads that we take part in, as calls: who speaks there, and whether we are to be silent."""

from dataclasses import dataclass

from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lua import talk as scripts


@dataclass(frozen=True, slots=True)
class Seat:
    """What is known of a conversation that we may take part in."""

    takes_part: bool
    is_muted: bool
    talk: tuple[str, ...]
    """Who has spoken there since we were last spoken to, the latest first."""


def look(origin: Origin) -> Call[Seat]:
    """What is known of the origin's conversation."""
    conversation = origin.conversation
    args = (keys.presence(conversation), keys.muted(conversation), keys.talk(conversation))

    def read(raw: Raw) -> Seat:
        return Seat(is_one(raw[0]), is_one(raw[1]), tuple(text_of(word) for word in raw[2:]))

    return Call(scripts.LOOK, args, read)


def note(origin: Origin, retention_ms: int) -> Call[bool]:
    """A message of the origin's conversation was not for us; False if that is known already."""
    args = (keys.talk(origin.conversation), origin.message, origin.user, retention_ms)
    return Call(scripts.NOTE, args, is_one)


def mute(origin: Origin, retention_ms: int) -> Call[bool]:
    """Be silent in the origin's conversation unless we are mentioned."""
    return Call(scripts.SILENCE, (keys.muted(origin.conversation), retention_ms), is_one)


def unmute(origin: Origin) -> Call[bool]:
    """Be silent there no longer."""
    return Call(scripts.SILENCE, (keys.muted(origin.conversation), 0), is_one)


def num_bots(origin: Origin) -> Call[int]:
    """Messages of bots, besides the origin's, that were answered in its channel in a row."""
    return Call(scripts.NUM_BOTS, (_bots(origin), origin.message), lambda raw: int(text_of(raw)))


def note_bot(origin: Origin) -> Call[bool]:
    """The origin's message is a bot's and is answered."""
    return Call(scripts.NOTE_BOT, (_bots(origin), origin.message), is_one)


def note_person(origin: Origin) -> Call[bool]:
    """A person has spoken to us in the origin's channel: bots may speak to us again."""
    return Call(scripts.NOTE_BOT, (_bots(origin), ""), is_one)


def _bots(origin: Origin) -> str:
    return keys.bots_heard(f"{origin.tenant}:{origin.channel}")
