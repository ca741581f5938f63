"""Who asks on Slack: guests, people of other organisations, user groups; and what they are told."""

import asyncio
import dataclasses
import time
from collections.abc import Callable

from bots.access.decision import AccessFacts
from bots.access.gate import AccessGate
from bots.access.request import AccessRequest, facts_without_platform
from bots.remembered import Marks
from bots.slack.handlers.ack import mrkdwn
from bots.slack.handlers.people import People
from bots.slack.parse.payloads import Json
from bots.slack.parse.text import Identity
from bots.slack.sdk.screen import Screen
from shared.access import AccessName, NameKind
from shared.errors import PlatformError
from shared.jobs import Origin, Platform
from shared.logs import get_logger

log = get_logger(__name__)

GUEST_MARKS = ("is_restricted", "is_ultra_restricted")
SILENT_FOR_S = 5.0
"""After Slack did not say who a person is, it is asked again about them only so much later."""
MAX_SILENT = 1_000
DIRECT = "D"
"""Stands for a person's direct message with us, whose id is not known: all begin so."""


class SlackAccessFacts:
    """The facts about the people of one workspace. See ``bots.access.gate.AccessPlatform``."""

    def __init__(
        self,
        me: Identity,
        people: People,
        screen: Screen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` is in seconds."""
        self._me = me
        self._people = people
        self._screen = screen
        self._silent = Marks(MAX_SILENT, clock)

    def placed(self, request: AccessRequest) -> AccessRequest:
        """The request in our workspace: the channels that are shared with us count as ours."""
        origin = dataclasses.replace(request.origin, team=self._me.team_id)
        return dataclasses.replace(request, origin=origin)

    async def facts(self, request: AccessRequest, names: frozenset[AccessName]) -> AccessFacts:
        """Look up a person; what Slack does not say stays unknown."""
        known = facts_without_platform(request)
        record = await self._record(request.origin.user)
        if record is not None:
            known = facts_with_record(known, record, self._me)
        groups = await self._groups(request.origin.user, names)
        return dataclasses.replace(known, groups=groups)

    async def tell(self, request: AccessRequest, sentence: str) -> None:
        """Show a sentence to one person, in the thread of their message. Raises PlatformError."""
        origin = request.origin
        is_reply = origin.thread not in {"", origin.message} and not origin.act
        thread = origin.thread if is_reply else ""
        await self._screen.whisper(origin.channel, origin.user, thread, mrkdwn(sentence))

    async def locale(self, request: AccessRequest) -> str:
        """The language of a person's Slack. Raises PlatformError."""
        return str((await self._people.record(request.origin.user)).get("locale") or "")

    async def _record(self, user: str) -> Json | None:
        """Slack's record of a person; None if it does not say."""
        if not user or user in self._silent:
            return None
        try:
            return await self._people.record(user)
        except PlatformError as error:
            log.info("person_unknown", reason=str(error))
            self._silent.mark(user, SILENT_FOR_S)
            return None
        except asyncio.CancelledError:  # the caller could not wait any longer
            self._silent.mark(user, SILENT_FOR_S)
            raise

    async def _groups(self, user: str, names: frozenset[AccessName]) -> frozenset[str] | None:
        """Those of the named user groups that a person is in; None if Slack does not say."""
        ours = {n.id for n in names if n.kind is NameKind.GROUP and n.team == self._me.team_id}
        try:
            found = [group for group in sorted(ours) if user in await self._people.group(group)]
        except PlatformError as error:
            log.info("group_unknown", reason=str(error))
            return None
        return frozenset(found)


class SlackAccessCheck:
    """Whether people of one workspace may do what is no message."""

    def __init__(self, me: Identity, gate: AccessGate | None) -> None:
        """``gate``: None where everybody may."""
        self._me = me
        self._gate = gate

    async def require(self, origin: Origin, *, of_operator_alone: bool = False) -> None:
        """Do nothing if the person of an origin may ask there.

        Raises:
            NotAllowedError: they may not. See ``AccessGate.require``.
        """
        if self._gate:
            request = AccessRequest(origin)
            await self._gate.require(request, of_operator_alone=of_operator_alone)

    async def lets(self, origin: Origin) -> bool:
        """Whether the person of an origin may ask there; tells them nothing."""
        return self._gate is None or (await self._gate.check(AccessRequest(origin))).is_allowed

    def is_closed(self, channel: str) -> bool:
        """Whether no person at all may ask in a channel."""
        return self._gate is not None and self._gate.is_closed(self.at("", channel))

    def at(self, user: str, channel: str = "") -> Origin:
        """A person in a channel; without one in their direct message with us."""
        return Origin(Platform.SLACK, self._me.team_id, channel or DIRECT, "", "", user)


def facts_with_record(known: AccessFacts, record: Json, me: Identity) -> AccessFacts:
    """The facts with Slack's record of the person."""
    home = _home_of(record, me) or next(iter(known.homes), me.team_id)
    is_guest = any(record.get(mark) is True for mark in GUEST_MARKS)
    is_stranger = home != me.team_id or record.get("is_stranger") is True
    return dataclasses.replace(
        known,
        homes={home: None},
        are_homes_known=True,
        is_guest=is_guest,
        is_stranger=is_stranger,
        is_bot=known.is_bot or record.get("is_bot") is True,
    )


def _home_of(record: Json, me: Identity) -> str:
    """A person's own workspace: ours for people of our organisation. Empty if Slack does not say.

    docs.slack.dev/reference/objects/user-object: ``is_stranger`` is about people in no channel that
    we share; those of shared channels differ by their workspace alone.
    """
    found = record.get("enterprise_user")
    enterprise = found if isinstance(found, dict) else {}
    teams = enterprise.get("teams")
    is_of_us = isinstance(teams, list) and me.team_id in teams
    organisation = str(enterprise.get("enterprise_id") or "")
    if is_of_us or (me.enterprise_id and organisation == me.enterprise_id):
        return me.team_id
    return str(record.get("team_id") or "")
