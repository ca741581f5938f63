"""The ledger: what may be asked of it, as calls that either side runs with its own Redis client.

A ``Call`` is a script, its arguments and how to read the answer. ``bots`` runs calls on an asyncio
client, ``worker`` on a blocking one; neither writes a Redis command about a job itself. The states
and the scripts are in ``shared.scripts``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from shared import codec, keys, scripts
from shared.errors import CodecError
from shared.jobs import Job, Kind, Turn
from shared.replies import Done, Failed, Final, Snapshot

T = TypeVar("T")
Raw = list[bytes | int]
"""What a script answers."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One atomic step, ready to be run by any Redis client."""

    script: str
    args: Sequence[str | int]
    read: Callable[[Raw], T]


@dataclass(frozen=True, slots=True)
class Ready:
    """A job that may run now and must be handed to Celery."""

    id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message was recorded, or was known already."""

    is_new: bool
    ready: Ready | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds a job lives under; times in ms."""

    deadline_ms: int
    retention_ms: int
    """How long a conversation is remembered after its last message."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job, and all that is needed for it."""

    job: Job
    token: str
    attempt: int
    """1 for the first run."""
    shown: str
    """What an earlier run had written: the answer goes on from here."""
    history: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The outcome of a claim: a lease, or why there is none."""

    lease: Lease | None
    reason: str
    ready: Ready | None


class Hold(StrEnum):
    """What a renewal found."""

    HELD = "held"
    LOST = "lost"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Finished:
    """Whether the finish counted, and which job may run next."""

    counted: bool
    ready: Ready | None


class Turnstile(StrEnum):
    """Whether a bots process may show a job now."""

    GO = "go"
    BUSY = "busy"
    """Another process is calling the platform for this job: ask again soon."""
    THEIRS = "theirs"
    """Another process shows the partial answers."""
    OVER = "over"
    UNKNOWN = "unknown"


class Part(StrEnum):
    """The state of a part of an answer that has no message id yet."""

    NEW = "new"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Show:
    """Permission to show a job, with the message ids of the parts that are posted."""

    turnstile: Turnstile
    parts: tuple[str, ...]


def accept(job: Job, limits: Limits, refusal: Failed | None = None) -> Call[Accepted]:
    """Record a message, once. With a refusal the job ends at once, with that reply."""
    origin = job.origin
    args = (
        job.id,
        codec.encode(job),
        job.kind,
        origin.conversation,
        origin.outbox,
        limits.deadline_ms,
        keys.presence(origin.conversation),
        limits.retention_ms,
        codec.encode(refusal) if refusal else "",
    )

    def read(raw: Raw) -> Accepted:
        return Accepted(is_new=_text(raw[0]) == "accepted", ready=_ready(raw[1:]))

    return Call(scripts.ACCEPT, args, read)


def claim(job_id: str, token: str, lease_ms: int, max_attempts: int) -> Call[Claimed]:
    """Take the lease of a job, or end it if its time or its attempts are used up."""
    args = (job_id, token, lease_ms, max_attempts, codec.encode(EXPIRED), _exhausted(job_id))

    def read(raw: Raw) -> Claimed:
        reason = _text(raw[0])
        if reason == "closed":
            return Claimed(lease=None, reason=reason, ready=_ready(raw[1:]))
        if reason != "run":
            return Claimed(lease=None, reason=reason, ready=None)
        job, attempt, shown, *turns = raw[1:]
        lease = Lease(
            job=codec.decode(_text(job), Job),
            token=token,
            attempt=int(attempt),
            shown=codec.decode(_text(shown), Snapshot).text if shown else "",
            history=tuple(codec.decode(_text(turn), Turn) for turn in turns),
        )
        return Claimed(lease=lease, reason=reason, ready=None)

    return Call(scripts.CLAIM, args, read)


def renew(job_id: str, token: str, lease_ms: int) -> Call[Hold]:
    """Keep a lease."""
    return Call(scripts.RENEW, (job_id, token, lease_ms), lambda raw: Hold(_word(raw)))


def release(job_id: str, token: str, *, is_blamed: bool) -> Call[Ready | None]:
    """Give a job back, to be run again. The attempt counts only if the job is to blame for it."""
    return Call(scripts.RELEASE, (job_id, token, int(not is_blamed)), _ready)


def publish_snapshot(job_id: str, token: str, snapshot: Snapshot) -> Call[bool]:
    """Replace the text so far and nudge whoever shows it. False if the lease is lost."""
    return Call(scripts.PUBLISH_SNAPSHOT, (job_id, token, codec.encode(snapshot)), _is_one)


@dataclass(frozen=True, slots=True)
class Memory:
    """What finishing a job does to its conversation."""

    turns: tuple[Turn, ...] = ()
    forget: bool = False
    """Clear what was remembered first."""
    max_turns: int = 0
    retention_ms: int = 0


def finish(job_id: str, token: str, reply: Final, memory: Memory) -> Call[Finished]:
    """End a job: reply to the outbox, turns to the transcript, next job of the conversation up."""
    args: tuple[str | int, ...] = (
        job_id,
        token,
        codec.encode(reply),
        int(memory.forget),
        memory.max_turns,
        memory.retention_ms,
        *(codec.encode(turn) for turn in memory.turns),
    )

    def read(raw: Raw) -> Finished:
        return Finished(counted=_text(raw[0]) == "finished", ready=_ready(raw[1:]))

    return Call(scripts.FINISH, args, read)


def sweep(max_jobs: int) -> Call[tuple[Ready, ...]]:
    """Find what is overdue: lost in Celery, its lease run out, or its deadline over."""

    def read(raw: Raw) -> tuple[Ready, ...]:
        words = [_text(word) for word in raw]
        return tuple(Ready(i, Kind(k)) for i, k in zip(words[::2], words[1::2], strict=True))

    return Call(scripts.SWEEP, (max_jobs, codec.encode(EXPIRED)), read)


def show(job_id: str, presenter: str, *, is_final: bool, num_parts: int) -> Call[Show]:
    """Ask for the right to show a job's text in so many parts. Must be freed afterwards."""

    def read(raw: Raw) -> Show:
        return Show(Turnstile(_text(raw[0])), tuple(_text(part) for part in raw[1:]))

    return Call(scripts.SHOW, (job_id, presenter, int(is_final), num_parts), read)


