"""People: their names, languages, roles and memberships, read from Slack and cached for a while."""

from collections.abc import Iterable

from bots.remembered import Remembered
from bots.slack.parse.payloads import Json
from bots.slack.sdk.history import History
from shared.errors import ElsewhereError, PlatformError
from shared.languages import find_language
from shared.logs import get_logger

log = get_logger(__name__)

NAMED_FOR_S = 3600.0
"""After a change of name the old one is used for up to an hour."""
PLACED_FOR_S = 60.0
"""A person who leaves a channel may ask about it for a minute."""
RANKED_FOR_S = 300.0
"""A former administrator may act as one for five minutes, a former member of a user group ask."""
DEFAULT_LANGUAGE = "en"
RANKS = ("is_admin", "is_owner", "is_primary_owner")


class People:
    """The people of one workspace."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._persons: Remembered[Json] = Remembered(NAMED_FOR_S)
        self._places: Remembered[bool] = Remembered(PLACED_FOR_S)
        self._records: Remembered[Json] = Remembered(RANKED_FOR_S)
        self._groups: Remembered[frozenset[str]] = Remembered(RANKED_FOR_S)
        self._creators: Remembered[str] = Remembered(NAMED_FOR_S)

    async def name(self, user: str) -> str:
        """The display name; the id if Slack does not show it."""
        person = await self._person(user)
        profile = person.get("profile") or {}
        names = [profile.get("display_name"), profile.get("real_name"), person.get("name")]
        return next((str(name) for name in names if name), user)

    async def names(self, users: Iterable[str]) -> dict[str, str]:
        """The names of several people by their ids."""
        return {user: await self.name(user) for user in sorted(set(users))}

    async def language(self, user: str) -> str:
        """The language of a person's Slack, as ISO 639-1."""
        locale = str((await self._person(user)).get("locale") or "")
        return find_language(locale) or DEFAULT_LANGUAGE

    async def is_moderator(self, user: str) -> bool:
        """Whether a person is an administrator or an owner of the workspace.

        Raises:
            PlatformError: Slack does not say.
        """
        person = await self.record(user)
        return any(person.get(rank) is True for rank in RANKS)

    async def record(self, user: str) -> Json:
        """Slack's record of a person, as it was in the last five minutes.

        Raises:
            PlatformError: Slack does not say.
        """
        return await self._records.get(user, lambda: self._history.person(user))

    async def group(self, group: str) -> frozenset[str]:
        """The people of a user group, as it was in the last five minutes.

        Raises:
            PlatformError: Slack does not say.
        """
        return await self._groups.get(group, lambda: self._history.group(group))

    async def has_made(self, channel: str, user: str) -> bool:
        """Whether a person is the creator of a channel.

        Raises:
            PlatformError: Slack does not say.
        """
        return await self._creators.get(channel, lambda: self._history.creator(channel)) == user

    async def may_ask(self, channel: str, user: str) -> bool:
        """Whether a person is in a conversation.

        A private one that we are not in cannot be looked up; there Slack accepts commands and menus
        from its members only.

        Raises:
            PlatformError: Slack does not say.
        """

        async def ask() -> bool:
            try:
                return await self._history.is_member(channel, user)
            except ElsewhereError:
                return True

        return await self._places.get(f"{channel} {user}", ask)

    async def are_we_in(self, channel: str) -> bool:
        """Whether we may post in a conversation.

        Raises:
            PlatformError: Slack does not say.
        """
        return await self._places.get(channel, lambda: self._history.is_readable(channel))

    async def _person(self, user: str) -> Json:
        try:
            return await self._persons.get(user, lambda: self._history.person(user))
        except PlatformError as error:
            log.info("person_unknown", reason=str(error))
            return {}
