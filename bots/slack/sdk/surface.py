"""Slack as a delivery surface: answers posted, edited, found again and deleted.

What only one person sees is posted once: Slack shows it, and neither finds nor edits it. A picture
is in the same message as its text, so that both are edited and deleted together. Buttons are drawn
in the newest way that the workspace accepts.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError

from bots.delivery.buttons import AnswerButtons
from bots.delivery.rate_budget import SharedRateBudget
from bots.delivery.surface import MAX_PARTS, Piece
from bots.delivery.turns import Rank
from bots.render.slack import render_for_slack
from bots.slack.method_tiers import POST, START, UPDATE, bucket_of
from bots.slack.parse.payloads import is_timestamp
from bots.slack.sdk.client import SlackAccess, make_client
from bots.slack.sdk.errors import StreamingError, fault_of, translated
from bots.slack.sdk.rate_limits import Clock, Meter
from bots.slack.sdk.screen import respond
from bots.slack.sdk.sessions import Sessions
from bots.slack.sdk.streaming import Streams
from bots.slack.sdk.uploads import NOT_READY, Pictures, Show
from bots.slack.stream_text import StreamedPart, answer_thread, is_after, is_direct
from bots.slack.views.buttons import Look, name_of_emoji, with_controls
from bots.slack.views.components import with_image
from shared import streaming_cadence
from shared.errors import ElsewhereError
from shared.jobs import Audience, Job, Origin
from shared.ledger.rate_budget import Bucket
from shared.logs import get_logger

log = get_logger(__name__)


class Buttons:
    """Draws the buttons of one workspace's answers."""

    def __init__(self) -> None:
        self._look = Look.FEEDBACK

    async def show(
        self, content: Mapping[str, Any], controls: AnswerButtons, job_id: str, show: Show
    ) -> str:
        """Show a message's content with its buttons; returns the message's id.

        Raises:
            SlackApiError, aiohttp.ClientError, TimeoutError: as the call does.
        """
        try:
            return await show(with_controls(content, controls, job_id, self._look))
        except SlackApiError as error:
            is_refused = fault_of(error)[0] == NOT_READY and not content.get("blocks")
            if not is_refused or not controls.is_over or self._look is Look.PLAIN:
                raise
        self._look = Look.PLAIN
        log.warning("feedback_buttons_refused", job=job_id)
        return await show(with_controls(content, controls, job_id, self._look))


PLACEHOLDER = "…"
METADATA_TYPE = "parley_answer"
SEARCH_LIMIT = 100
HARMLESS: Mapping[str, Any] = {"parse": "none", "link_names": False}
"""Nothing that looks like a link or a name becomes one."""
UNFETCHED: Mapping[str, Any] = {"unfurl_links": False, "unfurl_media": False}
"""Nothing behind an address is fetched."""


