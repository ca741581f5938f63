"""The access gate: collects the facts, asks for the decision, and tells a person who may not ask.

Nothing is stored of a person who is turned away but that they were told, for a day.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import redis

from bots.access.decision import (
    AccessCode,
    AccessDecision,
    AccessFacts,
    decide_access,
    is_place_closed,
    may_be_entered,
)
from bots.access.request import AccessRequest, facts_without_platform
from bots.access.sentences import refusal_sentence
from bots.remembered import Marks
from bots.store import AsyncStore
from shared.access import AccessLists, AccessName, AccessOptions
from shared.errors import NotAllowedError, PlatformError
from shared.jobs import Origin, Platform
from shared.ledger import keys, preferences
from shared.logs import get_logger
from shared.preferences import Scope

log = get_logger(__name__)

FACTS_S = 1.0
"""Of the three seconds in which the platforms want their events acknowledged."""
TELL_S = 5.0
DAY_S = 24 * 3600.0
SOON_S = 60.0
"""How often a person is told that the platform does not say who they are: that passes."""
MAX_TOLD = 10_000


class AccessPlatform(Protocol):
    """What the gate needs of a platform."""

    def placed(self, request: AccessRequest) -> AccessRequest:
        """The request as one of the workspace that the bot serves.

        In a channel that is shared with another organisation, events may name that one.
        """
        ...

    async def facts(self, request: AccessRequest, names: frozenset[AccessName]) -> AccessFacts:
        """The facts about a person and a place, as far as these names ask for them.

        Raises:
            PlatformError: the platform does not say.
        """
        ...

    async def tell(self, request: AccessRequest, sentence: str) -> None:
        """Show a sentence to that person alone.

        Raises:
            PlatformError: it cannot be shown.
        """
        ...

    async def locale(self, request: AccessRequest) -> str:
        """The person's language, such as ``de`` or ``es-ES``; empty if it is not known.

        Raises:
            PlatformError: the platform does not say.
        """
        ...


class StoredAccess(Protocol):
    """The access lists that are kept in Redis, as far as this process knows."""

    @property
    def operator_access(self) -> AccessLists:
        """What ``parley allow`` and ``parley deny`` have stored."""
        ...

    def own_access(self, scope: Scope) -> AccessLists | None:
        """A workspace's own lists; None if it has none."""
        ...

    def own_access_of(self, platform: Platform) -> dict[str, AccessLists]:
        """The own lists of all workspaces of a platform, by their ids."""
        ...


class AccessGate:
    """Who may ask, on one platform."""

    def __init__(
        self,
        options: AccessOptions,
        store: AsyncStore,
        platform: AccessPlatform,
        stored: StoredAccess | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` is in seconds."""
        self.options = options
        self._store = store
        self._platform = platform
        self._stored = stored
        self.num_refused = 0
        self._told = Marks(MAX_TOLD, clock)

    @property
    def operator_lists(self) -> AccessLists:
        """The operator's lists: the settings, and what ``parley allow`` and ``deny`` added."""
        stored = self._stored
        return self.options.lists.merged(stored.operator_access) if stored else self.options.lists

    async def check(
        self, request: AccessRequest, *, of_operator_alone: bool = False
    ) -> AccessDecision:
        """Decide whether a person may ask; in a moment, whether the platform answers or not.

        Args:
            request: who asks, and where.
            of_operator_alone: whether the workspace's own lists do not count: an administrator who
                has shut themselves out has to be able to change that.
        """
        request = self._platform.placed(request)
        operator = self.operator_lists
        own = {} if of_operator_alone else self._own_lists(request)
        names = operator.names.union(*(lists.names for lists in own.values()))
        names |= {AccessName(request.origin.platform, team) for team in own}
        facts = await self._facts(request, names)
        layers = [operator]
        # In a direct message the servers count whose member the person is.
        teams = [team for team in own if team == facts.team or team in facts.homes]
        if teams:
            layers.append(own[teams[0]])
            for team in teams[1:]:
                layers[1] = layers[1].merged(own[team])
        decision = decide_access(facts, layers, user_installs=self.options.user_installs)
        if not decision.is_allowed:
            self.num_refused += 1
            log.info("access_refused", platform=request.origin.platform, reason=decision.code.value)
        return decision

    async def require(self, request: AccessRequest, *, of_operator_alone: bool = False) -> None:
        """Do nothing for a person who may ask.

        Raises:
            NotAllowedError: they may not; its sentence is empty where they were told already.
        """
        decision = await self.check(request, of_operator_alone=of_operator_alone)
        if not decision.is_allowed:
            raise NotAllowedError(await self.sentence_for(request, decision))

    async def turn_away(self, request: AccessRequest, decision: AccessDecision) -> None:
        """Tell a person privately that they may not ask, unless they were told; raises nothing."""
        sentence = await self.sentence_for(request, decision)
        if not sentence:
            return
        try:
            async with asyncio.timeout(TELL_S):
                await self._platform.tell(request, sentence)
        except (PlatformError, TimeoutError) as error:
            log.info("refusal_not_told", reason=type(error).__name__)

    async def sentence_for(self, request: AccessRequest, decision: AccessDecision) -> str:
        """The sentence for a person who may not ask; empty if they were told in the last day."""
        if not self.options.is_told or request.is_bot or not request.origin.user:
            return ""
        if not await self._is_due(request, decision.code):
            return ""
        locale = request.hints.locale
        if not locale:
            try:
                async with asyncio.timeout(FACTS_S):
                    locale = await self._platform.locale(request)
            except (PlatformError, TimeoutError):
                locale = ""
        return refusal_sentence(
            decision.code, request.origin.platform, self.options.contact, locale
        )

    def is_closed(self, origin: Origin) -> bool:
        """Whether no person may ask in a place, as far as is known without the platform."""
        request = AccessRequest(origin)
        facts = facts_without_platform(request)
        own = self._own_lists(request).get(origin.team)
        return is_place_closed(facts, [self.operator_lists, *([own] if own else [])])

    def may_enter(self, platform: Platform, team: str) -> bool:
        """Whether any person of a workspace may ever ask."""
        return may_be_entered(platform, team, self.operator_lists)

    def _own_lists(self, request: AccessRequest) -> dict[str, AccessLists]:
        """The own lists of the workspaces that may count for a request."""
        stored, origin = self._stored, request.origin
        if stored is None:
            return {}
        if origin.platform is Platform.DISCORD and (
            request.is_direct or request.hints.is_user_install
        ):
            return stored.own_access_of(origin.platform)
        lists = stored.own_access(Scope(origin.tenant))
        return {origin.team: lists} if lists else {}

    async def _facts(self, request: AccessRequest, names: frozenset[AccessName]) -> AccessFacts:
        try:
            async with asyncio.timeout(FACTS_S):
                return await self._platform.facts(request, names)
        except (PlatformError, TimeoutError) as error:
            log.warning("person_not_looked_up", reason=type(error).__name__)
            return facts_without_platform(request)

    async def _is_due(self, request: AccessRequest, code: AccessCode) -> bool:
        """Whether a person is to be told now, by one process; then it counts as told."""
        is_unsure = code is AccessCode.UNSURE
        for_s = SOON_S if is_unsure else DAY_S
        name = f"{request.person}:{keys.TOLD_UNSURE if is_unsure else keys.TOLD_REFUSED}"
        if name in self._told:
            return False
        try:
            is_due = await self._store.run(preferences.note_told(name, round(for_s * 1000)))
        except (redis.RedisError, TimeoutError, OSError) as error:
            log.info("refusal_not_told", reason=type(error).__name__)
            return False
        self._told.mark(name, for_s)
        return is_due
