"""What is said to one person by the address that came with their command or menu.

Slack takes five answers there, for half an hour, also where the app is no member
(docs.slack.dev/interactivity/handling-user-interaction).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from shared.errors import UndeliverableError

RESPOND_S = 10
OK = 200
USED_UP = frozenset({403, 404, 410})


async def respond(url: str, text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> None:
    """Say something that the person who acted sees alone.

    Args:
        url: as Slack gave it.
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
