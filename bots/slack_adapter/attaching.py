"""Files that come with a question, and the two events that one mention comes as.

``app_mention`` leaves a message's files out; the ``message`` event beside it has them. So a mention
waits a moment for that one, and only where it does not come is Slack asked for the message.
"""

import asyncio
import contextlib
import dataclasses
from collections import OrderedDict

from bots.attaching import MAX_FILES, within_bounds
from bots.intake import Incoming
from bots.policy import is_for_us
from bots.reception import LEDGER_AWAY, Reception
from bots.slack_adapter import events
from bots.slack_adapter.bodies import Json, read_file, read_files
from bots.slack_adapter.unasked import Sources
from shared.errors import PlatformError
from shared.jobs import Attachment
from shared.logs import get_logger

log = get_logger(__name__)

TWIN_S = 0.5
MAX_REMEMBERED = 1_000


class Twins:
    """Which messages were taken from their own event."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, asyncio.Event] = OrderedDict()

    def note(self, channel: str, ts: str) -> None:
        """A message's own event was taken."""
        self._of(channel, ts).set()

    async def came(self, channel: str, ts: str) -> bool:
        """Whether a message's own event was taken, or is within a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TWIN_S):
                await self._of(channel, ts).wait()
                return True
        return False

    def _of(self, channel: str, ts: str) -> asyncio.Event:
        event = self._taken.setdefault(f"{channel} {ts}", asyncio.Event())
        if len(self._taken) > MAX_REMEMBERED:
            self._taken.popitem(last=False)
        return event


class Attaching:
    """Fetches the files of questions in one workspace."""

    def __init__(self, reception: Reception, sources: Sources) -> None:
        self._reception = reception
        self._sources = sources

    async def with_files(self, body: Json, incoming: Incoming) -> Incoming:
        """The message with its files, if it is a question to us."""
        event: Json = body["event"]
        is_bare = event.get("type") == events.MENTION
        if not (event.get("files") or is_bare) or not incoming.situation.is_from_person:
            return incoming
        with contextlib.suppress(*LEDGER_AWAY):  # in doubt it is
            looked_up = await self._reception.threads.looked_up(incoming)
            if not is_for_us(looked_up.situation):
                return incoming
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
