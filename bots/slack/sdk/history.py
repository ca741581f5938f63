"""Reads conversations, members and messages by Slack's Web API."""

from dataclasses import dataclass

from bots.slack.parse.payloads import Json
from bots.slack.sdk.client import SlackAccess, make_client
from bots.slack.sdk.errors import translated
from shared.errors import ElsewhereError, UndeliverableError

CONVERSATION_TYPES = "public_channel,private_channel,im,mpim"
PAGE = 200
LONGEST_PAGE = 999
"""docs.slack.dev/reference/methods/conversations.history; the others take a little more."""
MAX_MEMBER_PAGES = 20
GONE_GROUPS = frozenset({"no_such_subteam", "subteam_not_found", "usergroup_not_found"})
"""A user group that was removed has no people."""
MAX_THREAD_PAGES = 5


@dataclass(frozen=True, slots=True)
class Conversation:
    """A channel, group or direct message that we are in."""

    id: str
    is_direct: bool


class History:
    """Reads by the Web API; waits as long as Slack asks callers to."""

    def __init__(self, access: SlackAccess) -> None:
        self._client = make_client(access, is_idempotent=True)

    async def conversations(self, most: int) -> list[Conversation]:
        """The conversations that we are in.

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

    async def is_readable(self, channel: str) -> bool:
        """Whether we are in a conversation, and may post and read there.

        Raises:
            PlatformError: Slack does not say.
        """
        try:
            with translated():
                answer = await self._client.conversations_info(channel=channel)
        except ElsewhereError:
            return False
        found: Json = answer["channel"]
        return bool(found.get("is_member") or found.get("is_im"))

    async def creator(self, channel: str) -> str:
        """The creator of a conversation; empty if Slack does not show one.

        Raises:
            PlatformError: Slack does not answer.
        """
        with translated():
            answer = await self._client.conversations_info(channel=channel)
        return str(answer["channel"].get("creator") or "")

    async def is_member(self, channel: str, user: str) -> bool:
        """Whether a person is in a conversation, as far as its members can be listed.

        Raises:
            ElsewhereError: it is a private one that we are not in.
            PlatformError: Slack does not say.
        """
        cursor = ""
        for _ in range(MAX_MEMBER_PAGES):
            with translated():
                answer = await self._client.conversations_members(
                    channel=channel, limit=LONGEST_PAGE, cursor=cursor
                )
            if user in answer["members"]:
                return True
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return False

    async def person(self, user: str) -> Json:
        """Slack's record of a person. Raises as ``conversations`` does."""
        with translated():
            answer = await self._client.users_info(user=user, include_locale=True)
        found: Json = answer["user"]
        return found

    async def group(self, group: str) -> frozenset[str]:
        """The people of a user group; none if there is no such group any more.

        Raises:
            PlatformError: Slack does not say; the scope ``usergroups:read`` may be missing.
        """
        try:
            return await self.listed_group(group)
        except UndeliverableError as error:
            if str(error) in GONE_GROUPS:
                return frozenset()
            raise

    async def listed_group(self, group: str) -> frozenset[str]:
        """The people of a user group.

        Raises:
            PlatformError: there is none, or Slack does not say.
        """
        with translated():
            answer = await self._client.usergroups_users_list(usergroup=group)
        return frozenset(map(str, answer["users"]))

    async def message(self, channel: str, ts: str) -> Json | None:
        """One message of a channel or its threads; None if it is gone.

        Raises:
            PlatformError: Slack does not show it.
        """
        try:
            with translated():
                answer = await self._client.conversations_replies(
                    channel=channel, ts=ts, latest=ts, inclusive=True, limit=1
                )
        except ElsewhereError:
            raise
        except UndeliverableError:  # thread_not_found
            return None
        found: list[Json] = [message for message in answer["messages"] if message.get("ts") == ts]
        return found[0] if found else None

    async def job_at(self, channel: str, ts: str) -> str:
        """The job of the answer in one of our messages; empty if it is no answer.

        Raises:
            PlatformError: Slack does not show it.
        """
        with translated():
            answer = await self._client.conversations_replies(
                channel=channel,
                ts=ts,
                latest=ts,
                inclusive=True,
                limit=1,
                include_all_metadata=True,
            )
        found = [message for message in answer["messages"] if message.get("ts") == ts]
        metadata = found[0].get("metadata") if found else None
        return str((metadata or {}).get("event_payload", {}).get("job_id") or "")

    async def thread(self, channel: str, thread: str) -> list[Json]:
        """A thread from its first message on, up to a bound. Raises as ``messages`` does."""
        found: list[Json] = []
        cursor = ""
        for _ in range(MAX_THREAD_PAGES):
            with translated():
                answer = await self._client.conversations_replies(
                    channel=channel, ts=thread, limit=LONGEST_PAGE, cursor=cursor
                )
            found += answer["messages"]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return found

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

    async def pins(self, channel: str) -> list[Json]:
        """The pinned items of a channel, the latest first: a hundred at most.

        Raises:
            PlatformError: Slack does not show it.
        """
        with translated():
            answer = await self._client.pins_list(channel=channel)
        found: list[Json] = answer["items"]
        return found

    async def replies(self, channel: str, thread: str, after_s: float, most: int) -> list[Json]:
        """The messages of a thread after a time. Raises as ``messages`` does."""
        with translated():
            answer = await self._client.conversations_replies(
                channel=channel, ts=thread, oldest=f"{after_s:.6f}", limit=most
            )
        messages: list[Json] = answer["messages"]
        return messages
