"""Discord as a delivery surface: answers posted, edited, found again and deleted.

An answer to a command goes through the webhook of the command's ticket, as long as that is valid.
Private answers that cannot go there are direct messages.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import discord

from bots.delivery.surface import MAX_PARTS, Piece
from bots.delivery.turns import Rank
from bots.discord.parse import requests
from bots.discord.sdk.buttons import buttons_of
from bots.discord.sdk.client import NOBODY, Client
from bots.discord.sdk.content import content_of, files_of, nonces_of, reference_of
from bots.discord.sdk.errors import translated
from bots.discord.sdk.webhook import ORIGINAL, TicketOverError, Webhook, is_good
from bots.render.discord import is_beginning_of, render_for_discord
from shared import streaming_cadence
from shared.errors import MessageGoneError, PlatformUnavailableError, UndeliverableError
from shared.jobs import Audience, Job, Origin
from shared.ledger.rate_budget import Bucket
from shared.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

PER_MINUTE, BURST, RESERVE = 60.0, 5, 1
"""Discord documents no figures, and reports its limits with each response; these are observed."""
SEARCH_LIMIT = 300
NOT_THERE_CODES = (10003, 50001, 50013)
"""Unknown channel, missing access, missing permissions: a command is called there all the same."""
CLOSED_CODES = (50007, 50278)
"""Cannot send messages to this user; the same for want of a server that both are in."""
CLOSED = (
    "I may not send you direct messages: allow them in this server's privacy settings, "
    "and ask again."
)
TRANSLATION, ANSWER = "Translation", "Answer"
MAX_THREAD_NAME_CHARS = 60
"""Discord takes 100; a list of channels shows some 30."""
THREAD_EXISTS = 160004
SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an answer is posted."""

    channel: int
    is_reply: bool
    """Whether its first part replies to the question."""
    is_elsewhere: bool = False
    """Whether that is not the place of the question."""

    def name(self, message: int) -> str:
        """A message there, for the ledger."""
        return f"{self.channel}{SEPARATOR}{message}" if self.is_elsewhere else str(message)


