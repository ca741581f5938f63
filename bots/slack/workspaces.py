"""The Protocol of the workspaces that the app is installed in, and the case of a single one."""

from collections.abc import Sequence
from typing import Protocol

from bots.slack.workspace import Workspace
from shared.logs import get_logger

log = get_logger(__name__)


class Workspaces(Protocol):
    """Finds the workspace of each event."""

    @property
    def opened(self) -> Sequence[Workspace]:
        """The open workspaces."""
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
        """Delete the token of a workspace that removed us.

        Raises:
            redis.RedisError, TimeoutError, OSError: it could not be deleted.
        """
        ...

    async def open_all(self) -> None:
        """Open the installed workspaces.

        Raises:
            redis.RedisError, TimeoutError, OSError: they could not be looked up.
        """
        ...

    async def run(self) -> None:
        """Run the background work of the open workspaces until cancelled."""
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
        """This one: all events that Slack sends this app are its own, or of shared channels."""
        return self._workspace

    async def find(self, team: str) -> Workspace | None:
        """This one."""
        return self.known(team)

    async def leave(self, team: str) -> None:
        """Do nothing: its token is the operator's to remove."""
        log.warning("workspace_uninstalled", team=team)

    async def open_all(self) -> None:
        """Do nothing: it is open."""

    async def run(self) -> None:
        """See ``Workspace.run``."""
        await self._workspace.run()
