"""What one person is shown besides answers: views, the Home tab, prompts, a whisper.

A method that this workspace's Slack does not have, or does not grant us, is passed over where
nothing depends on it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError

from bots.slack.parse.payloads import Json
from bots.slack.sdk.client import SlackAccess, make_client
from bots.slack.sdk.errors import fault_of, translated
from shared.logs import get_logger

log = get_logger(__name__)


class Screen:
    """Shows things to the people of one workspace."""

    def __init__(self, access: SlackAccess) -> None:
        self._client = make_client(access, is_idempotent=True)

    async def open(self, trigger: str, view: Mapping[str, Any]) -> None:
        """Open a view, within three seconds of what the trigger came with.

        Raises:
            PlatformError: Slack does not open it.
        """
        with translated():
            await self._client.views_open(trigger_id=trigger, view=dict(view))

    async def replace(self, view_id: str, view: Mapping[str, Any]) -> None:
        """Put a view in the place of one that is open. Raises as ``open`` does."""
        with translated():
            await self._client.views_update(view_id=view_id, view=dict(view))

    async def publish(self, user: str, view: Mapping[str, Any]) -> None:
        """Show somebody's Home tab. Raises as ``open`` does."""
        with translated():
            await self._client.views_publish(user_id=user, view=dict(view))

    async def suggest(self, channel: str, title: str, prompts: Sequence[Json]) -> None:
        """Suggest what to write in a direct message, where Slack has that.

        Raises:
            PlatformError: Slack does not answer.
        """
        with translated():
            try:
                await self._client.assistant_threads_setSuggestedPrompts(
                    channel_id=channel, title=title, prompts=[dict(prompt) for prompt in prompts]
                )
            except SlackApiError as error:
                log.info("prompts_not_suggested", reason=fault_of(error)[0])

    async def whisper(self, channel: str, user: str, thread: str, text: str) -> None:
        """Say something that one person alone sees.

        Args:
            channel: where.
            user: to whom.
            thread: in which thread; empty for none.
            text: mrkdwn, escaped.

        Raises:
            PlatformError: it was not said.
        """
        with translated():
            await self._client.chat_postEphemeral(
                channel=channel, user=user, thread_ts=thread or None, text=text
            )

    async def direct_with(self, user: str) -> str:
        """The direct message between somebody and us. Raises as ``open`` does."""
        with translated():
            answer = await self._client.conversations_open(users=user)
        return str(answer["channel"]["id"])
