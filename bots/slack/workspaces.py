"""The workspaces that we are installed in."""

from collections.abc import Sequence
from typing import Protocol

from bots.slack.workspace import Workspace
from shared.logs import get_logger

log = get_logger(__name__)


class Workspaces(Protocol):
    """Which workspaces there are, to whoever hears of what happens in them."""

    @property
    def opened(self) -> Sequence[Workspace]:
        """Those that something is done in now."""
        ...

    def known(self, team: str) -> Workspace | None:
        """The workspace of this id, if it is open."""
        ...

    async def find(self, team: str) -> Workspace | None:
        """The workspace of this id, opened if need be; None if we are not installed there.

        Raises:
            redis.RedisError, TimeoutError, OSError: it could not be looked up.
        """
        ...

    async def leave(self, team: str) -> None:
        """We were taken out of a workspace: nothing of its is kept to talk to it.

        Raises:
            redis.RedisError, TimeoutError, OSError: it could not be forgotten.
        """
        ...

    async def open_all(self) -> None:
        """Open those that there are.

        Raises:
            redis.RedisError, TimeoutError, OSError: they could not be looked up.
        """
        ...

    async def run(self) -> None:
        """Do what is done in the background of those that are open, until cancelled."""
        ...


class OneWorkspace:
    """The workspace that a token from the settings belongs to. See ``Workspaces``."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def opened(self) -> Sequence[Workspace]:
        """This one."""
        return (self._workspace,)

    def known(self, _team: str) -> Workspace | None:
        """This one: all that Slack tells this app happened here, or in what is shared with us."""
        return self._workspace

    async def find(self, team: str) -> Workspace | None:
        """This one."""
        return self.known(team)

    async def leave(self, team: str) -> None:
        """Its token is the operator's to take away."""
        log.warning("workspace_uninstalled", team=team)

    async def open_all(self) -> None:
        """It is open."""

    async def run(self) -> None:
        """See ``Workspace.run``."""
        await self._workspace.run()
