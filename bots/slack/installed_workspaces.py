"""Workspaces that have installed the app: opened at the first event, or at a start.

A change made by one process is noticed by all others within half a minute. See
``workspaces.Workspaces``.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bots.access.decision import AccessFacts
from bots.access.request import AccessRequest
from bots.incoming.context import Wanted
from bots.incoming.reception import LEDGER_AWAY
from bots.slack.accounts import Accounts
from bots.slack.handlers.access import SlackAccessFacts
from bots.slack.handlers.history import ChannelAccess, channel_access_of
from bots.slack.sdk.client import Account
from bots.slack.workspace import Workspace
from bots.store import AsyncStore
from bots.tasks import end
from shared.access import AccessName
from shared.errors import PlaceUnreadableError, PlatformUnavailableError, UndeliverableError
from shared.jobs import Origin
from shared.logs import get_logger
from shared.tasks import Quoted

log = get_logger(__name__)

LOOK_EVERY_S = 30.0


class Sights:
    """The channel access of all workspaces, as one reader. See ``context.HistoryReader``."""

    def __init__(self, accounts: Accounts, store: AsyncStore) -> None:
        self._accounts = accounts
        self._store = store
        self._sights: dict[str, tuple[Account, ChannelAccess]] = {}

    def of(self, account: Account) -> ChannelAccess:
        """The channel access of a workspace, with one cache for all its users."""
        team = account.me.team_id
        known = self._sights.get(team)
        if known is None or known[0] != account:
            known = self._sights[team] = (account, channel_access_of(account, self._store))
        return known[1]

    async def gather(self, origin: Origin, wanted: Wanted) -> Sequence[Quoted]:
        """The messages, read from the workspace that they belong to."""
        account = await self._accounts.find(origin.team)
        if account is None:
            raise PlaceUnreadableError
        return await self.of(account).history_reader.gather(origin, wanted)

    def placed(self, request: AccessRequest) -> AccessRequest:
        """The request as it is: an event was brought to the workspace that it names."""
        return request

    async def facts(self, request: AccessRequest, names: frozenset[AccessName]) -> AccessFacts:
        """The facts about a person. See ``bots.access.gate.AccessPlatform``."""
        return await (await self._access_facts(request)).facts(request, names)

    async def tell(self, request: AccessRequest, sentence: str) -> None:
        """Show a sentence to one person alone. Raises PlatformError."""
        await (await self._access_facts(request)).tell(request, sentence)

    async def locale(self, request: AccessRequest) -> str:
        """The language of a person's Slack. Raises PlatformError."""
        return await (await self._access_facts(request)).locale(request)

    async def _access_facts(self, request: AccessRequest) -> SlackAccessFacts:
        try:
            account = await self._accounts.find(request.origin.team)
        except LEDGER_AWAY as error:
            raise PlatformUnavailableError(type(error).__name__) from error
        if account is None:
            raise UndeliverableError("not installed there")
        return self.of(account).access_facts


@dataclass(frozen=True, slots=True)
class Open:
    """An open workspace and its background task."""

    account: Account
    workspace: Workspace
    task: asyncio.Task[None]


class InstalledWorkspaces:
    """Opens and closes the workspaces."""

    def __init__(self, accounts: Accounts, make: Callable[[Account], Workspace]) -> None:
        """``make``: builds a workspace."""
        self._accounts = accounts
        self._make = make
        self._open: dict[str, Open] = {}
        self._opening = asyncio.Lock()

    @property
    def opened(self) -> Sequence[Workspace]:
        """The open workspaces."""
        return [found.workspace for found in self._open.values()]

    def known(self, team: str) -> Workspace | None:
        """The workspace of this id, if it is open."""
        found = self._open.get(team)
        return found.workspace if found else None

    async def find(self, team: str) -> Workspace | None:
        """The workspace of this id; None if we are not installed there. Raises as its Protocol."""
        account = await self._accounts.find(team) if team else None
        found = self._open.get(team)
        if found and found.account == account:
            return found.workspace
        return await self._changed(team, account)

    async def _changed(self, team: str, account: Account | None) -> Workspace | None:
        """Open a workspace, close it, or open it again with its new account."""
        async with self._opening:
            found = self._open.get(team)
            if found and found.account == account:
                return found.workspace
            await self._close(team)
            if account is None:
                return None
            workspace = self._make(account)
            self._open[team] = Open(account, workspace, asyncio.create_task(workspace.run()))
            log.info("workspace_opened", team=team)
            return workspace

    async def leave(self, team: str) -> None:
        """Close a workspace that removed us. Raises redis.RedisError, TimeoutError, OSError."""
        async with self._opening:
            await self._accounts.leave(team)
            await self._close(team)

    async def open_all(self) -> None:
        """Open the installed workspaces, and close those that are not installed any more."""
        for team in {*await self._accounts.teams(), *self._open}:
            await self.find(team)

    async def run(self) -> None:
        """Look for installed and removed workspaces until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    await self.open_all()
                except LEDGER_AWAY as error:
                    log.warning("workspaces_not_looked_up", error=type(error).__name__)
        finally:
            await end([found.task for found in self._open.values()])

    async def _close(self, team: str) -> None:
        if found := self._open.pop(team, None):
            await end([found.task])
            log.info("workspace_closed", team=team)
