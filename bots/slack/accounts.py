"""Accounts: the bot's identity and token in each workspace that has installed the app."""

import dataclasses
import time
from collections.abc import Callable

from bots.incoming.reception import LEDGER_AWAY
from bots.slack.parse.text import Identity
from bots.slack.sdk.client import Account, SlackAccess, identify
from bots.slack.sdk.installations import Installed, RedisInstallations
from shared.errors import PlatformUnreachableError, TokenError
from shared.logs import get_logger

log = get_logger(__name__)

GOOD_FOR_S = 15.0
"""A removed workspace, or a new token, is noticed after this time."""


class Accounts:
    """The accounts, cached for a moment."""

    def __init__(
        self,
        installations: RedisInstallations,
        access: SlackAccess,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``access``: the app's; its bot token is not used."""
        self._installations = installations
        self._access = access
        self._clock = clock
        self._known: dict[str, tuple[float, Account]] = {}

    async def teams(self) -> list[str]:
        """The installed workspaces. Raises redis.RedisError, TimeoutError, OSError."""
        return await self._installations.teams()

    async def find(self, team: str) -> Account | None:
        """The account in a workspace; None if it has not installed the app, or removed it.

        While Redis is away, the last known account.

        Raises:
            redis.RedisError, TimeoutError, OSError: Redis is away and no account was known.
        """
        until_s, known = self._known.get(team, (0.0, None))
        if known and self._clock() < until_s:
            return known
        try:
            installed = await self._installations.find(team)
        except LEDGER_AWAY:
            if known is None:
                raise
            return known
        account = await self._account(installed, known) if installed else None
        if account is None:
            self._known.pop(team, None)
        else:
            self._known[team] = (self._clock() + GOOD_FOR_S, account)
        return account

    async def leave(self, team: str) -> None:
        """Forget a workspace. Raises redis.RedisError, TimeoutError, OSError."""
        await self._installations.async_delete_all(enterprise_id=None, team_id=team)
        self._known.pop(team, None)

    async def _account(self, installed: Installed, known: Account | None) -> Account | None:
        if known and known.access.bot_token == installed.bot_token:
            return known
        access = dataclasses.replace(self._access, bot_token=installed.bot_token)
        try:
            return Account(access, await identify(access))
        except PlatformUnreachableError as error:
            log.warning("workspace_not_asked", team=installed.team, reason=type(error).__name__)
            return Account(access, Identity(installed.bot_user, installed.team))
        except TokenError:
            log.warning("workspace_refuses_us", team=installed.team)
            return None
