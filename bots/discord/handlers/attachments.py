"""Fetches the attachments of questions, from Discord's own addresses."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bots.discord.parse.payloads import Facts, File
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming import attachments
from bots.incoming.attachments import MAX_FILES, MB, Bounds, Offered
from bots.incoming.read_marks import ReadMarks
from shared.errors import PlatformError
from shared.jobs import Attachment
from shared.logs import get_logger

log = get_logger(__name__)


class DiscordAttachmentFetcher:
    """Fetches files, and keeps read marks from passing messages that are not accepted yet."""

    def __init__(self, surface: DiscordSurface, marks: ReadMarks, bounds: Bounds) -> None:
        self._surface = surface
        self._marks = marks
        self._bounds = bounds
        self._open: defaultdict[str, set[int]] = defaultdict(set)
        """Place -> messages that are not accepted yet."""
        self._seen: dict[str, int] = {}
        """Place -> the latest message that was seen while others were not accepted yet."""

    async def fetch(self, files: Sequence[File]) -> tuple[Attachment, ...]:
        """The files of a question; for those that are not fetched, the sentence why."""
        found = await asyncio.gather(*map(self._fetch_one, files[:MAX_FILES]))
        others = [Attachment(file.name) for file in files[MAX_FILES:]]
        return attachments.within_bounds([*found, *others])

    async def _fetch_one(self, file: File) -> Attachment:
        offered = Offered(file.name, file.media_type, file.num_bytes)
        if refused := attachments.refusal_of(offered, self._bounds):
            return refused
        try:
            client = self._surface.connected()
            content = await client.download(file.url, int(self._bounds.max_mb * MB))
        except PlatformError as error:
            log.warning("file_not_fetched", error=type(error).__name__)
            return attachments.not_fetched(file.name)
        if content is None:  # larger than Discord had said
            return attachments.not_fetched(file.name)
        return attachments.fetched(file.name, content)

    @contextlib.contextmanager
    def accepting(self, facts: Facts) -> Iterator[None]:
        """Hold back the message's read mark until this ends well: a backfill finds a lost one."""
        place, message = facts.place.mark, facts.message
        waiting = self._open[place]
        waiting.add(message)
        self._seen[place] = max(message, self._seen.get(place, 0))
        yield
        waiting.discard(message)
        if not waiting:
            del self._open[place]
            self._marks.note(place, str(self._seen.pop(place)))
