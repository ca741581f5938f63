"""Automation: flags, files, and what an operator has switched on for messages.

All input is Slack's events, so nothing is spooled: Slack sends again what is not acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bots.access.request import AccessRequest
from bots.incoming.intake import Incoming
from bots.incoming.intents.parser import parse_lesson
from bots.incoming.reception import Reception
from bots.slack.files import Downloads
from bots.slack.handlers.history import SlackHistory
from bots.slack.parse import automation, events
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.parse.events import EventType
from bots.slack.parse.payloads import Json, SharedFile, read_file, read_files
from bots.slack.parse.text import Identity, permalink
from bots.slack.sdk.history import History
from shared.errors import PlatformError, RefusedError
from shared.jobs import Origin
from shared.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """What reads more from Slack about an event."""

    history: History
    history_reader: SlackHistory
    downloads: Downloads


class SlackAutomationHandlers:
    """Handles events of one workspace that ask for something other than an answer."""

    def __init__(
        self, me: Identity, reception: Reception, sources: Sources, wanted: SlackAutomationRules
    ) -> None:
        self._me = me
        self._reception = reception
        self._sources = sources
        self._automation_rules = wanted
        self._learning: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Message -> held while its files are fetched: a mention arrives as two events."""

    async def react(self, event: Json, team: str) -> None:
        """Handle a reaction that is a flag or a sign for silence.

        Raises:
            redis.RedisError, TimeoutError, OSError: the ledger did not answer in time.
        """
        if sign := automation.silence(event, team):
            origin, is_muted = sign
            if not await self._reception.lets(AccessRequest(origin)):
                return
            await self._reception.mute(origin, is_muted=is_muted)
        if event.get("user") != self._me.user_id and (incoming := automation.flagged(event, team)):
            await self._reception.receive(incoming)

    async def teach(self, body: Json, incoming: Incoming) -> bool:
        """Learn the files of a message to us that asks for it; False if it does not, or has none.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``react``.
        """
        lesson = parse_lesson(incoming.text)
        if lesson is None or lesson.text:
            return False
        event: Json = body["event"]
        try:
            files = await self._files_of(event, incoming.origin)
        except PlatformError as error:
            log.warning("files_not_listed", error=type(error).__name__)
            return event.get("type") == EventType.MENTION  # the same message arrives with its files
        await self.learn(incoming.origin, files)
        return bool(files)

    async def learn(self, origin: Origin, files: Sequence[SharedFile]) -> None:
        """Learn files, each as a job of its own, or say why not."""
        lock = self._learning.setdefault(f"{origin.channel} {origin.message}", asyncio.Lock())
        async with lock:
            async for lesson in self.lessons(origin, files):
                await self._reception.receive(lesson)

    async def lessons(self, origin: Origin, files: Sequence[SharedFile]) -> AsyncIterator[Incoming]:
        """Files that are not known yet, each as a task to learn it or as why it cannot be learned.

        Raises:
            redis.RedisError, TimeoutError: the ledger did not answer in time.
        """
        place = origin.thread if origin.thread != origin.message else ""
        link = permalink(self._me, origin.channel, origin.message, place)
        for file in files:
            if await self._reception.is_known(automation.taught(origin, file, None).origin):
                continue
            try:
                task = await self._sources.downloads.lesson(file, link)
            except RefusedError as error:
                yield automation.taught(origin, file, None, error.to_reply())
            else:
                yield automation.taught(origin, file, task)

    async def overhear(self, body: Json, incoming: Incoming) -> None:
        """Rate or translate a person's message where that is switched on.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``react``.
        """
        origin = incoming.origin
        # A message to us is answered, in whatever language.
        is_to_us = incoming.situation.mentions_us
        language = (
            "" if is_to_us else self._automation_rules.translate_channels.get(origin.channel, "")
        )
        is_rated = origin.channel in self._automation_rules.sentiment_channels
        is_heard = body["event"].get("type") == "message" and incoming.situation.is_from_person
        if not is_heard or not incoming.text or not (language or is_rated):
            return
        if not await self._reception.lets(incoming.access_request):
            return
        if origin.user in await self._reception.store.opted_out(origin.tenant):
            return
        (said,) = await self._sources.history_reader.quote(origin.channel, [body["event"]])
        if is_rated:
            await self._reception.receive(automation.rating_of(origin, said))
        if language:
            await self._reception.receive(automation.translation_of(origin, said.text, language))

    async def rate_again(self, body: Json, edited_at_s: float) -> None:
        """Rate a person's message whose text was changed, where that is switched on.

        Args:
            body: the message, as if it were new.
            edited_at_s: when it was changed, in seconds since 1970.

        Raises:
            redis.RedisError, TimeoutError, OSError: as ``react``.
        """
        event: Json = body["event"]
        origin = events.origin_of(body, self._me)
        if origin is None or origin.channel not in self._automation_rules.sentiment_channels:
            return
        if not event.get("text") or not events.is_from_person(event, self._me):
            return
        if not await self._reception.lets(AccessRequest(origin)):
            return
        if origin.user in await self._reception.store.opted_out(origin.tenant):
            return
        (said,) = await self._sources.history_reader.quote(origin.channel, [event])
        await self._reception.receive(automation.rating_of(origin, said, edited_at_s))

    async def _files_of(self, event: Json, origin: Origin) -> list[SharedFile]:
        """The files of a message; those of the one that it points at if it has none.

        A mention's ``app_mention`` event leaves its files out.
        """
        files = event.get("files")
        if not files and event.get("type") == EventType.MENTION:
            message = await self._sources.history.message(origin.channel, origin.message)
            files = read_files((message or {}).get("files"))
        if files:
            return [read_file(file) for file in files]
        return await self._sources.history_reader.files(origin)
