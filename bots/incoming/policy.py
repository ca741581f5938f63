"""Policy: decides when to speak. A situation in; yes or no, with its reason, out.

``bots.incoming.reception`` collects the situation; ``parley explain-policy`` prints the decision
about one.
"""
# Pure. Uses babel.

from dataclasses import dataclass

from shared.preferences import WhenToSpeak

MAX_BOTS_IN_A_ROW = 3
"""Messages of other bots that are answered in a channel before a person has to speak to us."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about a message besides its text."""

    is_from_person: bool
    """False for our own messages, other bots' and the platform's notices."""
    is_direct: bool = False
    """A direct message to us."""
    mentions_us: bool = False
    mentions_others: bool = False
    is_follow_up: bool = False
    """In a thread we take part in."""
    replies_to_us: bool = False
    """A reply to one of our messages."""
    is_act: bool = False
    """A command, a menu, a reaction, or what a channel's settings do with a message."""
    names_us: bool = False
    """It begins with our name."""
    is_question: bool = False
    author: str = ""
    talk: tuple[str, ...] = ()
    """Who has spoken in this thread of ours since we were last spoken to, the latest first."""
    is_muted: bool = False
    """A person muted us in this thread."""
    when_to_speak: WhenToSpeak = WhenToSpeak.MENTIONS
    """The channel's preference."""
    is_quiet: bool = False
    """In the channel's quiet hours."""
    is_allowed_bot: bool = False
    """Another bot wrote it, and an operator wants that bot to be answered."""
    num_bots: int = 0
    """Messages of bots that were answered here since a person spoke to us."""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """Whether a message is answered."""

    speaks: bool
    reason: str
    """Why, or why not: half a sentence for operators."""


def decide(situation: Situation) -> PolicyDecision:
    """Decide whether a message is answered, and why."""
    return (
        _of_author(situation)
        or _of_mentions(situation)
        or _of_place(situation)
        or _of_words(situation)
    )


def is_for_us(situation: Situation) -> bool:
    """Whether a message is answered."""
    return decide(situation).speaks


def _of_author(known: Situation) -> PolicyDecision | None:
    """The decision by author and by kind of message; None if they do not settle it."""
    if not known.is_from_person and not known.is_allowed_bot:
        return _silent("no person wrote it, and no bot of PARLEY_ANSWER_BOTS")
    if known.is_act:
        return _speaks("it is a command, a menu or a reaction, or the channel is set so")
    if known.is_allowed_bot and known.num_bots >= MAX_BOTS_IN_A_ROW:
        return _silent(
            f"{MAX_BOTS_IN_A_ROW} messages of bots were answered here since a person spoke to us"
        )
    if known.is_direct:
        return _speaks("it is a direct message")
    return None


def _of_mentions(known: Situation) -> PolicyDecision | None:
    """The decision by mentions; None if they do not settle it."""
    if known.when_to_speak is WhenToSpeak.OFF:
        return _silent("answers are switched off in this channel")
    if known.mentions_us:
        return _speaks("it mentions us")
    if known.mentions_others:
        return _silent("it mentions somebody else, and not us")
    return None


def _of_place(known: Situation) -> PolicyDecision | None:
    """The decision by channel and thread; None if they do not settle it."""
    if known.is_quiet:
        return _silent("these are the quiet hours: only mentions are answered")
    if known.is_muted:
        return _silent("this thread is muted: only mentions are answered")
    if known.replies_to_us:
        return _speaks("it replies to a message of ours")
    return None


def _of_words(known: Situation) -> PolicyDecision:
    """The decision by the words and by what was said before."""
    if known.is_follow_up:
        return _of_thread(known)
    match known.when_to_speak:
        case WhenToSpeak.ALWAYS:
            return _speaks("every message is answered in this channel")
        case WhenToSpeak.QUESTIONS if known.is_question or known.names_us:
            return _speaks("it is a question, and those are answered in this channel")
        case WhenToSpeak.QUESTIONS:
            return _silent("it is no question, and only those are answered in this channel")
        case _:
            return _silent("nothing says that it is meant for us")


def _of_thread(known: Situation) -> PolicyDecision:
    """The decision about a message in a thread of ours: people may talk to each other there."""
    if known.names_us:
        return _speaks("it begins with our name")
    if known.talk and known.talk[0] != known.author:
        return _silent("somebody else spoke before it in this thread, and not to us")
    if any(user != known.author for user in known.talk):
        return _silent("people talk to each other in this thread")
    return _speaks("it goes on in a thread that we take part in")


def _speaks(reason: str) -> PolicyDecision:
    return PolicyDecision(speaks=True, reason=reason)


def _silent(reason: str) -> PolicyDecision:
    return PolicyDecision(speaks=False, reason=reason)
