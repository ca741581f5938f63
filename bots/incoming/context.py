"""The messages that a task works on (plain data), and the Protocol of what fetches them."""
# Pure.

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.jobs import Job, Origin
from shared.tasks import Learn, Quoted, Summarize, Write


@dataclass(frozen=True, slots=True)
class Meant:
    """The one message that was pointed at: replied to, or else the one before."""


@dataclass(frozen=True, slots=True)
class WholeThread:
    """The thread, or the chain of replies, of the origin."""


@dataclass(frozen=True, slots=True)
class LastHours:
    """The channel's messages of the last hours."""

    hours: float


@dataclass(frozen=True, slots=True)
class SinceAsker:
    """The channel's messages since the asker's last one."""


@dataclass(frozen=True, slots=True)
class From:
    """The channel's messages from this one on."""

    message: str


Wanted = Meant | WholeThread | LastHours | SinceAsker | From


class HistoryReader(Protocol):
    """Reads a platform's message history."""

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        """The messages, the oldest first, without ours and those of people who opted out.

        Only what the asker can see: the place itself, and nothing beside it. At most a bounded
        number, the latest.

        Raises:
            PlatformError: the platform does not show them.
        """
        ...


def others_of(
    asker: str, messages: Sequence[Quoted], known: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The authors of messages besides the asker, and those known already, each once."""
    authors = dict.fromkeys([*known, *(message.user for message in messages)])
    return tuple(author for author in authors if author not in {"", asker})


def with_messages(job: Job, messages: Sequence[Quoted]) -> Job:
    """The job with the messages gathered for it; there must be at least one."""
    job = dataclasses.replace(job, quoted=others_of(job.origin.user, messages, job.quoted))
    match job.task:
        case Summarize() as task:
            task = dataclasses.replace(task, messages=tuple(messages))
            return dataclasses.replace(job, task=task)
        case Write() as task:
            return dataclasses.replace(job, task=dataclasses.replace(task, reply_to=messages[-1]))
        case Learn() as task:
            task = dataclasses.replace(task, link=messages[-1].link)
            return dataclasses.replace(job, task=task, text=messages[-1].text)
        case _:
            return dataclasses.replace(job, text=messages[-1].text)
