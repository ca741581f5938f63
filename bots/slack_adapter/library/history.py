"""What was said, and where, read by Slack's Web API."""

from dataclasses import dataclass

from bots.slack_adapter.events import Json
from bots.slack_adapter.library.faults import translated
from bots.slack_adapter.library.web import SlackAccess, make_client

CONVERSATION_TYPES = "public_channel,private_channel,im,mpim"
PAGE = 200


@dataclass(frozen=True, slots=True)
class Conversation:
    """A channel, group or direct message that we are in."""

    id: str
    is_direct: bool


class History:
    """What was said, read by the Web API; waits as long as Slack asks callers to."""

    def __init__(self, access: SlackAccess) -> None:
        self._client = make_client(access, is_idempotent=True)

    async def conversations(self, most: int) -> list[Conversation]:
        """Where we are.

        Raises:
            PlatformError: Slack does not say; a scope may be missing.
        """
        found: list[Conversation] = []
        cursor = ""
        while len(found) < most:
            with translated():
                answer = await self._client.users_conversations(
                    types=CONVERSATION_TYPES, exclude_archived=True, limit=PAGE, cursor=cursor
                )
            channels: list[Json] = answer["channels"]
            found += [Conversation(str(c["id"]), bool(c.get("is_im"))) for c in channels]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return found[:most]

    async def messages(self, channel: str, after_s: float, most: int) -> list[Json]:
        """The latest messages of a channel after a time, the oldest first; none of its threads'.

        Raises:
            PlatformError: Slack does not show it.
        """
        with translated():
            answer = await self._client.conversations_history(
                channel=channel, oldest=f"{after_s:.6f}", limit=most
            )
        messages: list[Json] = answer["messages"]
        return messages[::-1]

    async def replies(self, channel: str, thread: str, after_s: float, most: int) -> list[Json]:
        """The messages of a thread after a time. Raises as ``messages`` does."""
        with translated():
            answer = await self._client.conversations_replies(
                channel=channel, ts=thread, oldest=f"{after_s:.6f}", limit=most
            )
        messages: list[Json] = answer["messages"]
        return messages
