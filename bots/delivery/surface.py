"""A platform as the way out sees it, and a final reply on its way there.

What stands between ``bots.delivery.manager``, which knows no platform, and each platform's client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bots.delivery.buttons import AnswerButtons
from bots.delivery.turns import Rank
from shared.jobs import Job
from shared.ledger.rate_budget import Bucket
from shared.replies import Final, Picture
from shared.streaming_cadence import Cadence

MAX_PARTS = 6
"""Messages that an answer is shown in; the rest of it is in a file."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of text that an answer goes on in."""

    text: str
    name: str = "answer.md"


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in one message."""

    text: str
    picture: Picture | None = None
    controls: AnswerButtons = AnswerButtons.NONE
    is_notice: bool = False
    """It says where the question stands: nothing of it stays in the answer."""
    document: TextFile | None = None


class Surface(Protocol):
    """A platform as delivery sees it."""

    @property
    def cadence(self) -> Cadence:
        """How often it is asked to show something."""
        ...

    def placeholder(self, job: Job) -> str | None:
        """Posted at once and replaced by the first text; None to post nothing before it."""
        ...

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """What the platform counts the next post, or edit, of an answer as; None for nothing."""
        ...

    def render(self, text: str) -> Sequence[str]:
        """The text as posts that fit the platform; an earlier text's closed posts do not change.

        The last one is ``Unfinished`` where there would be more than are shown.
        """
        ...

    def can_edit(self, job: Job) -> bool:
        """Whether what is posted for this job can be edited; else nothing but its ending is."""
        ...

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post one part of the answer; returns the message's id.

        The job's origin says who may see it.

        Raises:
            UndeliverableError: the place is closed to us; nothing was posted.
            RateLimitedError: too much is asked of the platform; nothing was posted.
            PlatformUnavailableError: it may or may not have been posted.
        """
        ...

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace a posted part. Raises as ``post`` does, and ``MessageGoneError``."""
        ...

    async def delete(self, job: Job, message: str) -> None:
        """Take a posted part away. Raises as ``edit`` does."""
        ...

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a part that may have been posted. Raises as ``post`` does.

        Args:
            job: whose answer it is a part of.
            part: its number.
            text: what it reads by now; what was posted may be a beginning of it.
            after: the message of the part before; None for the first part.

        Returns:
            messages that may be it; one that the ledger knows as another part is not.
        """
        ...

    async def react(self, job: Job, emoji: str) -> None:
        """Mark the message that the job is about. Doing it twice is doing it once.

        Raises as ``edit`` does.
        """
        ...

    async def unreact(self, job: Job, emoji: str) -> None:
        """Take a mark of ours away, if it is there. Raises as ``edit`` does."""
        ...

    async def show_busy(self, job: Job) -> None:
        """Show that an answer is coming; failures are nobody's business."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A final reply in the outbox."""

    id: str
    outbox: str
    reply: Final