class SlackSurface:
    """Slack as a delivery surface."""

    cadence = streaming_cadence.SLACK

    def __init__(
        self,
        access: SlackAccess,
        budget: SharedRateBudget,
        clock: Clock = time.monotonic,
        max_parts: int = MAX_PARTS,
    ) -> None:
        self._max_parts = max_parts
        self._meter = Meter(budget)
        self._poster = make_client(access, is_idempotent=False, is_patient=False)
        self._streams = Streams(self._poster, self._meter, clock)
        self._client = make_client(access, is_idempotent=True, is_patient=False)
        self._pictures = Pictures(self._client)
        self._buttons = Buttons()
        self._sessions = Sessions(self._client, self._meter, clock)

    def render(self, text: str) -> Sequence[str]:
        """Parts of mrkdwn within Slack's limits; a single one keeps its Markdown, for streaming."""
        parts = render_for_slack(text, self._max_parts)
        return parts if len(parts) > 1 else [StreamedPart(parts[0], text)]

    def placeholder(self, job: Job) -> str | None:
        """A text, except in direct messages: only there Slack itself shows that we work."""
        return None if self._streams.may_begin(job) else PLACEHOLDER

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """Slack counts a method's calls in a workspace, and posts in a channel."""
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return None
        method = self._streams.method(job, is_final=rank is Rank.ENDING)
        if method is None and is_begun:
            method = UPDATE
        elif method is None:
            is_streamed = rank is Rank.TEXT and self._streams.may_begin(job)
            method = START if is_streamed else POST
        return bucket_of(origin.team, origin.channel, method)

    def can_edit(self, job: Job) -> bool:
        """False for what only one person sees: Slack shows it once and never edits it."""
        return job.origin.audience is Audience.CHANNEL

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post in the thread of the question, or for one person. See ``surface.Surface``."""
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return await self._post_privately(job, part, piece)
        payload = {"job_id": job.id, "part": part}
        metadata = {"event_type": METADATA_TYPE, "event_payload": payload}
        if message := await self._streams.begin(job, piece, metadata):
            return message

        async def post(content: Mapping[str, Any]) -> str:
            answer = await self._poster.chat_postMessage(
                channel=origin.channel,
                thread_ts=answer_thread(origin) or None,
                metadata=metadata,
                **content,
                # A file is shared by its link being shown; beside it is only our own text.
                **({} if piece.document else UNFETCHED),
                **HARMLESS,
            )
            return str(answer["ts"])

        async with self._meter.calling(origin, POST):
            message = await self._show(job, piece, post)
        await self._end_session(job, piece)
        return message

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        if job.origin.audience is Audience.ASKER:
            return  # it is as it was posted, if it is known to have been
        is_streamed = self._streams.method(job, is_final=True) is not None
        below = with_controls({"blocks": [{}]}, piece.controls, job.id)["blocks"][1:]
        if await self._streams.go_on(job, message, piece, below):
            return
        if is_streamed:  # the turn was for another method
            await self._meter.count(job.origin, UPDATE)
        try:
            await self._update(job, message, piece)
        except StreamingError:  # started by a process that has died
            await self._streams.end(job.origin, message)
            await self._update(job, message, piece)
        await self._end_session(job, piece)

    async def _update(self, job: Job, message: str, piece: Piece) -> None:
        async def update(content: Mapping[str, Any]) -> str:
            await self._client.chat_update(
                channel=job.origin.channel, ts=message, **content, **HARMLESS
            )
            return message

        async with self._meter.calling(job.origin, UPDATE):
            await self._show(job, piece, update)

    async def _end_session(self, job: Job, piece: Piece) -> None:
        """Show that an answer is whole; the end of a stream does that by itself."""
        if piece.controls.is_over:
            await self._sessions.end(job)

    async def _show(self, job: Job, piece: Piece, show: Show) -> str:
        """Post or edit a text with its picture and buttons; returns the message's id."""

        async def with_buttons(content: Mapping[str, Any]) -> str:
            return await self._buttons.show(content, piece.controls, job.id, show)

        text = piece.text
        if piece.document:
            text = f"{text}\n{await self._pictures.link_to(job.id, piece.document)}"
        return await self._pictures.show(job.id, text, piece.picture, with_buttons)

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        if job.origin.audience is Audience.ASKER:
            return  # Slack does not delete what only one person sees
        try:
            await self._delete(job.origin, message)
        except StreamingError:
            await self._streams.end(job.origin, message)
            await self._delete(job.origin, message)

    async def _delete(self, origin: Origin, message: str) -> None:
        with translated():
            await self._client.chat_delete(channel=origin.channel, ts=message)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a message of ours by its metadata. See ``surface.Surface``.

        A message that is being streamed has none yet.
        """
        del text
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return ()
        search: dict[str, Any] = {
            "channel": origin.channel,
            "include_all_metadata": True,
            # A command has no message; its answer is among the latest of its channel.
            "oldest": after or (origin.message if is_timestamp(origin.message) else None),
            "limit": SEARCH_LIMIT,
        }
        thread = answer_thread(origin)
        with translated():
            if thread:
                answer = await self._client.conversations_replies(ts=thread, **search)
            else:
                answer = await self._client.conversations_history(**search)
        wanted = {"job_id": job.id, "part": part}
        found = [
            (str(message["ts"]), message.get("metadata", {}).get("event_payload"))
            for message in answer["messages"]
            if message.get("bot_id") or message.get("metadata")
        ]
        ours = [ts for ts, payload in found if payload == wanted]
        if is_direct(origin):  # no other author writes there as a bot
            ours += [ts for ts, payload in found if payload is None and is_after(ts, origin)]
        return ours

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message. See ``surface.Surface``."""
        origin = job.origin
        with translated():
            try:
                await self._client.reactions_add(
                    channel=origin.channel, timestamp=origin.message, name=name_of_emoji(emoji)
                )
            except SlackApiError as error:
                if fault_of(error)[0] != "already_reacted":
                    raise

    async def unreact(self, job: Job, emoji: str) -> None:
        """Remove a mark of ours. See ``surface.Surface``."""
        origin = job.origin
        with translated():
            try:
                await self._client.reactions_remove(
                    channel=origin.channel, timestamp=origin.message, name=name_of_emoji(emoji)
                )
            except SlackApiError as error:
                if fault_of(error)[0] != "no_reaction":
                    raise

    async def show_busy(self, job: Job) -> None:
        """Show that we work in direct messages; elsewhere the placeholder shows it."""
        await self._sessions.begin(job)

    async def _post_privately(self, job: Job, part: int, piece: Piece) -> str:
        """Post for the asker alone, in the same place.

        Where we are not a member, Slack accepts it by the response address of the command or menu.
        """
        origin = job.origin

        async def post(content: Mapping[str, Any]) -> str:
            answer = await self._poster.chat_postEphemeral(
                channel=origin.channel,
                user=origin.user,
                # Slack shows ephemeral messages only in threads that exist already.
                thread_ts=origin.thread if origin.thread not in {"", origin.message} else None,
                **content,
                **HARMLESS,
            )
            return str(answer["message_ts"])

        try:
            with translated():
                return await self._pictures.show(job.id, piece.text, piece.picture, post)
        except ElsewhereError:
            if not origin.ticket:
                raise
            with translated():
                await respond(origin.ticket, with_image(piece.text, None, piece.picture)["text"])
            return f"{job.id}.{part}"
