"""Slack as delivery sees it: answers posted, edited, found again and taken away."""

from collections.abc import Sequence
from typing import Any

from bots.render.slack import render_for_slack
from bots.slack_adapter.library.faults import translated
from bots.slack_adapter.library.web import SlackAccess, make_client
from shared.jobs import Audience, Job
from shared.replies import Picture

EDIT_EVERY_S = 1.0
PLACEHOLDER = "…"
NOTICE_EVERY_S = 3.0
"""``chat.update`` is good for 50 calls a minute in a workspace; answers need most of them."""
METADATA_TYPE = "parley_answer"
SEARCH_LIMIT = 100


class SlackSurface:
    """Slack as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = None
    notice_every_s: float | None = NOTICE_EVERY_S
    placeholder: str | None = PLACEHOLDER

    def __init__(self, access: SlackAccess) -> None:
        self._poster = make_client(access, is_idempotent=False, is_patient=False)
        self._client = make_client(access, is_idempotent=True, is_patient=False)

    def render(self, text: str) -> Sequence[str]:
        """Parts of mrkdwn within Slack's limits."""
        return render_for_slack(text)

    def can_edit(self, job: Job) -> bool:
        """Slack shows what only one person sees once, and for good."""
        return job.origin.audience is Audience.CHANNEL

    async def post(self, job: Job, part: int, text: str, picture: Picture | None = None) -> str:
        """Post in the thread of the question. See ``surface.Surface``.

        Neither links nor anything else becomes more than text: ``parse="none"`` makes no links, and
        with the two others nothing behind an address is fetched.
        """
        payload = {"job_id": job.id, "part": part}
        with translated():
            answer = await self._poster.chat_postMessage(
                channel=job.origin.channel,
                thread_ts=job.origin.thread or None,
                text=_with_description(text, picture),
                metadata={"event_type": METADATA_TYPE, "event_payload": payload},
                unfurl_links=False,
                unfurl_media=False,
                parse="none",
                link_names=False,
            )
        return str(answer["ts"])

    async def edit(self, job: Job, message: str, text: str, picture: Picture | None = None) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        with translated():
            await self._client.chat_update(
                channel=job.origin.channel,
                ts=message,
                text=_with_description(text, picture),
                parse="none",
                link_names=False,
            )

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        with translated():
            await self._client.chat_delete(channel=job.origin.channel, ts=message)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a message of ours by its metadata. See ``surface.Surface``."""
        del text
        origin = job.origin
        search: dict[str, Any] = {
            "channel": origin.channel,
            "include_all_metadata": True,
            "oldest": after or origin.message,
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
            await self._client.reactions_add(
                channel=origin.channel, timestamp=origin.message, name=emoji
            )

    async def show_busy(self, job: Job) -> None:
        """The placeholder shows it."""


def _with_description(text: str, picture: Picture | None) -> str:
    """The text, with words in the place of a picture."""
    return f"{text}\n\n[{picture.description}]" if picture else text
