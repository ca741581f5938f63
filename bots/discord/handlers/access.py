"""Who asks on Discord: servers, roles, categories; and what a person who may not ask is told."""

import asyncio
import dataclasses
from collections.abc import Iterable

from bots.access.decision import AccessFacts
from bots.access.request import AccessRequest, facts_without_platform
from bots.discord.sdk.client import Surroundings
from bots.discord.sdk.surface import DiscordSurface
from bots.remembered import Remembered
from shared.access import ANY, AccessName, NameKind
from shared.errors import PlatformError
from shared.jobs import Platform
from shared.logs import get_logger

log = get_logger(__name__)

GOOD_FOR_S = 300.0
"""A person who lost a role, or left a server, may ask for five minutes more where Discord does not
send roles along: in direct messages."""
MAX_SERVERS = 20
"""Servers that a person's membership is looked up in for a direct message: a call each, at once."""
OF_SERVERS = frozenset({NameKind.WORKSPACE, NameKind.ROLE})
OF_PLACES = frozenset({NameKind.CHANNEL, NameKind.CATEGORY})


class DiscordAccessFacts:
    """The facts about Discord's people. See ``bots.access.gate.AccessPlatform``."""

    def __init__(self, surface: DiscordSurface) -> None:
        self._surface = surface
        self._roles: Remembered[frozenset[str] | None] = Remembered(GOOD_FOR_S)
        self._surroundings: Remembered[Surroundings] = Remembered(GOOD_FOR_S)

    def placed(self, request: AccessRequest) -> AccessRequest:
        """The request as it is: a server's channels are its own."""
        return request

    async def facts(self, request: AccessRequest, names: frozenset[AccessName]) -> AccessFacts:
        """Look up what the names ask for and Discord did not send along."""
        known = facts_without_platform(request)
        ours = {name for name in names if name.platform is Platform.DISCORD}
        if not request.is_direct:
            known = await self._with_place(known, request, ours)
        if request.is_direct or known.is_user_install:
            return await self._with_homes(known, ours)
        if not request.hints.knows_roles and any(name.kind is NameKind.ROLE for name in ours):
            return await self._with_roles(known, [known.team])
        return known

    async def tell(self, request: AccessRequest, sentence: str) -> None:
        """Send the sentence as a direct message. Raises PlatformError."""
        await self._surface.connected().whisper(int(request.origin.user), sentence)

    async def locale(self, request: AccessRequest) -> str:
        """The language of the server. Raises PlatformError."""
        team = request.origin.team
        return self._surface.connected().locale_of(int(team)) if team.isdecimal() else ""

    async def _with_place(
        self, known: AccessFacts, request: AccessRequest, names: Iterable[AccessName]
    ) -> AccessFacts:
        """The facts with the channel's parent and category, if a name is of one."""
        if not any(n.kind in OF_PLACES and n.team in {ANY, known.team} for n in names):
            return dataclasses.replace(known, is_place_known=True)
        channel = request.origin.channel
        try:
            found = await self._surroundings.get(
                channel, lambda: self._surface.connected().surroundings(int(channel))
            )
        except PlatformError as error:
            log.info("place_unknown", reason=str(error))
            return known
        channels = known.channels | ({found.parent} if found.parent else set())
        return dataclasses.replace(
            known, channels=channels, category=found.category, is_place_known=True
        )

    async def _with_homes(self, known: AccessFacts, names: Iterable[AccessName]) -> AccessFacts:
        """The facts with the servers among the names whose member the person is."""
        teams = sorted({n.team for n in names if n.kind in OF_SERVERS and n.team != ANY})
        if known.is_user_install and known.team not in teams and known.team.isdecimal():
            teams.insert(0, known.team)
        found = await self._with_roles(
            dataclasses.replace(known, are_homes_known=True), teams[:MAX_SERVERS]
        )
        is_whole = found.are_homes_known and len(teams) <= MAX_SERVERS
        return dataclasses.replace(found, are_homes_known=is_whole)

    async def _with_roles(self, known: AccessFacts, teams: Iterable[str]) -> AccessFacts:
        """The facts with the person's roles in these servers."""
        asked = list(teams)
        found = await asyncio.gather(*(self._roles_in(team, known.user) for team in asked))
        homes = dict(known.homes)
        are_known = known.are_homes_known
        for team, (is_told, roles) in zip(asked, found, strict=True):
            if not is_told:
                are_known = False
            elif roles is not None:
                homes[team] = roles
        return dataclasses.replace(known, homes=homes, are_homes_known=are_known)

    async def _roles_in(self, team: str, user: str) -> tuple[bool, frozenset[str] | None]:
        """Whether Discord says it, and the roles; None for no member."""
        try:
            return True, await self._roles.get(
                f"{team} {user}",
                lambda: self._surface.connected().roles_in(int(team), int(user)),
            )
        except PlatformError as error:
            log.info("person_unknown", reason=str(error))
            return False, None