class DiscordSurface:
    """Discord as a delivery surface."""

    cadence = streaming_cadence.DISCORD

    def __init__(self, max_parts: int = MAX_PARTS) -> None:
        self._max_parts = max_parts
        self.client: Client | None = None
        """The connected client; set by the adapter."""

    def render(self, text: str) -> Sequence[str]:
        """Parts of Markdown within Discord's limit."""
        return render_for_discord(text, self._max_parts)

    def placeholder(self, job: Job) -> str | None:
        """None: the typing sign shows that an answer is on its way."""
        del job
        return None

    def bucket(self, job: Job, rank: Rank, *, is_begun: bool) -> Bucket | None:
        """A channel takes some five messages or edits in five seconds; webhooks are not counted."""
        del rank, is_begun
        origin = job.origin
        if origin.ticket:
            return None
        name = f"discord:{origin.channel}"
        return Bucket(name, PER_MINUTE, BURST, RESERVE, is_documented=False)

    def can_edit(self, job: Job) -> bool:
        """True: all our posts can be edited."""
        del job
        return True

    async def post(self, job: Job, part: int, piece: Piece) -> str:
        """Post, the first part as a reply to the question. See ``surface.Surface``.

        The nonce is the job's: Discord answers a repeated post with the message that it has. If a
        person has deleted that one, Discord says so, and the job's next nonce is used. The first
        answer to a command needs none: its message exists already, and is edited.
        """
        if webhook := self._webhook(job):
            with contextlib.suppress(TicketOverError):
                return await _post_by(webhook, job, part, piece)

        async def post(target: Target) -> str:
            for nonce in nonces_of(job, part):
                with contextlib.suppress(MessageGoneError):
                    return await self._send(job, target, part, piece, nonce)
            raise UndeliverableError("deleted again and again")

        try:
            return await self._within_reach(job, post)
        except UndeliverableError as error:
            if _code_of(error) in CLOSED_CODES:
                await self._own_up(job)
            raise

    async def _send(self, job: Job, target: Target, part: int, piece: Piece, nonce: str) -> str:
        is_reply = target.is_reply and part == 0
        with translated():
            message = await self._at(target.channel).send(
                piece.text,
                nonce=nonce,
                files=files_of(piece),
                allowed_mentions=NOBODY,
                suppress_embeds=True,
                view=buttons_of(job.id, piece.controls),  # type: ignore[arg-type]  # its types leave None out
                reference=reference_of(job) if is_reply else None,  # type: ignore[arg-type]  # its types leave None out
            )
        return target.name(message.id)

    async def edit(self, job: Job, message: str, piece: Piece) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        if webhook := self._webhook_of(job, message):
            with contextlib.suppress(TicketOverError), content_of(job, piece) as params:
                await webhook.edit(message, params)
                return
        channel, number = _where(job, message)
        # discord.py's own edit of a message known only by its id cannot keep embeds away.
        with _gone_if_closed(job, message), translated(), content_of(job, piece) as params:
            await self.connected().http.edit_message(channel, number, params=params)

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        if webhook := self._webhook_of(job, message):
            with contextlib.suppress(TicketOverError):
                await webhook.delete(message)
                return
        channel, number = _where(job, message)
        with _gone_if_closed(job, message), translated():
            await self._at(channel).get_partial_message(number).delete()

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for our reply to the question, or the parts below it. See ``surface.Surface``.

        The history does not show nonces. Parts that refer to no message are recognised by their
        text. The first answer to a command need not be looked for, and its private answers are in
        no history.
        """
        webhook = self._webhook(job)
        if webhook and (part == 0 or _is_private(job)):
            return []
        return await self._within_reach(job, lambda at: self._find_at(at, job, part, text, after))

    async def _find_at(
        self, target: Target, job: Job, part: int, text: str, after: str | None
    ) -> Sequence[str]:
        webhook = self._webhook(job)
        asked = int(job.origin.message)
        found: list[str] = []
        async for message in self._ours(target.channel, _number(after) if after else asked):
            reference = message.reference.message_id if message.reference else None
            is_part = (
                reference == asked
                if target.is_reply and part == 0
                else (reference is None or webhook is not None)
                and is_beginning_of(message.content, text)
            )
            if is_part:
                found.append(target.name(message.id))
        return found

    async def _ours(self, channel: int, after: int) -> AsyncIterator[discord.Message]:
        with translated():
            me = self.connected().user_id
            async for message in self._at(channel).history(
                after=discord.Object(after), limit=SEARCH_LIMIT, oldest_first=True
            ):
                if message.author.id == me:
                    yield message

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message. See ``surface.Surface``."""
        with translated():
            await (
                self._at(job.origin.channel)
                .get_partial_message(int(job.origin.message))
                .add_reaction(emoji)
            )

    async def unreact(self, job: Job, emoji: str) -> None:
        """Remove a mark of ours. See ``surface.Surface``."""
        client = self.connected()
        with contextlib.suppress(UndeliverableError), translated():
            await (
                self._at(job.origin.channel)
                .get_partial_message(int(job.origin.message))
                .remove_reaction(emoji, discord.Object(client.user_id or 0))
            )

    async def show_busy(self, job: Job) -> None:
        """Show that we are typing; an unanswered command shows that by itself."""
        if job.origin.ticket:
            return
        with contextlib.suppress(PlatformUnavailableError, UndeliverableError), translated():
            await self._at(job.origin.channel).typing()

    async def _target(self, job: Job) -> Target:
        """The target of an answer that no ticket delivers.

        Raises:
            PlatformError: it is unknown, or not allowed.
        """
        origin = job.origin
        if _is_private(job):
            return await self._direct(job)
        if _is_threaded(job) and await self._has_thread(job):
            # A thread has the id of the message that it was made of.
            return Target(_thread_of(origin), is_reply=False, is_elsewhere=True)
        # A command is no message to reply to; automatic tasks have no question.
        is_reply = not origin.ticket and job.kind.is_answered
        return Target(int(origin.channel), is_reply=is_reply)

    async def _direct(self, job: Job) -> Target:
        """The direct messages of the asker."""
        with translated():
            direct = await self.connected().create_dm(discord.Object(int(job.origin.user)))
        return Target(direct.id, is_reply=False, is_elsewhere=True)

    async def _within_reach(self, job: Job, do: Callable[[Target], Awaitable[T]]) -> T:
        """Run a call at the target of an answer that no ticket delivers.

        A user install works in places that Parley is not in. An answer that cannot be posted there
        any more, since the ticket is used up, is a direct message.
        """
        target = await self._target(job)
        try:
            return await do(target)
        except UndeliverableError as error:
            is_away = job.origin.ticket and _code_of(error) in NOT_THERE_CODES
            if not is_away or target.is_elsewhere:
                raise
        return await do(await self._direct(job))

    async def _has_thread(self, job: Job) -> bool:
        """Whether there is a thread at the message, made now if need be."""
        try:
            with translated():
                await self.connected().http.start_thread_with_message(
                    int(job.origin.channel),
                    _thread_of(job.origin),
                    name=_thread_name(job),
                    auto_archive_duration=1440,
                )
        except UndeliverableError as error:
            return _code_of(error) == THREAD_EXISTS
        return True

    async def _own_up(self, job: Job) -> None:
        """Say in the place of the question that its author does not accept direct messages.

        After a reaction, removing it is the only sign: words would be seen by others.
        """
        origin = job.origin
        emoji = requests.emoji_of(origin.act)
        place = self._at(origin.channel)
        try:
            with translated():
                if emoji:
                    message = place.get_partial_message(int(origin.message))
                    await message.remove_reaction(emoji, discord.Object(int(origin.user)))
                else:
                    await place.send(
                        CLOSED,
                        nonce=f"{job.id}-dm",
                        allowed_mentions=NOBODY,
                        reference=None if origin.ticket else reference_of(job),  # type: ignore[arg-type]  # its types leave None out
                    )
        except UndeliverableError as error:
            log.warning("closed_door_not_told", job=job.id, reason=str(error))

    def _webhook(self, job: Job) -> Webhook | None:
        """The webhook of an answer to a command, while it is open."""
        origin = job.origin
        if not origin.ticket or not is_good(origin.message):
            return None
        return Webhook(self.connected(), origin.ticket)

    def _webhook_of(self, job: Job, message: str) -> Webhook | None:
        """The webhook of one of our messages, if it is to be changed through one.

        Raises:
            MessageGoneError: only one person sees it, and its webhook is closed.
        """
        if not job.origin.ticket or SEPARATOR in message:
            return None
        webhook = self._webhook(job)
        if webhook is None and _is_private(job):
            raise MessageGoneError("the command's ticket is used up")
        return webhook

    def connected(self) -> Client:
        """The client.

        Raises:
            PlatformUnavailableError: there is none now.
        """
        if self.client is None or self.client.user is None:
            raise PlatformUnavailableError("not connected")
        return self.client

    def _at(self, channel: int | str) -> discord.PartialMessageable:
        return self.connected().get_partial_messageable(int(channel))


