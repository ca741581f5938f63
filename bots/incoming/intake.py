"""Intake: turns one message of any platform into a job, or None if it is not for us.

Adapters describe each message as an ``Incoming``. ``bots.incoming.situation`` adds what only the
preferences and the ledger know about its place.
"""
# Pure. Uses babel.

import dataclasses
import unicodedata
from dataclasses import dataclass

from bots.access.request import NO_HINTS, AccessHints, AccessRequest
from bots.incoming.context import Wanted
from bots.incoming.intents.effort import effort_of
from bots.incoming.intents.parser import parse_words
from bots.incoming.policy import Situation, is_for_us
from shared.errors import EmptyMessageError, MessageTooLongError, TaskOffError
from shared.jobs import Attachment, Audience, Job, Kind, Origin, make_job
from shared.replies import Done, Failed
from shared.tasks import Learn, Opt, Report, Summarize, Task, Write

NEW_WORDS = frozenset({"/new", "forget this conversation"})
MUTE_WORDS = {
    **dict.fromkeys(("mute", "/mute", "mute this thread", "🔇"), True),
    **dict.fromkeys(("unmute", "/unmute", "unmute this thread", "🔈", "🔉", "🔊"), False),
}
MUTED = (
    "I am silent in this thread now, unless somebody mentions me. Mention me and say “unmute” to "
    "change that."
)
UNMUTED = "I answer in this thread again."
NO_THREAD_TO_MUTE = "Say that in the thread in which I am to be silent."
KEPT_CONTROLS = "\n\t"
MAY_THINK = frozenset({Kind.CHAT, Kind.ASK})
"""Kinds whose words may ask for more thinking, or for less."""
NEED_NO_TEXT = (Summarize, Report, Learn, Opt)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message in the form that all platforms share."""

    origin: Origin
    text: str
    """Without the mention that called us."""
    situation: Situation
    late_s: float = 0.0
    """How long ago it was written, if it was missed then; else 0."""
    in_thread: bool = False
    """Whether it continues its conversation, if we take part in that."""
    reply_to: str = ""
    """The message that it replies to: if that is ours, this one continues its conversation."""
    written_at_s: float = 0.0
    """When it was written, in seconds since 1970 by the platform's clock."""
    task: Task | None = None
    """The task of a command, a menu or a reaction; None if the words say it."""
    wanted: Wanted | None = None
    """The messages that the task works on, if they have to be fetched."""
    attachments: tuple[Attachment, ...] = ()
    """Files that came with it."""
    refusal: Failed | None = None
    """Why it cannot be done, if the adapter knows that already."""
    roles: frozenset[str] = frozenset()
    """The role ids of its author, where the platform sends them along."""
    bot: str = ""
    """The user id of the other bot that wrote it; empty if no other bot did."""
    quoted: tuple[str, ...] = ()
    """The ids of other people whose words it holds."""
    hints: AccessHints = NO_HINTS
    """What the platform sent along about its author besides."""
    is_confined: bool = False
    """Whether only the channel's own documents answer it: the access gate decides that."""

    @property
    def access_request(self) -> AccessRequest:
        """Its author and its place, as a request for access."""
        return AccessRequest(self.origin, self.roles, self.bot != "", self.hints)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is for us; with a refusal it ends at once, with that sentence."""

    job: Job
    refusal: Failed | Done | None = None
    is_said_sparingly: bool = False
    """Whether the author gets that sentence at most once a minute."""
    wanted: Wanted | None = None
    """The messages that have to be fetched before it is accepted."""
    mutes: bool | None = None
    """Whether we are to be silent in its thread from now on; None if it does not say."""


def unasked(incoming: Incoming) -> Incoming:
    """The same message, but a learn task in it reports no outcome."""
    if not isinstance(incoming.task, Learn):
        return incoming
    return dataclasses.replace(incoming, task=dataclasses.replace(incoming.task, is_unasked=True))


def intake(
    incoming: Incoming, max_chars: int, tasks_off: frozenset[Kind] = frozenset()
) -> Taken | None:
    """Decide about one message.

    Args:
        incoming: the message.
        max_chars: the longest accepted text, in characters.
        tasks_off: the tasks that are switched off where it was written.
    """
    if not is_for_us(incoming.situation):
        return None
    taken = _read(incoming, max_chars)
    if taken is None or taken.refusal or taken.job.kind not in tasks_off:
        return taken
    job = taken.job
    if job.is_unasked or not job.kind.is_answered:
        return None
    return Taken(make_job(job.kind, job.origin, ""), TaskOffError(job.kind).to_reply())


def _read(incoming: Incoming, max_chars: int) -> Taken | None:
    """Read the request in a message that is for us."""
    text = clean(incoming.text)
    task, kind = incoming.task, _kind_of(incoming.task, text)
    mutes = MUTE_WORDS.get(text.lower().rstrip(".!")) if task is None else None
    if mutes is not None:
        return _mute(incoming, text, mutes=mutes)
    if incoming.refusal:
        return Taken(make_job(kind, incoming.origin, ""), incoming.refusal)
    if len(text) > max_chars:
        refusal = MessageTooLongError(len(text), max_chars).to_reply()
        # The text is not kept: it would only take up memory in Redis.
        return Taken(make_job(kind, incoming.origin, ""), refusal, is_said_sparingly=True)
    if task is None and kind is Kind.CHAT:
        return _take(_with_task_of_words(incoming, text))
    return _take(dataclasses.replace(incoming, text=text))


def _mute(incoming: Incoming, text: str, *, mutes: bool) -> Taken:
    """A request to be silent in a thread, or to speak again."""
    job = make_job(Kind.CHAT, incoming.origin, text)
    if not incoming.in_thread and not incoming.reply_to:
        return Taken(job, Done(NO_THREAD_TO_MUTE))
    return Taken(job, Done(MUTED if mutes else UNMUTED), mutes=mutes)


def _with_task_of_words(incoming: Incoming, text: str) -> Incoming:
    """The message with the task that its words ask for, if that is more than an answer."""
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
            return None  # a picture, or words that we may not read: it is not addressed to us
        return Taken(make_job(kind, incoming.origin, ""), EmptyMessageError().to_reply())
    job = make_job(kind, incoming.origin, text, incoming.late_s, task)
    effort = effort_of(text) if kind in MAY_THINK else None
    job = dataclasses.replace(
        job, attachments=incoming.attachments, effort=effort, quoted=incoming.quoted
    )
    return Taken(job, wanted=incoming.wanted)


def _needs_no_text(task: Task | None) -> bool:
    is_reply = isinstance(task, Write) and task.reply_to is not None
    return is_reply or isinstance(task, NEED_NO_TEXT)


def _kind_of(task: Task | None, text: str) -> Kind:
    if task is not None:
        return Kind(task.type)
    return Kind.NEW if text.lower().rstrip(".!") in NEW_WORDS else Kind.CHAT


def clean(text: str) -> str:
    """The text without characters that no model should read and no JSON can carry.

    Lone surrogates become replacement characters; NUL and other control characters are removed.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = (char for char in whole if char in KEPT_CONTROLS or unicodedata.category(char) != "Cc")
    return "".join(kept).strip()
