"""Builds a message's situation from its words, its channel's preferences and its thread's state.

The preferences are in memory. What only the ledger knows (do we take part in this thread?) is
looked up by ``bots.incoming.reception``: ``needs_lookup`` says whether, and ``followed`` adds the
answer.

Whether the words are a question is a guess that fits what people write in channels: a question mark
at the end of a sentence in any script, or the first words of an English question. Code, links and
quotes do not count.
"""
# Pure. Uses babel.

import dataclasses
import re
from dataclasses import dataclass
from datetime import datetime

from bots.incoming.intake import Incoming
from bots.incoming.policy import is_for_us
from shared.jobs import Platform
from shared.preference_layers import Resolved
from shared.preferences import ReplyPlace, WhenToSpeak

MARKS = "?？؟;՞፧⁇⁈"  # noqa: RUF001 - the question marks of other scripts
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://\S+")
QUOTE = re.compile(r"^[ \t]{0,20}>.*$", re.MULTILINE)
CLOSERS = "\"'\u201d\u2019\u00bb)]*_~!."
"""What may stand between a question mark and the end of its sentence."""
ASKED = re.compile(rf"[{MARKS}](?=[\s{re.escape(CLOSERS)}{MARKS}]|\Z)")
HELPER = (
    r"(?:can|could|would|will|should|does|do|did|is|are|was|were|has|have|may)"
    r"(?:n['\u2019]?t)?"
)
OPENER = re.compile(
    r"^(?:(?:hi|hey|hello|ok|so|and|but|please|sorry)\b[ ,.!]*)*"
    rf"(?:(?:who|what|when|where|why|how|which)(?:['\u2019]s| {HELPER}| to)\b"
    rf"|(?:what|which) \w+ {HELPER}\b"
    r"|how (?:about|come|far|long|many|much|often)\b|what (?:about|happened|happens|if)\b"
    rf"|(?!do (?:it|this|that|the|these|those)\b){HELPER} (?:i|you|we|they|he|she|it|there|this"
    r"|that|these|those|the|a|an|anyone|anybody|someone|somebody|my|our|your)\b)",
    re.IGNORECASE,
)
NAME = re.compile(
    r"^\W*(?:(?:hi|hey|hello|ok|okay|thanks|so)\b\W+)?parley\b(?!['\u2019])", re.IGNORECASE
)


def is_question(text: str) -> bool:
    """Whether a text asks a question."""
    words = QUOTE.sub("", LINK.sub("", CODE.sub("", text))).strip()
    return bool(ASKED.search(words) or OPENER.match(words))


def names_us(text: str) -> bool:
    """Whether a message begins with our name, as a form of address."""
    return NAME.match(text) is not None


def situated(incoming: Incoming, resolved: Resolved, moment: datetime) -> Incoming:
    """The message with its channel's preferences, which determine its conversation.

    A repeated call changes nothing.

    Args:
        incoming: the message.
        resolved: its channel's preferences.
        moment: the current time, with its zone.
    """
    situation = dataclasses.replace(
        incoming.situation,
        names_us=names_us(incoming.text),
        is_question=is_question(incoming.text),
        author=incoming.origin.user,
        when_to_speak=resolved.when_to_speak,
        is_quiet=resolved.quiet_hours is not None and resolved.quiet_hours.covers(moment),
        is_allowed_bot=incoming.bot != "" and incoming.bot in resolved.answer_bots,
    )
    incoming = dataclasses.replace(incoming, situation=situation)
    if not _is_one_conversation(incoming, resolved):
        return incoming
    origin = dataclasses.replace(incoming.origin, thread="")
    return dataclasses.replace(incoming, origin=origin, reply_to="")


def _is_one_conversation(incoming: Incoming, resolved: Resolved) -> bool:
    """Whether a message that would begin a conversation continues its channel's instead."""
    situation = incoming.situation
    if incoming.in_thread or situation.is_direct or situation.is_act:
        return False
    if incoming.origin.platform is Platform.SLACK:
        return resolved.reply_place is ReplyPlace.CHANNEL
    is_always = resolved.when_to_speak is WhenToSpeak.ALWAYS
    return is_always and resolved.reply_place is not ReplyPlace.THREAD


def may_be_ours(incoming: Incoming) -> bool:
    """Whether a message is for us, or might turn out to be."""
    return is_for_us(incoming.situation) or needs_lookup(incoming)


def needs_lookup(incoming: Incoming) -> bool:
    """Whether the ledger's state of its conversation makes a difference."""
    situation = incoming.situation
    if not (situation.is_from_person or situation.is_allowed_bot) or situation.is_act:
        return False
    if situation.is_direct or situation.mentions_us:
        return bool(incoming.reply_to)  # answered in any case; the lookup finds its conversation
    if situation.when_to_speak is WhenToSpeak.OFF or situation.is_quiet:
        return False
    # In a thread also messages to other people: people talk to each other there.
    return incoming.in_thread or (bool(incoming.reply_to) and not situation.mentions_others)


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation of ours that a message continues."""

    name: str
    """As of ``Origin.thread``."""
    is_muted: bool = False
    talk: tuple[str, ...] = ()
    """Who has spoken there since we were last spoken to, the latest first."""


def followed(incoming: Incoming, thread: Thread | None) -> Incoming:
    """The message after the lookup, with the thread of ours that it continues, if any."""
    if thread is None:
        return incoming
    situation = dataclasses.replace(incoming.situation, is_muted=thread.is_muted)
    if incoming.reply_to:
        situation = dataclasses.replace(situation, replies_to_us=True)
    else:
        situation = dataclasses.replace(situation, is_follow_up=True, talk=thread.talk)
    origin = dataclasses.replace(incoming.origin, thread=thread.name)
    return dataclasses.replace(incoming, origin=origin, situation=situation)
