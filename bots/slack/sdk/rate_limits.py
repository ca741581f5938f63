"""Calls that Slack counts: its rate limits are reported to all processes.

Also features that a workspace may lack: they are tried again after a while.
"""

import contextlib
from collections.abc import AsyncIterator, Callable

from slack_sdk.errors import SlackApiError

from bots.delivery.rate_budget import SharedRateBudget
from bots.slack.method_tiers import bucket_of
from bots.slack.sdk.errors import (
    ELSEWHERE_ERRORS,
    HTTP_SERVER_ERROR,
    PASSING_ERRORS,
    RATE_ERRORS,
    fault_of,
    translated,
)
from shared.errors import RateLimitedError
from shared.jobs import Origin
from shared.logs import get_logger

log = get_logger(__name__)

Clock = Callable[[], float]

OFF_S = 600.0
"""A missing feature is tried again after so long: the app may have been granted it."""
HTTP_CLIENT_ERROR = 400
ONE_PLACE = ELSEWHERE_ERRORS | {"is_archived", "thread_not_found", "message_not_found"}
"""Refusals that say nothing of other places."""


class Meter:
    """Calls of one app, in any workspace."""

    def __init__(self, budget: SharedRateBudget) -> None:
        self._budget = budget

    @contextlib.asynccontextmanager
    async def calling(self, origin: Origin, method: str) -> AsyncIterator[None]:
        """Raise Slack's exceptions as ours; report a rate limit to the other processes."""
        try:
            with translated():
                yield
        except RateLimitedError as error:
            wait_s = error.retry_after_s
            await self._budget.close(bucket_of(origin.team, origin.channel, method), wait_s)
            raise RateLimitedError(wait_s, is_shared=True) from error

    async def count(self, origin: Origin, method: str) -> None:
        """Count a call made without a turn."""
        await self._budget.spend(bucket_of(origin.team, origin.channel, method))


class Offer:
    """A feature that Slack offers in some workspaces, and not in others."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._off_until_s = float("-inf")

    @property
    def is_on(self) -> bool:
        """Whether it may be tried."""
        return self._clock() >= self._off_until_s

    def is_declined(self, error: SlackApiError) -> bool:
        """Whether an error says that the workspace lacks it; then it is not tried for a while."""
        name, status = fault_of(error)
        if name in RATE_ERRORS | PASSING_ERRORS | ONE_PLACE:
            return False
        if not name and not HTTP_CLIENT_ERROR <= status < HTTP_SERVER_ERROR:
            return False
        self._off_until_s = self._clock() + OFF_S
        log.info("slack_offer_declined", offer=self._name, reason=name or str(status))
        return True
