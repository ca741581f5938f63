"""The job: one message that Parley has accepted and must answer.

Pure data. Built by ``bots.incoming.intake``, carried by the ledger as JSON, run by
``worker.runner``.
"""
# Pure.

import base64
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.tasks import Learn, Task, Translate

JOB_ID_LENGTH = 20
"""Characters. Discord takes a nonce of at most 25; the rest names the part of a long answer."""


class Platform(StrEnum):
    """The platform a message came from."""

    SLACK = "slack"
    DISCORD = "discord"
    CONSOLE = "console"


class Kind(StrEnum):
    """The kind of job: what the worker does with the message."""

    CHAT = "chat"
    """Answer it."""
    NEW = "new"
    """Forget the conversation so far and confirm it."""
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
        """The Celery queue of this kind."""
        return QUEUES.get(self, CHAT_QUEUE)

    @property
    def is_answered(self) -> bool:
        """Whether a person waits for the result."""
        return self is not Kind.TAG


CHAT_QUEUE, TAG_QUEUE, INDEX_QUEUE = "chat", "tag", "index"
QUEUES = {Kind.TAG: TAG_QUEUE, Kind.REPORT: TAG_QUEUE, Kind.LEARN: INDEX_QUEUE}
"""The queues of kinds that need something other than the chat model."""


def chat_queue(model: str) -> str:
    """The queue of jobs that ask for one model; only workers that run it consume it."""
    return f"{CHAT_QUEUE}:{model}"


class Audience(StrEnum):
    """Who sees an answer."""

    CHANNEL = "channel"
    ASKER = "asker"
    """Only the person who asked; in the same channel if the platform can do that."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a message, which is also where its answer is posted."""

    platform: Platform
    team: str
    """Slack workspace or Discord guild id; for direct messages on Discord ``@me``."""
    channel: str
    thread: str
    """The conversation inside the channel; empty where the channel is one conversation.

    On Slack the timestamp of the thread's first message, on Discord the id of the message that
    began a chain of replies."""
    message: str
    """The platform's id of the message being answered."""
    user: str
    act: str = ""
    """The interaction: a command, a menu item or a reaction.

    Empty for a message that is answered because it was written. Each interaction is a job and a
    conversation of its own."""
    audience: Audience = Audience.CHANNEL
    ticket: str = ""
    """The platform's token for answering a command; valid for some minutes."""
    parent: str = ""
    """The parent channel of a thread, where a thread is a channel of its own; else empty.

    Members of the thread can read that channel, but not the reverse."""

    @property
    def conversation(self) -> str:
        """The key under which turns are remembered and ordered; never read across keys."""
        # On Slack each question in a direct message may have a thread; all of them are one
        # conversation.
        is_direct = self.platform is Platform.SLACK and self.channel.startswith("D")
        channel, thread = self.channel, "" if is_direct else self.thread
        if self.parent:
            # On Discord a thread has the id of the message it starts from: both are one
            # conversation.
            channel, thread = self.parent, self.channel
        place = f"{self.platform}:{self.team}:{channel}:{thread}"
        return f"{place}:{self.message}:{self.act}" if self.act else place

    @property
    def tenant(self) -> str:
        """The tenant that owns the data: nothing computed for one tenant is shared with another."""
        return f"{self.platform}:{self.team}"

    @property
    def asker(self) -> str:
        """The key of the person for rate limits and quotas."""
        return f"{self.tenant}:{self.user}"

    @property
    def outbox(self) -> str:
        """The stream of finished replies: one per platform, one per console session."""
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
    """The id of the job that added it; a new run of that job removes it first."""
    people: tuple[str, ...] = ()
    """The ids of the people whose words it holds or answers, the asker first."""


class Effort(StrEnum):
    """How long a model may think before it answers."""

    AUTO = "auto"
    """As the model does by itself."""
    OFF = "off"
    ON = "on"
    HARD = "hard"
    """More than by itself, where the model knows degrees."""


@dataclass(frozen=True, slots=True)
class PromptOverrides:
    """A channel's overrides of the worker's own prompt settings."""

    system_prompt: str | None = None
    language: str = ""
    """ISO 639-1 code; empty for the language of the question."""
    retention_ms: int | None = None
    """How long the conversation is remembered."""
    model: str = ""
    """The name of the model that must answer; empty for any free worker's."""
    is_threaded: bool = False
    """Whether the answer goes into a thread, where that is not the platform's default."""
    thinking: Effort | None = None
    """Whether the model thinks before it answers; None: as the worker's settings say."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a message."""

    name: str
    """The file name with its extension."""
    content: str = ""
    """The bytes as base64, until they are parsed; empty if the file was not fetched."""
    text: str = ""
    """The text extracted from it."""
    note: str = ""
    """A sentence for the asker: why it was not read, or only in part."""


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted message."""

    id: str
    kind: Kind
    origin: Origin
    text: str
    """The message text without control characters and without the mention that addressed the bot.
    """
    late_s: float = 0.0
    """The message's age in seconds if backfill found it; 0 if it arrived live."""
    task: Task | None = None
    """What the job asks for besides an answer; the job's kind matches it."""
    attachments: tuple[Attachment, ...] = ()
    """Files that belong to the question."""
    num_retries: int = 0
    """How many times a person asked for another answer."""
    manner: PromptOverrides | None = None
    """The channel's prompt overrides; None: the worker's settings apply."""
    effort: Effort | None = None
    """The effort that the message asks for in words; None: as the channel or the worker has it."""
    quoted: tuple[str, ...] = ()
    """The ids of other people whose words it holds: found when they want to be forgotten."""
    is_confined: bool = False
    """Whether only the documents of its own channel may answer it: a guest, or a stranger, asks."""

    @property
    def has_files(self) -> bool:
        """Whether it holds the bytes of files."""
        held = isinstance(self.task, Learn) and bool(self.task.content)
        return held or any(each.content for each in self.attachments)

    def without_files(self) -> "Job":
        """The job as it is kept after its answer: the text that was read stays, the bytes go."""
        task = self.task
        if isinstance(task, Learn):
            task = dataclasses.replace(task, content="")
        light = tuple(dataclasses.replace(each, content="") for each in self.attachments)
        return dataclasses.replace(self, task=task, attachments=light)

    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What a newer process wrote into it; the codec alone reads and writes it."""

    @property
    def is_unasked(self) -> bool:
        """Whether no person waits for the answer: if it is empty, nothing is posted."""
        return isinstance(self.task, Translate | Learn) and self.task.is_unasked


def job_id(origin: Origin) -> str:
    """The id of the job for a message; the same message always gets the same id.

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
    """A job for this message, with the id that ``job_id`` gives."""
    return Job(job_id(origin), kind, origin, text, late_s, task)


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position in the queue of a job that may not have started."""

    state: str
    num_ahead: int
    wait_ms: int | None
    """The expected time until the job starts; None before anything has been measured."""
    num_ready: int
    """Workers that answer now."""
    num_alive: int
    """Live workers, including those that are still loading."""
    failing_model: str = ""
    """The model that no worker can start, if that is why the job waits."""
