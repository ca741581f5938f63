"""Fetches what people have Parley learn on Discord: uploads, and pinned messages.

Files are fetched here, from Discord's own addresses only.
"""

import base64
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bots.discord.parse import requests
from bots.discord.parse.payloads import DiscordPlace, Facts, File, origin_of
from bots.discord.parse.requests import lesson_origin, pin_origin, taught
from bots.discord.sdk.surface import DiscordSurface
from bots.incoming.intake import Incoming
from bots.store import AsyncStore
from shared.errors import (
    FileTooLargeError,
    FileUnavailableError,
    PlatformError,
    RefusedError,
)
from shared.logs import get_logger
from shared.tasks import Learn

log = get_logger(__name__)

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class PinChanges:
    """The differences between a place's pinned messages and those that were learned."""

    new: tuple[Facts, ...]
    gone: tuple[int, ...]


class LearningFetcher:
    """Fetches what is to be learned."""

    def __init__(self, surface: DiscordSurface, store: AsyncStore, max_upload_mb: float) -> None:
        self._surface = surface
        self._store = store
        self._max_mb = max_upload_mb

    async def lesson(self, file: File, link: str) -> Learn:
        """A file as a task.

        Raises:
            RefusedError: it is too large, or Discord does not hand it out.
        """
        if file.num_bytes > self._max_mb * MB:
            raise FileTooLargeError(file.name, file.num_bytes / MB, self._max_mb)
        try:
            content = await self._surface.connected().download(file.url, int(self._max_mb * MB))
        except PlatformError as error:
            log.warning("file_not_fetched", error=type(error).__name__)
            raise FileUnavailableError(file.name) from error
        if content is None:  # larger than Discord had said
            raise FileTooLargeError(file.name, self._max_mb, self._max_mb)
        return Learn(file.name, base64.b64encode(content).decode(), link)

    async def lessons(self, source: Facts, asked: Facts) -> AsyncIterator[Incoming]:
        """A message's files, each as a task to learn it or as a sentence why not.

        Args:
            source: the message that has the files.
            asked: the message that asks to learn them; it may be the same.
        """
        for file in source.files:
            origin = lesson_origin(source, file, asked)
            quoted = () if source.author == asked.author else (str(source.author),)
            try:
                lesson = taught(origin, await self.lesson(file, source.link))
                yield dataclasses.replace(lesson, quoted=quoted)
            except RefusedError as error:
                refusal = error.to_reply()
                lesson = taught(origin, Learn(file.name, ""))
                yield dataclasses.replace(lesson, refusal=refusal)

    async def pins(self, place: DiscordPlace) -> PinChanges:
        """The pins added and removed since the last call.

        Raises:
            PlatformError: Discord does not show them.
            redis.RedisError, TimeoutError: Redis is away.
        """
        pinned = await self._surface.connected().pins(place)
        opted_out = await self._store.opted_out(tenant_of(place))
        now = {
            str(facts.message): facts
            for facts in pinned
            # Our own messages are no evidence.
            if not facts.is_ours and str(facts.author) not in opted_out
        }
        known = await self._store.pinned(tenant_of(place), str(place.channel))
        new = tuple(facts for message, facts in now.items() if message not in known)
        return PinChanges(new, tuple(int(message) for message in known - set(now)))


def pinned_text(facts: Facts) -> Incoming | None:
    """A pinned message's text as a task to learn it; None if it has none."""
    text = requests.text_of(facts)
    task = Learn(f"Pinned message of {facts.author_name}.txt", "", facts.link)
    return taught(pin_origin(facts), task, text) if text else None


def tenant_of(place: DiscordPlace) -> str:
    """The tenant of a place."""
    return origin_of(place, 0).tenant
