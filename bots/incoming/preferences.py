"""Cache of workspaces' and channels' preferences, kept in every process and updated in all at once.

All preferences are in memory. A process that changes some notifies all others, and every half a
minute each checks by itself whether it has missed a change.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio

from bots.redis_client import client_of
from bots.store import AsyncStore
from shared.access import NO_LISTS, AccessLists, AccessNameError, parse_locals
from shared.connections.silence import Silence
from shared.jobs import Origin, Platform
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
END_OF_TENANT = "|"
"""The end of a workspace's ``Scope.name``; a channel's goes on."""
READ_TIMEOUT_S = 60
"""Longer than ``REFRESH_S``: the channel may be silent for so long."""
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
    """A person who wants to change settings."""

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
        """Store the dependencies.

        Args:
            store: where the preferences are kept.
            redis_url: of the same Redis, for a connection that receives change notices.
            fallback: the operator's settings.
            admins: people who may change everything, whatever their platform says.
        """
        self._store = store
        self._redis_url = redis_url
        self._fallback = fallback
        self._admins = admins
        self._num_changes = rulebook.NOTHING_KNOWN
        self._by_scope: dict[str, Stored] = {}
        self._operator_access = NO_LISTS
        self._own_access: dict[str, AccessLists] = {}
        """Tenant -> its own access lists, where it has any."""
        self._resolved: dict[str, Resolved] = {}
        """Channel -> its resolved preferences: read several times per message, and seldom
        changed."""

    def resolved(self, origin: Origin) -> Resolved:
        """The preferences for a message's origin, as far as this process knows; makes no call."""
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

    @property
    def operator_access(self) -> AccessLists:
        """What ``parley allow`` and ``parley deny`` have stored. See ``AccessGate``."""
        return self._operator_access

    def own_access(self, scope: Scope) -> AccessLists | None:
        """A workspace's own lists; None if it has none."""
        return self._own_access.get(scope.tenant)

    def own_access_of(self, platform: Platform) -> dict[str, AccessLists]:
        """The own lists of all workspaces of a platform, by their ids."""
        head = f"{platform}:"
        return {
            tenant.removeprefix(head): lists
            for tenant, lists in self._own_access.items()
            if tenant.startswith(head)
        }

    def may_edit(self, editor: Editor) -> bool:
        """Whether a person may change settings."""
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
            before: as ``get`` returned them; the form has to carry their version.
            after: the new preferences, complete: a field of None leaves it to the layer below.
            editor: who changes them.

        Returns:
            a sentence for that person alone that says why not; None if it is done.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        if not self.may_edit(editor):
            return NOT_ADMIN
        if before.version < 0:
            return NOT_READ
        stored = await self._store.run_confirmed(rulebook.put(scope, before, after, editor.user))
        if stored is None:
            return OVERTAKEN
        self._by_scope[scope.name] = stored
        self._note_changes()
        return None

    async def refresh(self) -> None:
        """Read the changes since the last read.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        found = await self._store.run(rulebook.read_all(self._num_changes))
        if found.by_scope is not None:
            self._operator_access = await self._store.run(rulebook.read_access())
            self._by_scope = found.by_scope
            self._note_changes()
        self._num_changes = found.num_changes

    async def run(self) -> None:
        """Stay up to date until cancelled."""
        while True:
            # A client of its own: its reads block longer than other callers may wait.
            client = client_of(
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
            silence = Silence()
            while True:
                await self.refresh()
                # Also after a silence: a notice may have been lost.
                message: Any = await pubsub.get_message(timeout=REFRESH_S)
                if silence.note(message):
                    await pubsub.ping()

    def _note_changes(self) -> None:
        self._resolved.clear()
        found = {name: _own_access(name, stored) for name, stored in self._by_scope.items()}
        self._own_access = {
            name.removesuffix(END_OF_TENANT): lists for name, lists in found.items() if lists
        }

    def _known(self, scope: Scope) -> Preferences:
        stored = self._by_scope.get(scope.name)
        return stored.preferences if stored else Preferences()


def _own_access(name: str, stored: Stored) -> AccessLists | None:
    """A workspace's own access lists; None if it has none, or if these are a channel's settings."""
    if not name.endswith(END_OF_TENANT):
        return None
    if stored.version < 0:  # a newer Parley wrote it, and it may name people
        return AccessLists(is_known=False)
    platform, _, team = name.removesuffix(END_OF_TENANT).partition(":")
    known = stored.preferences
    if not known.allowed and not known.denied:
        return None
    try:
        return AccessLists(
            parse_locals(known.allowed or (), Platform(platform), team),
            parse_locals(known.denied or (), Platform(platform), team),
        )
    except (AccessNameError, ValueError):
        return AccessLists(is_known=False)
