"""The lifecycle of a job, as calls that either side runs: accept, claim, renew, finish, sweep.

The states are described in ``shared.ledger``, the scripts are in ``shared.ledger.lua.lifecycle``.
``shared.ledger.presentation`` has the calls for showing an answer, ``shared.ledger.status`` those
for operators.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from shared.errors import (
    ChannelBusyError,
    FilesWaitingError,
    QueueFullError,
    QuotaError,
    TooManyMessagesError,
    TooManyOpenError,
)
from shared.jobs import Job, Kind, Origin, Turn
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lua import lifecycle as scripts
from shared.ledger.quotas import Quotas, counted
from shared.replies import Done, Failed, Final, FinishReason, Snapshot


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that may run now and must be handed to Celery."""

    id: str
    kind: Kind
    queue: str
    """The Celery queue: the kind's, or that of the model that the job wants."""

    @classmethod
    def read(cls, job_id: str, words: str) -> Self:
        """Parse a script's answer: ``kind queue``."""
        kind, _, queue = words.partition(" ")
        return cls(job_id, Kind(kind), queue)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome of ``accept``: recorded, known already, or refused."""

    is_new: bool
    """Whether this call made the ledger owe a visible answer."""
    ready: Ready | None = None
    refused: str = ""
    """The code of the refusal that load caused, said or not; empty if it is not refused."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The time limits of a job; in ms."""

    deadline_ms: int
    retention_ms: int
    """How long a conversation is remembered after its last message."""
    max_waiting_bytes: int = 0
    """Of the files of all unfinished jobs, as they lie in Redis; 0: any."""


@dataclass(frozen=True, slots=True)
class AskAllowance:
    """The rate limits of people, so that one of them cannot use up the capacity of all."""

    user_per_min: int
    """Messages: a burst of as many, then evenly."""
    channel_per_min: int
    max_open_per_user: int
    max_queue: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job, with everything the run needs."""

    job: Job
    token: str
    attempt: int
    """1 for the first run."""
    is_alone: bool
    """Whether nothing else may run in the same batch; then ``begin`` has to be called first."""
    shown: str
    """The text that an earlier run wrote: the answer continues it."""
    history: tuple[Turn, ...]
    left_ms: int = field(default=0, compare=False)
    """The time until the job's deadline when it was claimed, by Redis's clock."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The outcome of a claim: a lease, or why there is none."""

    lease: Lease | None
    reason: str
    ready: Ready | None


class Hold(StrEnum):
    """The outcome of a renewal."""

    HELD = "held"
    LOST = "lost"
    STOPPED = "stopped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Finished:
    """Whether the finish counted, and which job may run next."""

    counted: bool
    ready: Ready | None


def accept(
    job: Job,
    limits: JobLimits,
    allowance: AskAllowance | None = None,
    refusal: Failed | Done | None = None,
    *,
    is_said_sparingly: bool = False,
    quotas: Quotas | None = None,
) -> Call[Accepted]:
    """Record a message, once, unless a rate limit or quota refuses it.

    Args:
        job: the message.
        limits: how long it and its conversation may live.
        allowance: None for people without limits.
        refusal: the job ends at once, with that reply.
        is_said_sparingly: whether the author reads that refusal at most once a minute.
        quotas: the daily quotas; None if this is not counted.
    """
    origin = job.origin
    bare = dataclasses.replace(job, text="", task=None, attachments=())
    most = allowance or NO_ALLOWANCE
    document = codec.encode(job)
    args: tuple[str | int, ...] = (
        job.id,
        document,
        job.kind,
        origin.conversation,
        origin.outbox,
        limits.deadline_ms,
        keys.presence(origin.conversation),
        limits.retention_ms,
        codec.encode(refusal) if refusal else "",
        int(is_said_sparingly),
        codec.encode(bare),
        origin.asker if allowance else "",
        keys.bucket("user", origin.asker),
        most.user_per_min,
        keys.bucket("channel", f"{origin.tenant}:{origin.channel}"),
        most.channel_per_min,
        keys.told(origin.asker),
        most.max_open_per_user,
        most.max_queue,
        *_load_refusals(most),
        origin.asker,
        int(not origin.act),
        job.manner.model if job.manner else "",
        *_quota_words(origin, quotas),
        *_file_words(job, document, limits),
    )

    return Call(scripts.ACCEPT, args, _accepted)


