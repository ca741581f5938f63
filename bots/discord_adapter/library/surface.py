"""Discord as the way out sees it: what is posted, edited, found again and taken away."""

import base64
import contextlib
import io
from collections.abc import Sequence

import discord
import discord.http

from bots.discord_adapter.library.client import NOBODY, Client
from bots.discord_adapter.library.faults import translated
from bots.render.discord import is_beginning_of, render_for_discord
from shared.errors import MessageGoneError, PlatformUnavailableError, UndeliverableError
from shared.jobs import Job
from shared.replies import Picture

EDIT_EVERY_S = 1.0
NOTICE_EVERY_S = 0.5
TYPING_EVERY_S = 8.0
"""Discord shows "is typing" for ten seconds."""
SEARCH_LIMIT = 300
MAX_NONCES = 5
"""A part is posted so often anew after somebody deleted it."""


class DiscordSurface:
    """Discord as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = TYPING_EVERY_S
    notice_every_s: float | None = NOTICE_EVERY_S
    placeholder: str | None = None

    def __init__(self) -> None:
        self.client: Client | None = None
        """The connected client; set by the adapter."""

    def render(self, text: str) -> Sequence[str]:
        """Parts of Markdown within Discord's limit."""
        return render_for_discord(text)

    def can_edit(self, job: Job) -> bool:
        """All that we post can be edited."""
        del job
        return True

    async def post(self, job: Job, part: int, text: str, picture: Picture | None = None) -> str:
        """Post, the first part as a reply to the question. See ``surface.Surface``.

        The nonce is the job's: Discord answers a repeated post with the message that it has. If
        somebody has deleted that one it says so, and the next nonce is as much the job's.
        """
        for nonce in _nonces(job, part):
            with contextlib.suppress(MessageGoneError):
                return await self._send(job, part, text, nonce, picture)
        raise UndeliverableError("deleted again and again")

    async def _send(
        self, job: Job, part: int, text: str, nonce: str, picture: Picture | None
    ) -> str:
        with translated():
            message = await self._channel(job).send(
                text,
                nonce=nonce,
                files=_files(picture),
                allowed_mentions=NOBODY,
                suppress_embeds=True,
                # None means none to discord.py, though its types do not say so.
                reference=_reference(job) if part == 0 else None,  # type: ignore[arg-type]
            )
        return str(message.id)

    async def edit(self, job: Job, message: str, text: str, picture: Picture | None = None) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        # discord.py's own edit of a message that is only known by its id cannot keep embeds away.
        content = discord.http.handle_message_parameters(
            text,
            files=_files(picture),
            allowed_mentions=NOBODY,
            flags=discord.MessageFlags(suppress_embeds=True),
        )
        with translated(), content as params:
            await self._connected().http.edit_message(
                int(job.origin.channel), int(message), params=params
            )

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        with translated():
            await self._channel(job).get_partial_message(int(message)).delete()

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for our reply to the question, or what stands below it. See ``surface.Surface``.

        The history does not tell nonces. Later parts refer to nothing; they are known by what
        they say.
        """
        asked = int(job.origin.message)
        found: list[str] = []
        with translated():
            me = self._connected().user_id
            async for message in self._channel(job).history(
                after=discord.Object(int(after or asked)), limit=SEARCH_LIMIT, oldest_first=True
            ):
                reference = message.reference.message_id if message.reference else None
                is_part = (
                    reference == asked
                    if part == 0
                    else reference is None and is_beginning_of(message.content, text)
                )
                if message.author.id == me and is_part:
                    found.append(str(message.id))
        return found

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message. See ``surface.Surface``."""
        with translated():
            await (
                self._channel(job).get_partial_message(int(job.origin.message)).add_reaction(emoji)
            )

    async def show_busy(self, job: Job) -> None:
        """Show that we are typing."""
        with contextlib.suppress(PlatformUnavailableError, UndeliverableError), translated():
            await self._channel(job).typing()

    def _connected(self) -> Client:
        if self.client is None or self.client.user is None:
            raise PlatformUnavailableError("not connected")
        return self.client

    def _channel(self, job: Job) -> discord.PartialMessageable:
        return self._connected().get_partial_messageable(int(job.origin.channel))


def _files(picture: Picture | None) -> list[discord.File]:
    if picture is None:
        return []
    content = io.BytesIO(base64.b64decode(picture.content))
    return [discord.File(content, picture.name, description=picture.description)]


def _nonces(job: Job, part: int) -> list[str]:
    name = job.id if part == 0 else f"{job.id}-{part}"
    return [name, *(f"{name}{again}" for again in "abcdefgh"[: MAX_NONCES - 1])]


def _reference(job: Job) -> discord.MessageReference:
    return discord.MessageReference(
        message_id=int(job.origin.message),
        channel_id=int(job.origin.channel),
        fail_if_not_exists=False,
    )
