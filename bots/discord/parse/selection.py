"""Selects the messages that a task works on from those that were read.

Messages are ``Facts``, the oldest first.
"""
# Pure. Uses babel.

from collections.abc import Collection, Sequence

from bots.discord.parse.payloads import Facts, id_at, written_at_s
from bots.incoming.context import LastHours, SinceAsker, Wanted
from shared.jobs import Origin

MAX_MESSAGES = 500
"""Read for one task; of more, the latest."""
MAX_CHARS = 100_000
"""In all of them together; of more, the latest."""
MAX_CHAIN = 50
"""Replies that are followed upwards."""
PAGE = 100
HOUR_S = 3600.0


def is_full(page: Sequence[Facts]) -> bool:
    """Whether there may be more messages after a page."""
    return len(page) >= PAGE


def before(found: Sequence[Facts], message: int) -> list[Facts]:
    """Those that were written before one."""
    return [facts for facts in found if facts.message < message]


def start_of(found: Sequence[Facts], origin: Origin, wanted: Wanted) -> int | None:
    """Where the wanted messages begin among the latest ones; None if that may be further back."""
    match wanted:
        case LastHours(hours):
            first = id_at(written_at_s(int(origin.message)) - hours * HOUR_S)
            early = [i for i, facts in enumerate(found) if facts.message < first]
        case SinceAsker():
            early = [i for i, facts in enumerate(found) if str(facts.author) == origin.user]
        case _:
            early = []
    return early[-1] + 1 if early else None


def chain(later: Sequence[Facts], root: int) -> list[Facts]:
    """A message, what replies to it, what replies to that, and so on."""
    known = {root}
    kept = []
    for facts in later:
        if facts.message in known or facts.reply_to in known:
            known.add(facts.message)
            kept.append(facts)
    return kept


def last_of_a_person(page: Sequence[Facts]) -> list[Facts]:
    """The latest message that a person wrote, if there is one."""
    return [facts for facts in page if facts.is_from_person and facts.text][-1:]


def kept(found: Sequence[Facts], opted_out: Collection[str], *, is_one: bool) -> list[Facts]:
    """Without empty messages, bots' and those of people who opted out; at most a bounded number.

    Args:
        found: what was read.
        opted_out: people, as ids.
        is_one: whether it is one message that was pointed at, which may be a bot's.
    """
    wanted = [
        facts
        for facts in found
        if facts.text and (facts.is_from_person or is_one) and str(facts.author) not in opted_out
    ]
    num_chars, first = 0, len(wanted)
    for facts in reversed(wanted[-MAX_MESSAGES:]):
        num_chars += len(facts.text)
        if num_chars > MAX_CHARS:
            break
        first -= 1
    return wanted[first:]
