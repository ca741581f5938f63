"""Streams answers in direct messages with Slack's own streaming: started, appended to, stopped.

A stream is one message while it grows. When the text above has changed, or the stream is old or
Slack has ended it, the message has to be edited by ``chat.update``: the return value tells the
caller so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery.buttons import AnswerButtons, buttons_for
from bots.delivery.surface import Piece
from bots.slack.method_tiers import APPEND, START, STOP
from bots.slack.parse.payloads import Json
from bots.slack.sdk.errors import PASSING_ERRORS, RATE_ERRORS, fault_of
from bots.slack.sdk.rate_limits import Clock, Meter, Offer
from bots.slack.stream_text import StreamedPart, answer_thread, is_direct, streamed, streamed_so_far
from shared.errors import PlatformUnavailableError, RateLimitedError
from shared.jobs import Job, Origin

ROLL_S = 240.0
"""A stream dies after some five minutes, even while it is written to (github.com/slackapi/
python-slack-sdk/issues/1859); after four we go on in the same message by ``chat.update``."""
FORGET_S = 900.0
"""Streams that another process has ended are dropped after so long."""
STOPPED_BY_USER = "stopped_by_user"
BAD_BLOCKS = "invalid_blocks"


@dataclass(eq=False, slots=True)
class _Stream:
    """A message that grows."""

    ts: str
    metadata: Json
    begun_s: float
    sent: str
    is_halted: bool = False
    """A person pressed Slack's own Stop: it gets no more text until the ending."""
    is_doubtful: bool = False
    """A call was not answered: its effect is unknown."""


class Streams:
    """The streams of one process, in one workspace."""

    def __init__(self, client: AsyncWebClient, meter: Meter, clock: Clock) -> None:
        """``client``: one that repeats no call."""
        self._client = client
        self._meter = meter
        self._clock = clock
        self._offer = Offer("streaming", clock)
        self._open: dict[str, _Stream] = {}
        """Job -> the streamed message of its answer."""

    def may_begin(self, job: Job) -> bool:
        """Whether an answer may be streamed, as far as we know."""
        grows = buttons_for(job, is_over=False) is AnswerButtons.RUNNING
        return grows and is_direct(job.origin) and self._offer.is_on

    def method(self, job: Job, *, is_final: bool) -> str | None:
        """The method that continues an answer streamed here; None if it is not."""
        if job.id not in self._open:
            return None
        return STOP if is_final else APPEND

    async def begin(self, job: Job, piece: Piece, metadata: Json) -> str | None:
        """Start a message that will grow; None if it has to be posted.

        Raises:
            PlatformError: as ``surface.Surface.post`` does.
        """
        text = _so_far(piece)
        if not text or not self.may_begin(job):
            return None
        now_s = self._clock()
        async with self._meter.calling(job.origin, START):
            message = await self._start(job.origin, text)
        if message is None:
            return None
        self._open = {j: s for j, s in self._open.items() if now_s - s.begun_s < FORGET_S}
        self._open[job.id] = _Stream(message, metadata, now_s, text)
        return message

    async def _start(self, origin: Origin, text: str) -> str | None:
        try:
            answer = await self._client.chat_startStream(
                channel=origin.channel,
                thread_ts=answer_thread(origin),
                markdown_text=text,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            if self._offer.is_declined(error):
                return None
            raise
        return str(answer["ts"])

    async def go_on(self, job: Job, message: str, piece: Piece, buttons: Sequence[Json]) -> bool:
        """Append new text to a message; False if it has to be edited.

        Args:
            job: whose answer it is.
            message: the message, perhaps not one of a stream.
            piece: its new content.
            buttons: the blocks below it, once it is whole.

        Raises:
            PlatformError: as ``surface.Surface.edit`` does.
        """
        stream = self._open.get(job.id)
        if stream is None or stream.ts != message:
            return False
        if piece.controls is not AnswerButtons.RUNNING:
            return await self._end(job, stream, piece, buttons)
        if stream.is_halted:
            return True
        text = _so_far(piece)
        is_good = text.startswith(stream.sent) and not stream.is_doubtful
        if is_good and self._clock() - stream.begun_s <= ROLL_S:
            return await self._append(job, stream, text)
        await self._meter.count(job.origin, STOP)
        await self._stop(job, stream)
        return False

    async def end(self, origin: Origin, message: str) -> None:
        """End a stream that another process has started, if it is one.

        Raises:
            PlatformError: as ``surface.Surface.edit`` does.
        """
        await self._meter.count(origin, STOP)
        await self._call(origin, message, STOP, {})

    async def _append(self, job: Job, stream: _Stream, text: str) -> bool:
        addition = text[len(stream.sent) :]
        if not addition:
            return True
        refusal = await self._try(job, stream, APPEND, {"markdown_text": addition})
        if refusal == STOPPED_BY_USER:
            stream.is_halted = True
        elif refusal:
            del self._open[job.id]
            return False
        else:
            stream.sent = text
        return True

    async def _end(self, job: Job, stream: _Stream, piece: Piece, buttons: Sequence[Json]) -> bool:
        """End a stream; whether the message has its final content."""
        if not piece.controls.is_over:  # else the turn was counted for STOP
            await self._meter.count(job.origin, STOP)
        markdown = piece.text.markdown if isinstance(piece.text, StreamedPart) else ""
        is_same = streamed(markdown) == markdown and markdown.startswith(stream.sent)
        if not is_same or stream.is_doubtful or stream.is_halted or piece.picture:
            await self._stop(job, stream)
            return False
        return await self._stop(job, stream, markdown[len(stream.sent) :], buttons)

    async def _stop(
        self, job: Job, stream: _Stream, addition: str = "", buttons: Sequence[Json] = ()
    ) -> bool:
        """End a stream; whether all text was accepted."""
        last: dict[str, Any] = {"markdown_text": addition, "blocks": list(buttons)}
        arguments = {name: value for name, value in last.items() if value}
        arguments |= {"metadata": stream.metadata, "session_status": "active"}
        refusal = await self._try(job, stream, STOP, arguments)
        if refusal == BAD_BLOCKS and buttons:
            await self._stop(job, stream)
            return False
        del self._open[job.id]
        return not refusal

    async def _try(
        self, job: Job, stream: _Stream, method: str, arguments: Mapping[str, Any]
    ) -> str:
        """Call, and note the stream as doubtful if there was no response. Returns as ``_call``."""
        try:
            return await self._call(job.origin, stream.ts, method, arguments)
        except PlatformUnavailableError as error:
            stream.is_doubtful |= not isinstance(error, RateLimitedError)
            raise

    async def _call(
        self, origin: Origin, message: str, method: str, arguments: Mapping[str, Any]
    ) -> str:
        """Slack's error if it refuses; empty if it was done."""
        append, stop = self._client.chat_appendStream, self._client.chat_stopStream
        async with self._meter.calling(origin, method):
            try:
                call = append if method == APPEND else stop
                await call(channel=origin.channel, ts=message, **arguments)
            except SlackApiError as error:
                name, _ = fault_of(error)
                if not name or name in RATE_ERRORS | PASSING_ERRORS:
                    raise
                return name
        return ""


def _so_far(piece: Piece) -> str:
    """The text of a part that may be streamed by now; empty if none may."""
    is_growing = piece.controls is AnswerButtons.RUNNING and not piece.is_notice
    if not is_growing or piece.picture or not isinstance(piece.text, StreamedPart):
        return ""
    return streamed_so_far(piece.text.markdown)