def _accepted(raw: Raw) -> Accepted:
    word = text_of(raw[0])
    if word == "refused":
        return Accepted(is_new=raw[2] == 1, refused=text_of(raw[1]))
    return Accepted(is_new=word == "accepted", ready=_ready(raw[1:]))


NUM_QUOTA_WORDS = 15
NO_ALLOWANCE = AskAllowance(1, 1, 1, 1)
"""The placeholder where no rate limit applies; the script does not read it then."""


@functools.lru_cache(maxsize=64)
def _load_refusals(most: AskAllowance) -> tuple[str, ...]:
    """The refusals in the order of the script's checks; the script fills in the seconds."""
    wait = keys.WAIT_MARK
    refusals = (
        TooManyMessagesError(most.user_per_min, wait),
        ChannelBusyError(most.channel_per_min, wait),
        TooManyOpenError(most.max_open_per_user, wait),
        QueueFullError(most.max_queue, wait),
    )
    return tuple(codec.encode(refusal.to_reply()) for refusal in refusals)


def _quota_words(origin: Origin, quotas: Quotas | None) -> tuple[str | int, ...]:
    """The counters with their limits, then the refusals for each used-up quota."""
    if quotas is None:
        return ("",) * NUM_QUOTA_WORDS
    user, channel, workspace = counted(origin)
    replies = _quota_refusals(quotas)
    return (
        *(user, quotas.user.messages or 0, quotas.user.tokens or 0),
        *(channel, quotas.channel.messages or 0, quotas.channel.tokens or 0),
        *replies[:4],
        *(workspace, quotas.workspace.messages or 0, quotas.workspace.tokens or 0),
        *replies[4:],
    )


def _file_words(job: Job, document: str, limits: JobLimits) -> tuple[str | int, ...]:
    """The job without its files, its size, the most of them all, and the refusal above that."""
    counts = job.has_files or job.kind is Kind.LEARN
    return (
        codec.encode(job.without_files()) if job.has_files else "",
        len(document) if counts else 0,
        limits.max_waiting_bytes,
        codec.encode(FilesWaitingError(keys.WAIT_MARK).to_reply()) if counts else "",
    )


@functools.lru_cache(maxsize=64)
def _quota_refusals(quotas: Quotas) -> tuple[str, ...]:
    pairs = (
        ("You have", quotas.user),
        ("This channel has", quotas.channel),
        ("This workspace has", quotas.workspace),
    )
    return tuple(
        codec.encode(QuotaError(whose, limit or 0, unit).to_reply())
        for whose, quota in pairs
        for unit, limit in (("messages", quota.messages), ("tokens", quota.tokens))
    )


@dataclass(frozen=True, slots=True)
class Claimant:
    """The claimant: a run of a job in a worker."""

    worker: str
    token: str
    lease_ms: int
    max_attempts: int


def claim(job_id: str, claimant: Claimant) -> Call[Claimed]:
    """Take a job's lease, or end the job: its deadline passed or its attempts are used up."""
    args = (
        job_id,
        claimant.token,
        claimant.lease_ms,
        claimant.max_attempts,
        claimant.worker,
        codec.encode(EXPIRED),
        _exhausted(job_id),
        codec.encode(STOPPED),
    )

    def read(raw: Raw) -> Claimed:
        reason = text_of(raw[0])
        if reason == "closed":
            return Claimed(lease=None, reason=reason, ready=_ready(raw[1:]))
        if reason != "run":
            return Claimed(lease=None, reason=reason, ready=None)
        job, attempt, is_alone, left_ms, shown, *turns = raw[1:]
        lease = Lease(
            job=codec.decode(text_of(job), Job),
            token=claimant.token,
            attempt=int(attempt),
            is_alone=is_one(is_alone),
            shown=codec.decode(text_of(shown), Snapshot).text if shown else "",
            history=tuple(codec.decode(text_of(turn), Turn) for turn in turns),
            left_ms=int(left_ms),
        )
        return Claimed(lease=lease, reason=reason, ready=None)

    return Call(scripts.CLAIM, args, read)


