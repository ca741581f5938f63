"""Threads that the bot takes part in, as calls: who speaks there, and whether the bot is muted."""

from dataclasses import dataclass

from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, is_one, text_of

MAX_TALK = 4
"""The speakers remembered: enough to tell a conversation between people from an aside."""

LOOK = """
-- ARGV: presence key, key of the silence, key of the talk.
-- Returns {1 if we take part, 1 if we are to be silent, user, ...} with the latest speaker first.
local answer = {redis.call('EXISTS', ARGV[1]), redis.call('EXISTS', ARGV[2])}
for _, entry in ipairs(redis.call('LRANGE', ARGV[3], 0, -1)) do
  table.insert(answer, string.match(entry, '|(.*)'))
end
return answer
"""

NOTE = f"""
-- ARGV: key of the talk, message, user, lifetime in ms. A message that comes twice is noted once.
local entry = ARGV[2] .. '|' .. ARGV[3]
for _, known in ipairs(redis.call('LRANGE', ARGV[1], 0, -1)) do
  if known == entry then return 0 end
end
redis.call('LPUSH', ARGV[1], entry)
redis.call('LTRIM', ARGV[1], 0, {MAX_TALK - 1})
redis.call('PEXPIRE', ARGV[1], ARGV[4])
return 1
"""

SILENCE = """
-- ARGV: key of the silence, lifetime in ms or 0 to end it. Returns 1.
if ARGV[2] == '0' then
  redis.call('DEL', ARGV[1])
else
  redis.call('SET', ARGV[1], 1, 'PX', ARGV[2])
end
return 1
"""

NUM_BOTS = """
-- ARGV: key of the bots' messages, message. Returns how many others there are.
return redis.call('SCARD', ARGV[1]) - redis.call('SISMEMBER', ARGV[1], ARGV[2])
"""

NOTE_BOT = f"""
-- ARGV: key of the bots' messages, a bot's message that is answered, or '' if a person spoke to us.
if ARGV[2] == '' then return redis.call('DEL', ARGV[1]) end
redis.call('SADD', ARGV[1], ARGV[2])
redis.call('PEXPIRE', ARGV[1], {keys.BOTS_HEARD_LIFETIME_MS})
return 1
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """The state of a conversation that the bot may take part in."""

    takes_part: bool
    is_muted: bool
    talk: tuple[str, ...]
    """Who has spoken there since the bot was last addressed, the latest first."""


def look(origin: Origin) -> Call[Seat]:
    """Read the state of the origin's conversation."""
    conversation = origin.conversation
    args = (keys.presence(conversation), keys.muted(conversation), keys.talk(conversation))

    def read(raw: Raw) -> Seat:
        return Seat(is_one(raw[0]), is_one(raw[1]), tuple(text_of(word) for word in raw[2:]))

    return Call(LOOK, args, read)


def note(origin: Origin, retention_ms: int) -> Call[bool]:
    """Record a message of the conversation that was not for the bot; False if known already."""
    args = (keys.talk(origin.conversation), origin.message, origin.user, retention_ms)
    return Call(NOTE, args, is_one)


def mute(origin: Origin, retention_ms: int) -> Call[bool]:
    """Mute the bot in the origin's conversation unless it is mentioned."""
    return Call(SILENCE, (keys.muted(origin.conversation), retention_ms), is_one)


def unmute(origin: Origin) -> Call[bool]:
    """Unmute the bot in the origin's conversation."""
    return Call(SILENCE, (keys.muted(origin.conversation), 0), is_one)


def num_bots(origin: Origin) -> Call[int]:
    """The number of bots' messages, besides the origin's, answered in its channel in a row."""
    return Call(NUM_BOTS, (_bots(origin), origin.message), lambda raw: int(text_of(raw)))


def note_bot(origin: Origin) -> Call[bool]:
    """Record that the origin's message is a bot's and is answered."""
    return Call(NOTE_BOT, (_bots(origin), origin.message), is_one)


def note_person(origin: Origin) -> Call[bool]:
    """Record that a person has spoken in the origin's channel: bots may be answered again."""
    return Call(NOTE_BOT, (_bots(origin), ""), is_one)


def _bots(origin: Origin) -> str:
    return keys.bots_heard(f"{origin.tenant}:{origin.channel}")
