"""Slack as delivery sees it: answers posted, edited, found again and taken away.

What one person alone sees is posted once: Slack shows it, and neither finds nor edits it. A picture
stands in the same message as its text, so that whatever is true of a message is true of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackApiError

from bots.pace import Rank
from bots.render.slack import render_for_slack
from bots.slack_adapter.blocks import with_image
from bots.slack_adapter.bodies import is_timestamp
from bots.slack_adapter.emoji import name_of_emoji
from bots.slack_adapter.library.faults import fault_of, translated
from bots.slack_adapter.library.pictures import Pictures
from bots.slack_adapter.library.respond import respond
from bots.slack_adapter.library.web import SlackAccess, make_client
from bots.slack_adapter.tiers import POST, UPDATE, bucket_of
from bots.surface import Piece
from shared.budget import Bucket
from shared.errors import ElsewhereError
from shared.jobs import Audience, Job

EDIT_EVERY_S = 1.0
PLACEHOLDER = "…"
NOTICE_EVERY_S = 3.0
"""``chat.update`` is good for 50 calls a minute in a workspace; answers need most of them."""
METADATA_TYPE = "parley_answer"
SEARCH_LIMIT = 100
HARMLESS: Mapping[str, Any] = {"parse": "none", "link_names": False}
"""Nothing that looks like a link or a name becomes one."""
UNFETCHED: Mapping[str, Any] = {"unfurl_links": False, "unfurl_media": False}
"""Nothing behind an address is fetched."""


class SlackSurface:
    """Slack as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = None
    notice_every_s: float | None = NOTICE_EVERY_S

    def __init__(self, access: SlackAccess) -> None:
        self._poster = make_client(access, is_idempotent=False, is_patient=False)
        self._client = make_client(access, is_idempotent=True, is_patient=False)
        self._pictures = Pictures(self._client)

    def render(self, text: str) -> Sequence[str]:
        """Parts of mrkdwn within Slack's limits."""
        return render_for_slack(text)

    def placeholder(self, job: Job) -> str | None:
        """Slack shows nothing by itself."""
        del job
        return PLACEHOLDER

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """Slack counts a method's calls in a workspace, and posts in a channel."""
        del rank
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return None
        return bucket_of(origin.team, origin.channel, UPDATE if is_begun else POST)

    def can_edit(self, job: Job) -> bool:
        """Slack shows what only one person sees once, and for good."""
        return job.origin.audience is Audience.CHANNEL

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post in the thread of the question, or for one person. See ``surface.Surface``."""
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return await self._post_privately(job, part, piece)

        async def post(content: Mapping[str, Any]) -> str:
            payload = {"job_id": job.id, "part": part}
            answer = await self._poster.chat_postMessage(
                channel=origin.channel,
                thread_ts=origin.thread or None,
                metadata={"event_type": METADATA_TYPE, "event_payload": payload},
                **content,
                **UNFETCHED,
                **HARMLESS,
            )
            return str(answer["ts"])

        with translated():
            return await self._pictures.show(job.id, piece.text, piece.picture, post)

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        if job.origin.audience is Audience.ASKER:
            return  # it stands there as it was posted, if it is known to have been

        async def update(content: Mapping[str, Any]) -> str:
            await self._client.chat_update(
                channel=job.origin.channel, ts=message, **content, **HARMLESS
            )
            return message

        with translated():
            await self._pictures.show(job.id, piece.text, piece.picture, update)

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        if job.origin.audience is Audience.ASKER:
            return  # Slack takes nothing back that one person alone sees
        with translated():
            await self._client.chat_delete(channel=job.origin.channel, ts=message)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a message of ours by its metadata. See ``surface.Surface``."""
        del text
        origin = job.origin
        if origin.audience is Audience.ASKER:
            return ()
        search: dict[str, Any] = {
            "channel": origin.channel,
            "include_all_metadata": True,
            # A command has no message; what answers it is among the latest of its channel.
            "oldest": after or (origin.message if is_timestamp(origin.message) else None),
            "limit": SEARCH_LIMIT,
        }
        with translated():
            if origin.thread:
                answer = await self._client.conversations_replies(ts=origin.thread, **search)
            else:
                answer = await self._client.conversations_history(**search)
        wanted = {"job_id": job.id, "part": part}
        return [
            str(message["ts"])
            for message in answer["messages"]
            if message.get("metadata", {}).get("event_payload") == wanted
        ]

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
        """Take a mark of ours away. See ``surface.Surface``."""
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
        """The placeholder shows it."""

    async def _post_privately(self, job: Job, part: int, piece: Piece) -> str:
        """Post for the person who asked alone, in the same place.

        Where we are not, Slack takes it by the address that came with the command or menu.
        """
        origin = job.origin

        async def post(content: Mapping[str, Any]) -> str:
            answer = await self._poster.chat_postEphemeral(
                channel=origin.channel,
                user=origin.user,
                # Slack shows what is for one person in threads that are there already, only.
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
