"""An answer on its way to its channel: who may show it now, and what has been posted of it.

The steps of ``shared.ledger.lua.showing`` as calls; ``bots.delivery.manager`` runs them.
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import CodecError
from shared.jobs import Job
from shared.ledger import codec, keys
from shared.ledger.calls import Call, Raw, is_one, text_of
from shared.ledger.lifecycle import Limits
from shared.ledger.lua import showing as scripts
from shared.replies import Done, Failed, Final, Tagged


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


def show(job_id: str, presenter: str, *, is_final: bool, num_parts: int) -> Call[Show]:
    """Ask for the right to show a job's text in so many parts. Must be freed afterwards."""

    def read(raw: Raw) -> Show:
        return Show(Turnstile(text_of(raw[0])), tuple(text_of(part) for part in raw[1:]))

    return Call(scripts.SHOW, (job_id, presenter, int(is_final), num_parts), read)


def hold(job_id: str, presenter: str) -> Call[bool]:
    """Keep the right to show a job during a slow call to the platform."""
    return Call(scripts.HOLD, (job_id, presenter), is_one)


def free(job_id: str, presenter: str) -> Call[bool]:
    """Give the right to show a job back."""
    return Call(scripts.FREE, (job_id, presenter), is_one)


def note_posted(job: Job, part: int, message_id: str, limits: Limits) -> Call[bool]:
    """Remember the message that a part was posted as.

    False if the message has to go: the question was withdrawn meanwhile, or another stands there.
    """
    origin = job.origin
    answer = keys.answer(origin.platform, origin.team, origin.channel, message_id)
    args = (job.id, part, message_id, answer, origin.thread, limits.retention_ms)
    return Call(scripts.NOTE_POSTED, args, is_one)


def note_not_posted(job_id: str, part: int) -> Call[bool]:
    """Remember that the platform refused a post, so that there is no doubt about it."""
    return Call(scripts.NOTE_NOT_POSTED, (job_id, part), is_one)


def note_gone(job_id: str, part: int) -> Call[bool]:
    """Remember that a posted part is gone and is being posted again."""
    return Call(scripts.NOTE_GONE, (job_id, part), is_one)


def note_delivered(job_id: str, origin_outbox: str, entry: str) -> Call[bool]:
    """Close a job for good: its reply has been shown, or can never be."""
    return Call(scripts.NOTE_DELIVERED, (job_id, origin_outbox, entry), is_one)


def unshown(outbox: str, most: int) -> Call[tuple[str, ...]]:
    """Jobs that wait for a worker and of which no bots process says so; looks at so many."""
    return Call(scripts.UNSHOWN, (outbox, most), _texts)


def surplus(job_id: str, num_parts: int) -> Call[tuple[str, ...]]:
    """Messages of posted parts beyond so many: the final text came out shorter than one before."""
    return Call(scripts.SURPLUS, (job_id, num_parts), _texts)


def _texts(raw: Raw) -> tuple[str, ...]:
    return tuple(text_of(word) for word in raw)


def read_final(document: str | bytes) -> Final:
    """Read an outbox entry's reply.

    Raises:
        CodecError: it is no final reply of this version.
    """
    reply = codec.decode_any(document)
    if not isinstance(reply, Done | Failed | Tagged):
        raise CodecError("An outbox entry holds no final reply.")
    return reply
