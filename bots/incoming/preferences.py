"""What workspaces and channels prefer, at hand in every process and changed in all of them at once.

All of it is kept in memory. Who changes something tells every process, and every half a minute each
looks by itself whether it has missed anything.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio

from bots.store import AsyncStore
from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger import preferences as rulebook
from shared.logs import get_logger
from shared.preference_layers import Fallback, Resolved, resolve
from shared.preferences import (
    Preferences,
    Scope,
    Stored,
    scopes_of,
)

log = get_logger(__name__)

REFRESH_S = 30.0
MAX_RESOLVED = 1_000
RETRY_S = 1.0
READ_TIMEOUT_S = 60
"""Longer than ``REFRESH_S``: nothing may be said for so long."""
NOT_ADMIN = (
    "Only administrators may change settings here. Ask one of them, or whoever runs me to add you "
    "to PARLEY_ADMINS."
)
OVERTAKEN = (
    "Somebody else changed these settings while you had them open, so nothing of yours was saved. "
    "Open them again and change what you want to change."
)
NOT_READ = (
    "These settings were written by a newer version of me, which I cannot read: update me first."
)


@dataclass(frozen=True, slots=True)
class Editor:
    """Who wants to change settings."""

    user: str
    """The platform's id."""
    is_admin: bool
    """As the platform says: Discord, Manage Server for a workspace and Manage Channels for a
    channel; Slack, an admin or owner of the workspace, or the channel's creator."""


class PreferenceCache:
    """The preferences of all workspaces."""

    def __init__(
        self,
        store: AsyncStore,
        redis_url: str,
        fallback: Fallback,
        admins: frozenset[str] = frozenset(),
    ) -> None:
        """Store what is needed.

        Args:
            store: where they are kept.
            redis_url: of the same Redis, for a line on which changes are heard.
            fallback: the operator's settings.
            admins: people who may change everything, whatever their platform says.
        """
        self._store = store
        self._redis_url = redis_url
        self._fallback = fallback
        self._admins = admins
        self._num_changes = rulebook.NOTHING_KNOWN
        self._by_scope: dict[str, Stored] = {}
        self._resolved: dict[str, Resolved] = {}
        """Channel -> what holds there: asked several times a message, and seldom changed."""

    def resolved(self, origin: Origin) -> Resolved:
        """What holds where a message came from, as far as this process knows; asks nobody."""
        workspace, channel = scopes_of(origin)
        if (found := self._resolved.get(channel.name)) is not None:
            return found
        if len(self._resolved) >= MAX_RESOLVED:
            self._resolved.clear()
        found = resolve(
            self._known(workspace), self._known(channel), self._fallback, channel.channel
        )
        self._resolved[channel.name] = found
        return found

    def may_edit(self, editor: Editor) -> bool:
        """Whether somebody may change settings."""
        return editor.is_admin or editor.user in self._admins

    async def get(self, scope: Scope) -> Stored:
        """The preferences of a workspace or a channel, for a form that changes them.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        return await self._store.run(rulebook.read(scope))

    async def put(
        self, scope: Scope, before: Stored, after: Preferences, editor: Editor
    ) -> str | None:
        """Replace preferences, for every process at once.

        Args:
            scope: whose.
            before: as ``get`` gave them; its version has to come back with the form.
            after: as they shall be, whole: what is None is the layer's below.
            editor: who wants it.

        Returns:
            a sentence for that person alone that says why not; None if it is done.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        if not self.may_edit(editor):
            return NOT_ADMIN
        if before.version < 0:
            return NOT_READ
        stored = await self._store.run(rulebook.put(scope, before, after, editor.user))
        if stored is None:
            return OVERTAKEN
        self._by_scope[scope.name] = stored
        self._resolved.clear()
        return None

    async def refresh(self) -> None:
        """Read what has changed since it was read last.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        found = await self._store.run(rulebook.read_all(self._num_changes))
        self._num_changes = found.num_changes
        if found.by_scope is not None:
            self._by_scope = found.by_scope
            self._resolved.clear()

    async def run(self) -> None:
        """Stay up to date until cancelled."""
        while True:
            # A client of its own: it waits for longer than others may take.
            client = redis.asyncio.Redis.from_url(
                self._redis_url, socket_timeout=READ_TIMEOUT_S, socket_keepalive=True
            )
            try:
                await self._listen(client)
            except (redis.RedisError, OSError, TimeoutError) as error:
                log.warning("preferences_not_heard", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
            finally:
                await client.aclose()

    async def _listen(self, client: redis.asyncio.Redis) -> None:
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(keys.PREFERENCES_NEWS)
            while True:
                await self.refresh()
                # Also after nothing was heard for a while: what was said may have got lost.
                _: Any = await pubsub.get_message(timeout=REFRESH_S)

    def _known(self, scope: Scope) -> Preferences:
        stored = self._by_scope.get(scope.name)
        return stored.preferences if stored else Preferences()