def hold(job_id: str, presenter: str) -> Call[bool]:
    """Keep the right to show a job during a slow call to the platform."""
    return Call(scripts.HOLD, (job_id, presenter), _is_one)


def free(job_id: str, presenter: str) -> Call[bool]:
    """Give the right to show a job back."""
    return Call(scripts.FREE, (job_id, presenter), _is_one)


def note_posted(job: Job, part: int, message_id: str, limits: Limits) -> Call[bool]:
    """Remember the message that a part was posted as."""
    origin = job.origin
    answer = keys.answer(origin.platform, origin.team, origin.channel, message_id)
    args = (job.id, part, message_id, answer, origin.thread, limits.retention_ms)
    return Call(scripts.NOTE_POSTED, args, _is_one)


def note_not_posted(job_id: str, part: int) -> Call[bool]:
    """Remember that the platform refused a post, so that there is no doubt about it."""
    return Call(scripts.NOTE_NOT_POSTED, (job_id, part), _is_one)


def note_gone(job_id: str, part: int) -> Call[bool]:
    """Remember that a posted part is gone and is being posted again."""
    return Call(scripts.NOTE_GONE, (job_id, part), _is_one)


def note_delivered(job_id: str, origin_outbox: str, entry: str) -> Call[bool]:
    """Close a job for good: its reply has been shown, or can never be."""
    return Call(scripts.NOTE_DELIVERED, (job_id, origin_outbox, entry), _is_one)


EXPIRED = Failed(
    code="deadline", sentence="I could not answer this in time. Please ask again in a while."
)


def _exhausted(job_id: str) -> str:
    sentence = f"I could not answer this message (ref {job_id[:8]}). Please try asking differently."
    return codec.encode(Failed(code="exhausted", sentence=sentence))


def read_final(document: str | bytes) -> Final:
    """Read an outbox entry's reply.

    Raises:
        CodecError: it is no Done and no Failed of this version.
    """
    reply = codec.decode_any(document)
    if not isinstance(reply, Done | Failed):
        raise CodecError("An outbox entry holds no final reply.")
    return reply


def _ready(raw: Raw) -> Ready | None:
    words = [_text(word) for word in raw if word]
    return Ready(words[0], Kind(words[1])) if words else None


def _text(word: bytes | int) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _word(raw: object) -> str:
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def _is_one(raw: object) -> bool:
    return raw == 1
