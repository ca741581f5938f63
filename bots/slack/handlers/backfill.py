"""Slack's backfill: reads missed messages from its history.

Slack sends nothing to an app that has no connection, and gives up after some minutes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bots.incoming.backfill import MAX_MESSAGES, BackfillWindow, look_through
from bots.slack.handlers.access import SlackAccessCheck
from bots.slack.parse import events
from bots.slack.parse.payloads import Json
from bots.slack.parse.text import Identity
from bots.slack.sdk.history import Conversation, History
from shared.errors import PlatformError
from shared.logs import get_logger

log = get_logger(__name__)

MAX_CONVERSATIONS = 200
"""Read after a gap; the most recently used ones."""
MAX_THREADS = 50
"""The same, of threads that we take part in: their messages are in no channel's history."""
SEPARATOR = ":"
Taker = Callable[[Json, float], Awaitable[None]]
"""Handles a message in the form of its event, with the time at which it was found, in seconds since
1970."""


@dataclass(frozen=True, slots=True)
class BackfillSpan:
    """A part of a conversation to read: the channel itself, or one of its threads."""

    conversation: Conversation
    after_s: float
    thread: str = ""


def thread_name(channel: str, thread: str) -> str:
    """The name under which a thread is remembered."""
    return f"{channel}{SEPARATOR}{thread}"


class SlackBackfill:
    """Reads the histories of one workspace."""

    def __init__(self, me: Identity, history: History, access_check: SlackAccessCheck) -> None:
        self._me = me
        self._access_check = access_check
        self._history = history

    async def look_through(self, window: BackfillWindow, take: Taker) -> int:
        """Backfill the messages of a time window; returns how many were found."""
        conversations = await self._conversations(window)
        by_id = {conversation.id: conversation for conversation in conversations}
        spans = [BackfillSpan(c, window.start_s(c.id)) for c in conversations]
        for name in window.seen.threads[:MAX_THREADS]:
            channel, _, thread = name.partition(SEPARATOR)
            if channel in by_id:
                spans.append(BackfillSpan(by_id[channel], window.start_s(channel), thread))
        return await look_through(spans, lambda span: self._look_at(span, window, take))

    async def _conversations(self, window: BackfillWindow) -> Sequence[Conversation]:
        """The conversations we are in; if Slack does not say, those we have been in."""
        latest = window.seen.latest
        try:
            found = await self._history.conversations(len(latest) + MAX_CONVERSATIONS)
        except PlatformError as error:
            log.warning("conversations_not_listed", reason=str(error))
            found = [Conversation(channel, channel.startswith("D")) for channel in latest]
        found = [each for each in found if not self._access_check.is_closed(each.id)]
        found.sort(key=lambda c: float(latest.get(c.id, 0)), reverse=True)
        return found[:MAX_CONVERSATIONS]

    async def _look_at(self, span: BackfillSpan, window: BackfillWindow, take: Taker) -> int:
        channel = span.conversation.id
        if span.thread:
            return await self._look_at_thread(span, window, take)
        messages = await self._history.messages(channel, span.after_s, MAX_MESSAGES)
        num_found = await self._take_found(messages, span, window, take)
        for message in messages:
            if float(message.get("latest_reply") or 0) > span.after_s:
                thread = BackfillSpan(span.conversation, span.after_s, str(message["ts"]))
                num_found += await self._look_at_thread(thread, window, take)
        return num_found

    async def _look_at_thread(self, span: BackfillSpan, window: BackfillWindow, take: Taker) -> int:
        found = await self._history.replies(
            span.conversation.id, span.thread, span.after_s, MAX_MESSAGES
        )
        # Slack shows the message that began the thread in any case.
        replies = [message for message in found if message.get("ts") != span.thread]
        return await self._take_found(replies, span, window, take)

    async def _take_found(
        self, messages: Sequence[Json], span: BackfillSpan, window: BackfillWindow, take: Taker
    ) -> int:
        conversation = span.conversation
        num_found = 0
        for message in messages:
            if not window.holds(conversation.id, str(message.get("ts") or 0)):
                continue
            num_found += 1
            body = events.history_body(
                message, conversation.id, self._me, is_direct=conversation.is_direct
            )
            if body is not None:
                await take(body, window.seen.now_s)
        return num_found
