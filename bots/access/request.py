"""A request for access: who asks, where, and what the platform sent along about them. Pure."""
# Pure. Uses babel.

from dataclasses import dataclass

from bots.access.decision import AccessFacts
from shared.jobs import Origin, Platform

DISCORD_DIRECT = "@me"


@dataclass(frozen=True, slots=True)
class AccessHints:
    """What a platform sends along about a person, beside their roles."""

    knows_roles: bool = False
    """Whether it sends the roles along: not with what a backfill reads, for example."""
    home: str = ""
    """The person's own workspace on Slack; empty if it was not sent."""
    is_user_install: bool = False
    """A command on Discord where only the person has installed the app."""
    locale: str = ""
    """The person's language, such as ``de`` or ``es-ES``; empty if it was not sent."""


NO_HINTS = AccessHints()


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who asks, and where."""

    origin: Origin
    roles: frozenset[str] = frozenset()
    is_bot: bool = False
    hints: AccessHints = NO_HINTS

    @property
    def is_direct(self) -> bool:
        """Whether it is asked in a direct message to us, or between people on Discord."""
        if self.origin.platform is Platform.SLACK:
            return self.origin.channel.startswith("D")
        return self.origin.team == DISCORD_DIRECT

    @property
    def channels(self) -> frozenset[str]:
        """The channel, and its parent."""
        return frozenset({self.origin.channel, self.origin.parent or self.origin.channel})

    @property
    def person(self) -> str:
        """The key of the person: on Discord the same in each server."""
        origin = self.origin
        if origin.platform is Platform.DISCORD:
            return f"{origin.platform}:{origin.user}"
        return origin.asker


def facts_without_platform(request: AccessRequest) -> AccessFacts:
    """The facts of a request alone, when the platform does not answer: the rest is not known."""
    origin, hints = request.origin, request.hints
    is_slack = origin.platform is Platform.SLACK
    is_stranger: bool | None = False
    homes: dict[str, frozenset[str] | None] = {}
    if is_slack:
        is_stranger = hints.home != origin.team if hints.home else None
        homes = {hints.home: None} if hints.home else {}
    elif not request.is_direct:
        homes = {origin.team: request.roles if hints.knows_roles else None}
    is_outside = request.is_direct or hints.is_user_install
    return AccessFacts(
        platform=origin.platform,
        user=origin.user,
        team=origin.team,
        channels=request.channels,
        is_place_known=is_slack or request.is_direct,
        is_direct=request.is_direct,
        homes=homes,
        are_homes_known=bool(hints.home) if is_slack else not is_outside,
        groups=None if is_slack else frozenset(),
        is_guest=None if is_slack else False,
        is_stranger=is_stranger,
        is_bot=request.is_bot,
        is_user_install=hints.is_user_install,
    )
