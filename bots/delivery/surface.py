"""The surface protocol: a platform as delivery sees it, and a final reply on its way there.

It separates ``bots.delivery.manager``, which knows no platform, from each platform's client.
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
"""The number of messages that an answer may span; the rest of it is in a file."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file that an answer continues in."""

    text: str
    name: str = "answer.md"


@dataclass(frozen=True, slots=True)
class Piece:
    """The content of one message."""

    text: str
    picture: Picture | None = None
    controls: AnswerButtons = AnswerButtons.NONE
    is_notice: bool = False
    """It is a queue notice: nothing of it stays in the answer."""
    document: TextFile | None = None


class Surface(Protocol):
    """A platform as delivery sees it."""

    @property
    def cadence(self) -> Cadence:
        """How often texts are shown."""
        ...

    def placeholder(self, job: Job) -> str | None:
        """The text posted at once and replaced by the first text; None to post nothing first."""
        ...

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """The bucket that an answer's next post or edit is counted in; None for uncounted calls."""
        ...

    def render(self, text: str) -> Sequence[str]:
        """The text as posts that fit the platform; an earlier text's closed posts do not change.

        The last one is ``Unfinished`` where there would be more than are shown.
        """
        ...

    def can_edit(self, job: Job) -> bool:
        """Whether the posts of this job can be edited; else only its ending is posted."""
        ...

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post one part of the answer; returns the message's id.

        The job's origin says who may see it.

        Raises:
            UndeliverableError: the bot may not post in this place; nothing was posted.
            RateLimitedError: a rate limit was hit; nothing was posted.
            PlatformUnavailableError: it may or may not have been posted.
        """
        ...

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace a posted part. Raises as ``post`` does, and ``MessageGoneError``."""
        ...

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted part. Raises as ``edit`` does."""
        ...

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a part that may have been posted. Raises as ``post`` does.

        Args:
            job: whose answer it is a part of.
            part: its number.
            text: its current text; what was posted may be a beginning of it.
            after: the message of the part before; None for the first part.

        Returns:
            messages that may be it; one that the ledger knows as another part is not.
        """
        ...

    async def react(self, job: Job, emoji: str) -> None:
        """Mark the message that the job is about; a repeated call changes nothing.

        Raises as ``edit`` does.
        """
        ...

    async def unreact(self, job: Job, emoji: str) -> None:
        """Remove a mark of ours, if it is there. Raises as ``edit`` does."""
        ...

    async def show_busy(self, job: Job) -> None:
        """Show that an answer is on its way; failures are ignored."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A final reply in the outbox."""

    id: str
    outbox: str
    reply: Final
