"""Account handlers: /quota, /forget-me and /settings.

Manage Server allows a person to change the server's preferences, Manage Channels the channel's.
"""

import asyncio

from bots.discord.parse.payloads import Caller
from bots.discord.views.settings import SettingsPage, Sheet, settings_text
from bots.incoming.preference_form import FormError, Values, preferences_of
from bots.incoming.preferences import NOT_ADMIN, Editor, PreferenceCache
from bots.incoming.reception import AWAY, LEDGER_AWAY, Reception
from shared.ledger import quotas
from shared.logs import get_logger
from shared.preferences import Scope, scopes_of

log = get_logger(__name__)

READ_S = 1.5
"""A form has to be shown within three seconds, and cannot be promised."""
SAVED = "Saved. It holds from now on."


class DiscordAccountHandlers:
    """Handles one bot's account requests. Return values are for the asker alone."""

    def __init__(self, reception: Reception, preference_cache: PreferenceCache | None) -> None:
        """``preference_cache``: None where nothing can be set."""
        self._reception = reception
        self._store = reception.store
        self._preference_cache = preference_cache

    async def quota(self, caller: Caller) -> str:
        """What a person and the channel have used today, and their quotas."""
        origin = caller.origin
        try:
            used = await self._store.run(quotas.usage(origin))
        except LEDGER_AWAY as error:
            return _away(error)
        roles = frozenset(map(str, caller.roles))
        return quotas.quota_text(self._reception.quotas(origin, roles), used)

    async def forget(self, caller: Caller) -> str:
        """Delete what is kept of a person."""
        try:
            return await self._reception.forgetter.forget(caller.origin)
        except LEDGER_AWAY as error:
            return _away(error)

    def may_edit(self, caller: Caller, *, is_for_server: bool) -> bool:
        """Whether a person may change the settings of their channel, or of their server."""
        if self._preference_cache is None or caller.place.guild is None:
            return False
        return self._preference_cache.may_edit(_editor(caller, is_for_server=is_for_server))

    async def settings(self, caller: Caller) -> str:
        """The preferences of a channel and its server."""
        if self._preference_cache is None or not self.may_edit(caller, is_for_server=False):
            return NOT_ADMIN
        try:
            server, channel = [await self._preference_cache.get(each) for each in _scopes(caller)]
        except LEDGER_AWAY as error:
            return _away(error)
        return settings_text(server.preferences, channel.preferences)

    async def open(self, caller: Caller, page: SettingsPage, *, is_for_server: bool) -> Sheet | str:
        """A form for a person, in time to be shown; or why there is none."""
        if self._preference_cache is None or not self.may_edit(caller, is_for_server=is_for_server):
            return NOT_ADMIN
        try:
            async with asyncio.timeout(READ_S):
                stored = await self._preference_cache.get(
                    _scope(caller, is_for_server=is_for_server)
                )
        except LEDGER_AWAY as error:
            return _away(error)
        return Sheet(page, is_for_server, stored)

    async def save(self, caller: Caller, sheet: Sheet, values: Values) -> str:
        """Save a submitted form."""
        if self._preference_cache is None:
            return NOT_ADMIN
        scope = _scope(caller, is_for_server=sheet.is_for_server)
        editor = _editor(caller, is_for_server=sheet.is_for_server)
        try:
            tenant = caller.origin.tenant
            after = preferences_of(values, sheet.stored.preferences, tenant)
            return await self._preference_cache.put(scope, sheet.stored, after, editor) or SAVED
        except FormError as error:
            return f"Nothing was saved. {error}"
        except LEDGER_AWAY as error:
            return _away(error)


def _editor(caller: Caller, *, is_for_server: bool) -> Editor:
    manages = caller.manages_server or (caller.manages_channel and not is_for_server)
    return Editor(str(caller.user), is_admin=manages)


def _scopes(caller: Caller) -> tuple[Scope, Scope]:
    """The server's and the channel's scopes."""
    return scopes_of(caller.origin)


def _scope(caller: Caller, *, is_for_server: bool) -> Scope:
    server, channel = _scopes(caller)
    return server if is_for_server else channel


def _away(error: BaseException) -> str:
    log.warning("desk_closed", error=type(error).__name__)
    return AWAY
