"""Files that come with a question, and the two events that one mention comes as.

``app_mention`` leaves a message's files out; the ``message`` event beside it has them. So a mention
waits a moment for that one, and only where it does not come is Slack asked for the message.
"""

import asyncio
import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bots.incoming.attachments import MAX_FILES, within_bounds
from bots.incoming.intake import Incoming
from bots.incoming.policy import is_for_us
from bots.incoming.reception import LEDGER_AWAY, Reception
from bots.slack.handlers.automation import Sources
from bots.slack.parse import events
from bots.slack.parse.payloads import Json, read_file, read_files
from shared.errors import PlatformError
from shared.jobs import Attachment
from shared.logs import get_logger

log = get_logger(__name__)

TWIN_S = 0.5
MAX_REMEMBERED = 1_000


@dataclass(slots=True)
class _Twin:
    """A message's own event."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    is_taken: bool = False


class Twins:
    """Which messages are taken from their own event."""

    def __init__(self) -> None:
        self._twins: OrderedDict[tuple[str, str], _Twin] = OrderedDict()

    @contextlib.contextmanager
    def taking(self, channel: str, ts: str) -> Iterator[None]:
        """A message's own event has come, and is being taken."""
        twin = self._of(channel, ts)
        twin.arrived.set()
        try:
            yield
            twin.is_taken = True
        finally:
            twin.ended.set()

    async def took(self, channel: str, ts: str) -> bool:
        """Whether a message is taken from its own event, if that comes within a moment.

        Once it has come, it is waited for as long as it takes: a busy process has much under way.
        """
        twin = self._of(channel, ts)
        try:
            async with asyncio.timeout(TWIN_S):
                await twin.arrived.wait()
        except TimeoutError:
            return False
        await twin.ended.wait()
        return twin.is_taken

    def _of(self, channel: str, ts: str) -> _Twin:
        twin = self._twins.setdefault((channel, ts), _Twin())
        if len(self._twins) > MAX_REMEMBERED:
            self._twins.popitem(last=False)
        return twin


class SlackAttachmentFetcher:
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
        flood_guard, asker = self._reception.flood_guard, incoming.origin.asker
        async with flood_guard.few_of(asker):
            if flood_guard.holds_off(asker):
                return incoming  # which nobody answers
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
