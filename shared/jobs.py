"""The unit of work: one message that Parley has accepted and owes an answer.

Pure data. Built by ``bots.incoming.intake``, carried by the ledger as JSON, run by
``worker.runner``.
"""
# Pure.

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum

from shared.tasks import Learn, Task, Translate

JOB_ID_LENGTH = 20
"""Characters. Discord takes a nonce of at most 25; the rest names the part of a long answer."""


class Platform(StrEnum):
    """Where a message came from."""

    SLACK = "slack"
    DISCORD = "discord"
    CONSOLE = "console"


class Kind(StrEnum):
    """What is to be done with a message."""

    CHAT = "chat"
    """Answer it."""
    NEW = "new"
    """Forget the conversation so far and say so."""
    ASK = "ask"
    TRANSLATE = "translate"
    SUMMARIZE = "summarize"
    WRITE = "write"
    COMPLETE = "complete"
    TAG = "tag"
    REPORT = "report"
    LEARN = "learn"
    OPT = "opt"

    @property
    def task_name(self) -> str:
        """The Celery task that runs this kind."""
        return f"parley.{self.value}"

    @property
    def queue(self) -> str:
        """The Celery queue this kind waits in."""
        return QUEUES.get(self, CHAT_QUEUE)

    @property
    def is_answered(self) -> bool:
        """Whether somebody waits for what comes of it."""
        return self is not Kind.TAG


CHAT_QUEUE, TAG_QUEUE, INDEX_QUEUE = "chat", "tag", "index"
QUEUES = {Kind.TAG: TAG_QUEUE, Kind.REPORT: TAG_QUEUE, Kind.LEARN: INDEX_QUEUE}
"""Kinds that wait for something else than the chat model."""


def chat_queue(model: str) -> str:
    """The queue of those who want one model; only workers that run it take from it."""
    return f"{CHAT_QUEUE}:{model}"


class Audience(StrEnum):
    """Who sees an answer."""

    CHANNEL = "channel"
    ASKER = "asker"
    """Only the person who asked, in the same place if the platform can do that."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from, which is also where its answer goes."""

    platform: Platform
    team: str
    """Slack workspace or Discord guild id; for direct messages on Discord ``@me``."""
    channel: str
    thread: str
    """The conversation inside the channel; empty where the channel is one conversation.

    On Slack the timestamp of the thread's first message, on Discord the id of the message that
    began a chain of replies.
    """
    message: str
    """The platform's id of the message being answered."""
    user: str
    act: str = ""
    """What somebody did with the message, or instead of writing one: a command, a menu, a reaction.

    Empty for a message that is answered because it was written. Each act is a job and a
    conversation of its own.
    """
    audience: Audience = Audience.CHANNEL
    ticket: str = ""
    """What the platform wants to have back with an answer to a command; good for some minutes."""
    parent: str = ""
    """The channel that a thread hangs in, where a thread is a channel of its own; else empty.

    Who is in the thread sees that channel, and not the other way round.
    """

    @property
    def conversation(self) -> str:
        """The key under which turns are remembered and kept in order; never read across."""
        # On Slack each question in a direct message may have a thread; all of them are one talk.
        is_direct = self.platform is Platform.SLACK and self.channel.startswith("D")
        channel, thread = self.channel, "" if is_direct else self.thread
        if self.parent:
            # On Discord a thread has the id of the message that it hangs at: their talk is one.
            channel, thread = self.parent, self.channel
        place = f"{self.platform}:{self.team}:{channel}:{thread}"
        return f"{place}:{self.message}:{self.act}" if self.act else place

    @property
    def tenant(self) -> str:
        """Whose data it is: nothing computed for one tenant is shared with another."""
        return f"{self.platform}:{self.team}"

    @property
    def asker(self) -> str:
        """The person, as limits know them."""
        return f"{self.tenant}:{self.user}"

    @property
    def outbox(self) -> str:
        """The stream that carries finished replies back: one a platform, one a console session."""
        if self.platform is Platform.CONSOLE:
            return f"{self.platform}:{self.channel}"
        return self.platform.value


@dataclass(frozen=True, slots=True)
class Turn:
    """One remembered message of a conversation."""

    role: str
    """``user`` or ``assistant``."""
    text: str
    job: str = ""
    """The id of the job that left it here, which takes it away again if it is run anew."""


@dataclass(frozen=True, slots=True)
class PromptOverrides:
    """How a channel wants to be answered, where that differs from the worker's own settings."""

    system_prompt: str | None = None
    language: str = ""
    """ISO 639-1 code; empty for the language of the question."""
    retention_ms: int | None = None
    """How long the conversation is remembered."""
    model: str = ""
    """The name of the model that is to write; empty for whichever worker is free."""
    is_threaded: bool = False
    """Whether the answer goes into a thread, where that is not what people there are used to."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message."""

    name: str
    """With its ending."""
    content: str = ""
    """Its bytes as base64, until it is read; empty if it was not fetched."""
    text: str = ""
    """What was read of it."""
    note: str = ""
    """A sentence for the asker: why it was not read, or not whole."""


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted message."""

    id: str
    kind: Kind
    origin: Origin
    text: str
    """What the person wrote, cleaned of control characters and of the mention that called us."""
    late_s: float = 0.0
    """How long ago it was written when it was found, if nobody was there to hear it; else 0."""
    task: Task | None = None
    """What is asked for besides an answer; its kind is the job's."""
    attachments: tuple[Attachment, ...] = ()
    """Files that are a part of the question."""
    num_retries: int = 0
    """How often somebody wanted another answer to it."""
    manner: PromptOverrides | None = None
    """How its channel wants to be answered; None: as the worker's settings say."""

    @property
    def is_unasked(self) -> bool:
        """Whether nobody waits for an answer: an empty one is not shown, and none is begun."""
        return isinstance(self.task, Translate | Learn) and self.task.is_unasked


def job_id(origin: Origin) -> str:
    """The name of the job for a message; the same message always gets the same name.

    Made from platform, team, channel and message, never from an event's id: Slack delivers one
    mention as two events with different ids and the same message timestamp.
    """
    parts = [origin.platform, origin.team, origin.channel, origin.message]
    if origin.act:
        parts.append(origin.act)
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:JOB_ID_LENGTH]


def make_job(
    kind: Kind, origin: Origin, text: str, late_s: float = 0.0, task: Task | None = None
) -> Job:
    """A job for this message, named after it."""
    return Job(job_id(origin), kind, origin, text, late_s, task)


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Where a job stands that may not have been begun."""

    state: str
    num_ahead: int
    wait_ms: int | None
    """Until it is begun, as far as can be told; None before anything has been measured."""
    num_ready: int
    """Workers that answer now."""
    num_alive: int
    """Workers that are there, loading ones too."""