def begin(job_id: str, token: str) -> Call[bool]:
    """Start a job that has to run alone; False if the lease is another's."""
    return Call(scripts.BEGIN, (job_id, token), is_one)


def renew(job_id: str, token: str, lease_ms: int) -> Call[Hold]:
    """Extend a lease."""
    return Call(scripts.RENEW, (job_id, token, lease_ms), lambda raw: Hold(text_of(raw)))


def release(job_id: str, token: str, *, is_blamed: bool) -> Call[Ready | None]:
    """Give a job back, to be run again. The attempt counts only if the job is to blame for it."""
    return Call(scripts.RELEASE, (job_id, token, int(not is_blamed)), _ready)


def set_aside(job_id: str, token: str) -> Call[bool]:
    """Give a job back that this process cannot read: no attempt, and the sweep hands it on."""
    return Call(scripts.SET_ASIDE, (job_id, token), is_one)


def publish_snapshot(job_id: str, token: str, snapshot: Snapshot) -> Call[bool]:
    """Replace the text so far and notify the process that shows it. False if the lease is lost."""
    return Call(scripts.PUBLISH_SNAPSHOT, (job_id, token, codec.encode(snapshot)), is_one)


@dataclass(frozen=True, slots=True)
class ConversationMemory:
    """The changes to a conversation's memory when a job finishes."""

    turns: tuple[Turn, ...] = ()
    forget: bool = False
    """Clear the remembered turns first."""
    max_turns: int = 0
    retention_ms: int = 0
    job: Job | None = None
    """The job as it is stored from now on, if it held more than is needed to show its answer."""


def finish(
    job_id: str, token: str, reply: Final, memory: ConversationMemory, num_tokens: int = 0
) -> Call[Finished]:
    """End a job: reply to the outbox, turns to the transcript, next job of the conversation up.

    ``num_tokens``: prompt tokens plus generated tokens.
    """
    args: tuple[str | int, ...] = (
        job_id,
        token,
        codec.encode(reply),
        int(memory.forget),
        memory.max_turns,
        memory.retention_ms,
        codec.encode(memory.job) if memory.job else "",
        num_tokens,
        *(codec.encode(turn) for turn in memory.turns),
    )

    def read(raw: Raw) -> Finished:
        return Finished(counted=text_of(raw[0]) == "finished", ready=_ready(raw[1:]))

    return Call(scripts.FINISH, args, read)


def sweep(max_jobs: int) -> Call[tuple[Ready, ...]]:
    """Find overdue jobs: lost in Celery, lease expired, or deadline passed."""

    def read(raw: Raw) -> tuple[Ready, ...]:
        words = [text_of(word) for word in raw]
        return tuple(map(Ready.read, words[::2], words[1::2]))

    return Call(scripts.SWEEP, (max_jobs, codec.encode(EXPIRED)), read)


STOPPED = Done("", FinishReason.CANCELLED)
"""The reply of a job that was stopped before any of it was written."""
EXPIRED = Failed(
    code="deadline", sentence="I could not answer this in time. Please ask again in a while."
)


def _exhausted(job_id: str) -> str:
    sentence = f"I could not answer this message (ref {job_id[:8]}). Please try asking differently."
    return codec.encode(Failed(code="exhausted", sentence=sentence))


def _ready(raw: Raw) -> Ready | None:
    words = [text_of(word) for word in raw if word]
    return Ready.read(words[0], words[1]) if words else None
