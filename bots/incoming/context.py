"""Which messages of a place a task works on, and who can fetch them. Plain data and a Protocol."""
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
    """What was said in the channel lately."""

    hours: float


@dataclass(frozen=True, slots=True)
class SinceAsker:
    """What was said in the channel since the person who asks last spoke there."""


@dataclass(frozen=True, slots=True)
class From:
    """What was said in the channel from this message on."""

    message: str


Wanted = Meant | WholeThread | LastHours | SinceAsker | From


class HistoryReader(Protocol):
    """A platform, as far as it shows what was said."""

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        """The messages, the oldest first, without ours and those of people who opted out.

        Only what the person who asks can see: the place itself, and nothing beside it. No more than
        a bounded number, the latest.

        Raises:
            PlatformError: the platform does not show them.
        """
        ...


def with_messages(job: Job, messages: Sequence[Quoted]) -> Job:
    """The job with what was gathered for it; messages must not be empty."""
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
