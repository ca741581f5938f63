"""Slack's sessions: show that we work on a question in a direct message, with Slack's own Stop.

No answer waits for them, and they are skipped where Slack has none.
"""

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery.buttons import AnswerButtons, buttons_for
from bots.slack.method_tiers import SET_STATUS
from bots.slack.sdk.rate_limits import Clock, Meter, Offer
from bots.slack.stream_text import answer_thread, is_direct
from shared.errors import PlatformError
from shared.jobs import Job
from shared.logs import get_logger

log = get_logger(__name__)

PROCESSING, ACTIVE = "processing", "active"
"""Slack ends the first by itself after an hour; otherwise only we do."""


class Sessions:
    """Shows our work in direct messages."""

    def __init__(self, client: AsyncWebClient, meter: Meter, clock: Clock) -> None:
        self._client = client
        self._meter = meter
        self._offer = Offer("sessions", clock)

    async def begin(self, job: Job) -> None:
        """Show that an answer is on its way, and that it can be stopped."""
        await self._set(job, PROCESSING)

    async def end(self, job: Job) -> None:
        """Show that no answer is being written any more."""
        await self._set(job, ACTIVE)

    async def _set(self, job: Job, status: str) -> None:
        can_be_stopped = buttons_for(job, is_over=False) is AnswerButtons.RUNNING
        if not is_direct(job.origin) or not can_be_stopped or not self._offer.is_on:
            return
        origin = job.origin
        try:
            await self._meter.count(origin, SET_STATUS)
            async with self._meter.calling(origin, SET_STATUS):
                await self._ask(origin.channel, answer_thread(origin), status)
        except PlatformError as error:
            log.info("session_not_shown", job=job.id, reason=type(error).__name__)

    async def _ask(self, channel: str, thread: str, status: str) -> None:
        try:
            await self._client.agents_sessions_setStatus(
                channel_id=channel, thread_ts=thread, status=status
            )
        except SlackApiError as error:
            if not self._offer.is_declined(error):
                raise
