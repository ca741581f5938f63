"""Fetches the attachments of questions.

``app_mention`` leaves a message's files out: where ``event_gate`` admits one, because its message's
own event did not arrive, Slack is asked for the message.
"""

import asyncio
import dataclasses

from bots.incoming.attachments import MAX_FILES, within_bounds
from bots.incoming.intake import Incoming
from bots.incoming.reception import Reception
from bots.slack.handlers.automation import Sources
from bots.slack.parse.events import EventType
from bots.slack.parse.payloads import Json, read_file, read_files
from shared.errors import PlatformError
from shared.jobs import Attachment
from shared.logs import get_logger

log = get_logger(__name__)


class SlackAttachmentFetcher:
    """Fetches the files of questions in one workspace."""

    def __init__(self, reception: Reception, sources: Sources) -> None:
        self._reception = reception
        self._sources = sources

    def may_have_files(self, body: Json, incoming: Incoming) -> bool:
        """Whether a message has files, as far as its event says."""
        event: Json = body["event"]
        is_told = bool(event.get("files")) or event.get("type") == EventType.MENTION
        return is_told and incoming.situation.is_from_person

    async def with_files(self, body: Json, incoming: Incoming) -> Incoming:
        """A question to us with its files."""
        event: Json = body["event"]
        is_bare = event.get("type") == EventType.MENTION
        flood_guard, asker = self._reception.flood_guard, incoming.origin.asker
        async with flood_guard.few_of(asker):
            if flood_guard.holds_off(asker):
                return incoming  # it is not answered
            files = await self._missing(incoming) if is_bare else event["files"]
            return dataclasses.replace(incoming, attachments=await self._fetched(files))

    async def _missing(self, incoming: Incoming) -> list[Json]:
        """The files of a message whose event leaves them out."""
        origin = incoming.origin
        try:
            message = await self._sources.history.message(origin.channel, origin.message)
        except PlatformError as error:
            log.warning("files_not_listed", error=type(error).__name__)
            return []
        return read_files((message or {}).get("files"))

    async def _fetched(self, files: list[Json]) -> tuple[Attachment, ...]:
        shared = [read_file(file) for file in files]
        found = await asyncio.gather(
            *(self._sources.downloads.attachment(file) for file in shared[:MAX_FILES])
        )
        others = [Attachment(file.name) for file in shared[MAX_FILES:]]
        return within_bounds([*found, *others])
