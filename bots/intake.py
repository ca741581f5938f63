"""From one message on any platform to a job, or None if it is not for us. Pure.

Adapters describe what they saw as an ``Incoming``. What only the ledger knows (do we take part in
this thread?) is asked by ``bots.reception`` in between: ``needs_lookup`` says whether, and
``followed`` puts the answer in.
"""

import dataclasses
import unicodedata
from dataclasses import dataclass

from bots.gathering import Wanted
from bots.policy import Situation, is_for_us
from bots.wording import parse_words
from shared.errors import EmptyMessageError, MessageTooLongError
from shared.jobs import Attachment, Audience, Job, Kind, Origin, make_job
from shared.replies import Failed
from shared.tasks import Learn, Opt, Report, Summarize, Task, Write

NEW_WORDS = frozenset({"/new", "forget this conversation"})
KEPT_CONTROLS = "\n\t"
NEED_NO_TEXT = (Summarize, Report, Learn, Opt)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message, in words that every platform shares."""

    origin: Origin
    text: str
    """Without the mention that called us."""
    situation: Situation
    late_s: float = 0.0
    """How long ago it was written, if nobody heard it then; else 0."""
    in_thread: bool = False
    """Whether it goes on with its conversation, if we take part in that."""
    reply_to: str = ""
    """The message that it replies to: if that is ours, it goes on with that one's conversation."""
    written_at_s: float = 0.0
    """When it was written, in seconds since 1970 by the platform's clock."""
    task: Task | None = None
    """What is asked for by a command, a menu or a reaction; None if the words say it."""
    wanted: Wanted | None = None
    """The messages that the task works on, if they have to be fetched."""
    attachments: tuple[Attachment, ...] = ()
    """Files that came with it."""
    refusal: Failed | None = None
    """Why it cannot be done, if the adapter knows that already."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is ours; with a refusal it ends at once, with that sentence."""

    job: Job
    refusal: Failed | None = None
    is_said_sparingly: bool = False
    """Whether the author reads that sentence at most once a minute."""
    wanted: Wanted | None = None
    """The messages that have to be fetched before it is accepted."""


def unasked(incoming: Incoming) -> Incoming:
    """The same to be learned, but that nobody is told what comes of it."""
    if not isinstance(incoming.task, Learn):
        return incoming
    return dataclasses.replace(incoming, task=dataclasses.replace(incoming.task, is_unasked=True))


def may_be_ours(incoming: Incoming) -> bool:
    """Whether a message is for us, or might turn out to be."""
    return is_for_us(incoming.situation) or needs_lookup(incoming)


def needs_lookup(incoming: Incoming) -> bool:
    """Whether what the ledger knows about its conversation makes a difference."""
    situation = incoming.situation
    if not situation.is_from_person:
        return False
    if is_for_us(situation):
        return bool(incoming.reply_to)  # it is answered in any case, but in which conversation?
    return not situation.mentions_others and (incoming.in_thread or bool(incoming.reply_to))


def followed(incoming: Incoming, thread: str | None) -> Incoming:
    """The message after the look-up: the thread of ours that it goes on with; None if none."""
    if thread is None:
        return incoming
    return dataclasses.replace(
        incoming,
        origin=dataclasses.replace(incoming.origin, thread=thread),
        situation=dataclasses.replace(incoming.situation, is_follow_up=True),
    )


def intake(incoming: Incoming, max_chars: int) -> Taken | None:
    """Decide about one message.

    Args:
        incoming: the message.
        max_chars: the longest text that is read, in characters.
    """
    if not is_for_us(incoming.situation):
        return None
    text = clean(incoming.text)
    task, kind = incoming.task, _kind_of(incoming.task, text)
    if incoming.refusal:
        return Taken(make_job(kind, incoming.origin, ""), incoming.refusal)
    if len(text) > max_chars:
        refusal = MessageTooLongError(len(text), max_chars).to_reply()
        # The text is not kept: it would only lie in Redis.
        return Taken(make_job(kind, incoming.origin, ""), refusal, is_said_sparingly=True)
    if task is None and kind is Kind.CHAT:
        return _take(_with_task_of_words(incoming, text))
    return _take(dataclasses.replace(incoming, text=text))


def _with_task_of_words(incoming: Incoming, text: str) -> Incoming:
    """The message with what its words ask for, if that is more than an answer."""
    parsed = parse_words(text, in_thread=incoming.in_thread or bool(incoming.reply_to))
    origin = incoming.origin
    if parsed.is_private and not incoming.situation.is_direct:
        origin = dataclasses.replace(origin, audience=Audience.ASKER)
    return dataclasses.replace(
        incoming,
        origin=origin,
        text=parsed.text,
        task=parsed.task,
        wanted=incoming.wanted or parsed.wanted,
    )


def _take(incoming: Incoming) -> Taken | None:
    """The job for a message whose words have been read."""
    text, task = incoming.text, incoming.task
    kind = _kind_of(task, text)
    if not text and not incoming.attachments and not incoming.wanted and not _needs_no_text(task):
        situation = incoming.situation
        if not (situation.is_act or situation.is_direct or situation.mentions_us):
            return None  # a picture, or words that we may not read: nobody spoke to us
        return Taken(make_job(kind, incoming.origin, ""), EmptyMessageError().to_reply())
    job = make_job(kind, incoming.origin, text, incoming.late_s, task)
    job = dataclasses.replace(job, attachments=incoming.attachments)
    return Taken(job, wanted=incoming.wanted)


def _needs_no_text(task: Task | None) -> bool:
    is_reply = isinstance(task, Write) and task.reply_to is not None
    return is_reply or isinstance(task, NEED_NO_TEXT)


def _kind_of(task: Task | None, text: str) -> Kind:
    if task is not None:
        return Kind(task.type)
    return Kind.NEW if text.lower().rstrip(".!") in NEW_WORDS else Kind.CHAT


def clean(text: str) -> str:
    """The text without what no model should read and no JSON can carry.

    Lone surrogates become replacement characters; NUL and other control characters go.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = (char for char in whole if char in KEPT_CONTROLS or unicodedata.category(char) != "Cc")
    return "".join(kept).strip()