@contextlib.contextmanager
def _gone_if_closed(job: Job, message: str) -> Iterator[None]:
    """Raise a message posted by a ticket where we are not as gone: it is out of reach."""
    try:
        yield
    except UndeliverableError as error:
        if job.origin.ticket and SEPARATOR not in message and _code_of(error) in NOT_THERE_CODES:
            raise MessageGoneError("the command's ticket is used up") from error
        raise


async def _post_by(webhook: Webhook, job: Job, part: int, piece: Piece) -> str:
    """Replace Discord's "thinking" with the first part, and post others below it."""
    if part == 0:
        with contextlib.suppress(MessageGoneError), content_of(job, piece) as params:
            return await webhook.edit(ORIGINAL, params)
    with content_of(job, piece, is_ephemeral=_is_private(job)) as params:
        return await webhook.send(params)


def _is_private(job: Job) -> bool:
    return job.origin.audience is Audience.ASKER


def _is_threaded(job: Job) -> bool:
    """Whether an answer goes into the thread of its question."""
    origin = job.origin
    if origin.act:
        return origin.act == requests.TRANSLATE
    is_wanted = job.manner is not None and job.manner.is_threaded
    return is_wanted and bool(origin.thread) and not origin.parent


def _thread_of(origin: Origin) -> int:
    """The thread of a message, or of the one that began its conversation."""
    return int(origin.thread or origin.message)


def _thread_name(job: Job) -> str:
    if job.origin.act:
        return TRANSLATION
    return " ".join(job.text.split())[:MAX_THREAD_NAME_CHARS] or ANSWER


def _where(job: Job, message: str) -> tuple[int, int]:
    """Channel and id of one of our messages."""
    channel, _, number = message.rpartition(SEPARATOR)
    return int(channel or job.origin.channel), int(number)


def _number(message: str) -> int:
    return int(message.rpartition(SEPARATOR)[2])


def _code_of(error: Exception) -> int:
    """Discord's code of an error; 0 if it has none."""
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else 0
