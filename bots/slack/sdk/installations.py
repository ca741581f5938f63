"""Stores of the installed workspaces, with encrypted tokens, and of OAuth states.

Slack's own flow calls these (``AsyncInstallationStore``, ``AsyncOAuthStateStore``).
"""

import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bots.store import AsyncStore
from bots.token_encryption import TokenCipher, TokenDecryptionError
from shared.jobs import Platform
from shared.ledger import keys
from shared.logs import get_logger

log = get_logger(__name__)

STATE_S = 600
"""How long a person may stay on Slack's page; its cookie lasts as long."""
STATE_BYTES = 32
KEY = keys.installations(Platform.SLACK)
NOT_ALLOWED = (
    "This workspace may not use this Parley, so nothing was installed. Ask the people who run it to"
    " allow it, remove the app here, and install it again."
)
OF_ONE_WORKSPACE = "Only a workspace can install this app, and no whole organisation."


@dataclass(frozen=True, slots=True)
class Installed:
    """The token and the bot of a workspace."""

    team: str
    bot_token: str
    bot_user: str


class RedisInstallations(AsyncInstallationStore):
    """The workspaces, each once: of several people who installed the app the last counts."""

    def __init__(
        self, store: AsyncStore, cipher: TokenCipher, may_enter: Callable[[str], bool]
    ) -> None:
        """``may_enter``: whether any person of a workspace may ever ask."""
        self._store = store
        self._cipher = cipher
        self._may_enter = may_enter

    @property
    def logger(self) -> logging.Logger:
        """The logger of Slack's library."""
        return logging.getLogger(__name__)

    async def teams(self) -> list[str]:
        """The workspaces. Raises redis.RedisError, TimeoutError, OSError."""
        found: Any = await self._store.client.hkeys(KEY)
        return [name.decode() for name in found]

    async def find(self, team: str) -> Installed | None:
        """A workspace's token and bot; None if it has not installed the app, or the key is unknown.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        sealed: Any = await self._store.client.hget(KEY, team)
        if sealed is None:
            return None
        try:
            return Installed(**json.loads(self._cipher.open(sealed)))
        except TokenDecryptionError:
            log.warning("installation_unreadable", team=team)
            return None

    async def renew(self) -> None:
        """Encrypt all tokens with the newest key. Raises as ``find`` does."""
        for team in await self.teams():
            sealed: Any = await self._store.client.hget(KEY, team)
            try:
                renewed = self._cipher.renew(sealed)
            except TokenDecryptionError:
                log.warning("installation_unreadable", team=team)
            else:
                await self._put(team, renewed)

    async def async_save(self, installation: Installation) -> None:
        """Store a workspace's token. Raises as ``find`` does, and ``BoltError``."""
        team, token, user = (
            installation.team_id,
            installation.bot_token,
            installation.bot_user_id,
        )
        if installation.is_enterprise_install or not team or not token:
            raise BoltError(OF_ONE_WORKSPACE)
        if not self._may_enter(team):
            log.warning("workspace_not_allowed", team=team)
            raise BoltError(NOT_ALLOWED)
        document = json.dumps({"team": team, "bot_token": token, "bot_user": user or ""})
        await self._put(team, self._cipher.close(document))
        log.info("workspace_installed", team=team)

    async def async_find_bot(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        is_enterprise_install: bool | None = False,
    ) -> Bot | None:
        """A workspace's bot, as Slack's library expects it. Raises as ``find`` does."""
        del enterprise_id, is_enterprise_install
        found = await self.find(team_id or "")
        if found is None:
            return None
        return Bot(
            team_id=found.team,
            bot_token=found.bot_token,
            bot_id="",
            bot_user_id=found.bot_user,
            installed_at=0.0,
        )

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Delete a workspace. Raises as ``find`` does."""
        del enterprise_id
        gone: Any = self._store.client.hdel(KEY, team_id or "")
        if await gone:
            log.info("workspace_uninstalled", team=team_id)

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """Do nothing when an installing person leaves: the workspace's token is not theirs."""
        del enterprise_id, team_id, user_id

    async def _put(self, team: str, sealed: bytes) -> None:
        put: Any = self._store.client.hset(KEY, team, sealed)
        await put


class RedisStates(AsyncOAuthStateStore):
    """States of installations under way: each is valid once, and for ten minutes."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    @property
    def logger(self) -> logging.Logger:
        """The logger of Slack's library."""
        return logging.getLogger(__name__)

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """A state that cannot be guessed. Raises redis.RedisError, TimeoutError, OSError."""
        del args, kwargs
        state = secrets.token_urlsafe(STATE_BYTES)
        await self._store.client.set(keys.oauth_state(state), "1", ex=STATE_S)
        return state

    async def async_consume(self, state: str) -> bool:
        """Whether it was issued, and not yet used. Raises as ``async_issue`` does."""
        return await self._store.client.getdel(keys.oauth_state(state)) is not None
