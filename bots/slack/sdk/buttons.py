"""Buttons drawn under an answer, in the newest way that this workspace takes."""

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

from bots.delivery.buttons import Controls
from bots.slack.sdk.errors import fault_of
from bots.slack.sdk.uploads import NOT_READY, Show
from bots.slack.views.buttons import Look, with_controls
from shared.logs import get_logger

log = get_logger(__name__)


class Buttons:
    """Draws the buttons of one workspace's answers."""

    def __init__(self) -> None:
        self._look = Look.FEEDBACK

    async def show(
        self, content: Mapping[str, Any], controls: Controls, job_id: str, show: Show
    ) -> str:
        """Show what a message says with its buttons; returns the message's id.

        Raises:
            SlackApiError, aiohttp.ClientError, TimeoutError: as the call does.
        """
        try:
            return await show(with_controls(content, controls, job_id, self._look))
        except SlackApiError as error:
            is_refused = fault_of(error)[0] == NOT_READY and not content.get("blocks")
            if not is_refused or controls is not Controls.DONE or self._look is Look.PLAIN:
                raise
        self._look = Look.PLAIN
        log.warning("feedback_buttons_refused", job=job_id)
        return await show(with_controls(content, controls, job_id, self._look))
