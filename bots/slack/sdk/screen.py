"""What one person is shown besides answers: views, the Home tab, prompts, ephemeral messages.

A method that this workspace's Slack does not have, or does not grant us, is skipped where nothing
depends on it.

Replies to one person go to the response address of their command or menu. Slack accepts five there,
for half an hour, also where the app is no member
(docs.slack.dev/interactivity/handling-user-interaction).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bots.slack.parse.payloads import Json
from bots.slack.sdk.client import SlackAccess, make_client
from bots.slack.sdk.errors import fault_of, translated
from shared.errors import UndeliverableError
from shared.logs import get_logger

log = get_logger(__name__)


class Screen:
    """Shows views and messages to the people of one workspace."""

    def __init__(self, access: SlackAccess) -> None:
        self._client = make_client(access, is_idempotent=True)

    async def open(self, trigger: str, view: Mapping[str, Any]) -> None:
        """Open a view, within three seconds of the interaction with this trigger.

        Raises:
            PlatformError: Slack does not open it.
        """
        with translated():
            await self._client.views_open(trigger_id=trigger, view=dict(view))

    async def replace(self, view_id: str, view: Mapping[str, Any]) -> None:
        """Replace an open view. Raises as ``open`` does."""
        with translated():
            await self._client.views_update(view_id=view_id, view=dict(view))

    async def publish(self, user: str, view: Mapping[str, Any]) -> None:
        """Publish a person's Home tab. Raises as ``open`` does."""
        with translated():
            await self._client.views_publish(user_id=user, view=dict(view))

    async def suggest(self, channel: str, title: str, prompts: Sequence[Json]) -> None:
        """Suggest prompts in a direct message, where Slack has that.

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
        """Post a message that only one person sees.

        Args:
            channel: where.
            user: the person who sees it.
            thread: in which thread; empty for none.
            text: mrkdwn, escaped.

        Raises:
            PlatformError: it was not posted.
        """
        with translated():
            await self._client.chat_postEphemeral(
                channel=channel, user=user, thread_ts=thread or None, text=text
            )

    async def direct_with(self, user: str) -> str:
        """The direct message between a person and us. Raises as ``open`` does."""
        with translated():
            answer = await self._client.conversations_open(users=user)
        return str(answer["channel"]["id"])


RESPOND_S = 10
OK = 200
USED_UP = frozenset({403, 404, 410})


async def respond(url: str, text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> None:
    """Send a reply that only the person who acted sees.

    Args:
        url: the response address from Slack.
        text: mrkdwn, escaped.
        blocks: the same with buttons, if there are any.

    Raises:
        UndeliverableError: the address is used up or too old.
        SlackApiError, aiohttp.ClientError, TimeoutError: as slack_sdk does.
    """
    client = AsyncWebhookClient(url, timeout=RESPOND_S, retry_handlers=[])
    answer = await client.send(
        text=text,
        blocks=[dict(block) for block in blocks] or None,
        response_type="ephemeral",
        replace_original=False,
        unfurl_links=False,
    )
    if answer.status_code in USED_UP:
        raise UndeliverableError("response_url is used up")
    if answer.status_code != OK:
        raise SlackApiError("refused", answer)  # type: ignore[no-untyped-call]  # no types
