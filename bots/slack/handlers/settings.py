"""Settings handlers: who may change settings, the form, and its submission."""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any

from bots.incoming.preference_form import FormError
from bots.incoming.preferences import NOT_ADMIN, Editor, PreferenceCache
from bots.incoming.reception import AWAY, LEDGER_AWAY
from bots.slack.handlers.ack import ACK_S, mrkdwn
from bots.slack.handlers.people import People
from bots.slack.sdk.screen import Screen
from bots.slack.views.components import notice
from bots.slack.views.settings import SettingsSubmission, preferences_of, settings_view
from shared.errors import PlatformError
from shared.logs import get_logger
from shared.preferences import Scope

log = get_logger(__name__)

SAVED = "Saved. It holds from now on."


@dataclass(frozen=True, slots=True)
class SettingsWindow:
    """Where a form is shown."""

    trigger: str
    """Opens one view, within three seconds."""
    view: str = ""
    """The view to be replaced; empty to open one."""


class SlackSettingsHandlers:
    """The settings of one workspace."""

    def __init__(
        self, tenant: str, preference_cache: PreferenceCache | None, people: People, screen: Screen
    ) -> None:
        """Store the dependencies.

        Args:
            tenant: as ``Origin.tenant``.
            preference_cache: None where nothing can be set.
            people: looks up the administrators.
            screen: shows the form.
        """
        self._tenant = tenant
        self._preference_cache = preference_cache
        self._people = people
        self._screen = screen

    async def may_edit(self, user: str, channel: str = "") -> bool:
        """Whether a person may change the settings of a channel, or of the workspace."""
        if self._preference_cache is None:
            return False
        return self._preference_cache.may_edit(await self._editor(user, channel))

    async def show(self, user: str, channel: str, window: SettingsWindow) -> str:
        """Show the form; returns why not, if the person may not see it.

        Args:
            user: the person who sees it.
            channel: whose settings; empty for the workspace's.
            window: where.

        Raises:
            PlatformError: Slack does not show it.
            redis.RedisError, TimeoutError, OSError: Redis is away.
        """
        if self._preference_cache is None or not await self.may_edit(user, channel):
            return NOT_ADMIN
        is_for_all = bool(channel) and await self.may_edit(user)
        stored = await self._preference_cache.get(Scope(self._tenant, channel))
        view = settings_view(channel, stored, may_edit_workspace=is_for_all)
        if window.view:
            await self._screen.replace(window.view, view)
        else:
            await self._screen.open(window.trigger, view)
        return ""

    async def take(self, submission: SettingsSubmission) -> dict[str, Any]:
        """Handle a submitted form; returns the body of its acknowledgement, in time."""
        first = next(iter(submission.values), "when_to_speak")
        try:
            async with asyncio.timeout(ACK_S):
                said = await self._put(submission)
        except FormError as error:
            return {"response_action": "errors", "errors": error.sentences}
        except (PlatformError, *LEDGER_AWAY) as error:
            log.warning("settings_not_taken", error=type(error).__name__)
            return {"response_action": "errors", "errors": {first: AWAY}}
        return {"response_action": "update", "view": notice(mrkdwn(said or SAVED))}

    async def _put(self, submission: SettingsSubmission) -> str | None:
        if self._preference_cache is None:
            return NOT_ADMIN
        scope = Scope(self._tenant, submission.channel)
        stored = await self._preference_cache.get(scope)
        after = preferences_of(submission, stored.preferences, self._tenant)
        editor = await self._editor(submission.user, submission.channel)
        before = dataclasses.replace(stored, version=submission.version)
        return await self._preference_cache.put(scope, before, after, editor)

    async def _editor(self, user: str, channel: str) -> Editor:
        """The editor; not an administrator if the lookup fails."""
        try:
            is_admin = await self._people.is_moderator(user)
            if not is_admin and channel:
                is_admin = await self._people.has_made(channel, user)
        except PlatformError as error:
            log.info("person_unknown", reason=str(error))
            return Editor(user, is_admin=False)
        return Editor(user, is_admin)
