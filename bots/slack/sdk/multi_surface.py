"""Slack as a delivery surface where several workspaces have installed our app."""

from collections.abc import Awaitable, Callable, Sequence

from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.surface import MAX_PARTS, Piece
from bots.delivery.turns import Rank
from bots.slack.sdk.client import Account, SlackAccess
from bots.slack.sdk.surface import SlackSurface
from shared.errors import UndeliverableError
from shared.jobs import Job
from shared.ledger.rate_budget import Bucket

Find = Callable[[str], Awaitable[Account | None]]
"""The account in a workspace."""


class MultiSurface:
    """The surfaces of all workspaces. See ``surface.Surface``."""

    cadence = SlackSurface.cadence

    def __init__(
        self, access: SlackAccess, budget: SharedRateBudget, find: Find, max_parts: int = MAX_PARTS
    ) -> None:
        """``access``: the app's; its bot token is not used."""
        self._budget = budget
        self._find = find
        self._max_parts = max_parts
        self._any = self._make(access)
        """For what is the same in each workspace."""
        self._surfaces: dict[str, tuple[Account, SlackSurface]] = {}

    def placeholder(self, job: Job) -> str | None:
        """The text posted at once."""
        return self._known(job).placeholder(job)

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """The bucket of the next call."""
        return self._known(job).bucket(job, rank, is_begun=is_begun)

    def render(self, text: str) -> Sequence[str]:
        """Parts within Slack's limits."""
        return self._any.render(text)

    def can_edit(self, job: Job) -> bool:
        """Whether what is posted can be edited."""
        return self._known(job).can_edit(job)

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post."""
        return await (await self._of(job)).post(job, part, piece)

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace what is posted."""
        await (await self._of(job)).edit(job, message, piece)

    async def delete(self, job: Job, message: str) -> None:
        """Delete it."""
        await (await self._of(job)).delete(job, message)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a posted part."""
        return await (await self._of(job)).find(job, part, text, after)

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message."""
        await (await self._of(job)).react(job, emoji)

    async def unreact(self, job: Job, emoji: str) -> None:
        """Remove a mark of ours."""
        await (await self._of(job)).unreact(job, emoji)

    async def show_busy(self, job: Job) -> None:
        """Show that an answer is on its way."""
        await (await self._of(job)).show_busy(job)

    def _make(self, access: SlackAccess) -> SlackSurface:
        return SlackSurface(access, self._budget, max_parts=self._max_parts)

    def _known(self, job: Job) -> SlackSurface:
        known = self._surfaces.get(job.origin.team)
        return known[1] if known else self._any

    async def _of(self, job: Job) -> SlackSurface:
        """The workspace's own surface.

        Raises:
            UndeliverableError: it has not installed us, or removed us.
        """
        team = job.origin.team
        account = await self._find(team)
        if account is None:
            self._surfaces.pop(team, None)
            raise UndeliverableError("this workspace has taken the app out")
        known = self._surfaces.get(team)
        if known is None or known[0] != account:
            known = self._surfaces[team] = (account, self._make(account.access))
        return known[1]
