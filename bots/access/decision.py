"""The access decision: may this person ask here? Facts and lists in; yes or no, with a reason, out.

``bots.access.gate`` collects the facts; ``parley explain-policy`` prints the decision.

Denied goes before allowed. A list of allowed names narrows, layer by layer: a workspace cannot
admit what the operator does not. What the platform did not say is neither yes nor no: where it
would matter, the answer is no.
"""
# Pure. Uses babel.

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.access import ANY, BOTS, GUESTS, AccessLists, AccessName, NameKind
from shared.jobs import Platform


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """What is known of a person who asks, and of the place; None where the platform did not say."""

    platform: Platform
    user: str
    team: str
    """The workspace or server in which it is asked; ``@me`` in Discord's direct messages."""
    channels: frozenset[str] = frozenset()
    """The channel, and for a thread or a forum's post its parent."""
    category: str = ""
    is_place_known: bool = True
    """Whether ``channels`` and ``category`` are complete."""
    is_direct: bool = False
    homes: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """The workspaces whose member the person is, as far as names ask -> the roles there."""
    are_homes_known: bool = True
    groups: frozenset[str] | None = frozenset()
    """The user groups on Slack."""
    is_guest: bool | None = False
    is_stranger: bool | None = False
    """Of another organisation, in a channel that is shared with it."""
    is_bot: bool = False
    is_user_install: bool = False
    """A command on Discord where only the person, and not the server, has installed the app."""


class AccessCode(StrEnum):
    """The kind of a decision."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not_allowed"
    USER_INSTALL = "user_install"
    STRANGER = "stranger"
    UNSURE = "unsure"
    """The platform, or Redis, did not say what the decision depends on."""


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Whether a person may ask, and what they see."""

    code: AccessCode
    reason: str
    """Why, or why not: half a sentence for operators."""
    is_confined: bool = False
    """Whether only the channel's own documents answer them."""

    @property
    def is_allowed(self) -> bool:
        """Whether the person may ask."""
        return self.code is AccessCode.ALLOWED


def decide_access(
    facts: AccessFacts, layers: Sequence[AccessLists], *, user_installs: bool = False
) -> AccessDecision:
    """Decide whether a person may ask in a place.

    Args:
        facts: about both.
        layers: the operator's lists, then the workspace's own.
        user_installs: whether user installs are switched on.
    """
    if facts.platform is Platform.CONSOLE:
        return AccessDecision(AccessCode.ALLOWED, "it is the terminal")
    if facts.is_user_install and not user_installs:
        return AccessDecision(
            AccessCode.USER_INSTALL, "user installs are off (PARLEY_DISCORD_USER_INSTALLS)"
        )
    if not all(layer.is_known for layer in layers):
        return AccessDecision(AccessCode.UNSURE, "the access lists could not be read")
    return (
        _denied(facts, layers)
        or _not_allowed(facts, layers)
        or _direct_stranger(facts, layers)
        or _allowed(facts, layers)
    )


def is_place_closed(facts: AccessFacts, layers: Sequence[AccessLists]) -> bool:
    """Whether no person at all may ask in a place: its channel, category or workspace is denied."""
    of_places = {NameKind.WORKSPACE, NameKind.CHANNEL, NameKind.CATEGORY}
    names = [name for layer in layers for name in layer.denied if name.kind in of_places]
    return any(_matches(name, facts) for name in names)


def may_be_entered(platform: Platform, team: str, lists: AccessLists) -> bool:
    """Whether any person of a workspace may ever ask: else it need not be installed there."""
    workspaces = {AccessName(platform, ANY), AccessName(platform, team)}
    if not lists.is_known or lists.denied & workspaces:
        return False
    return not lists.allowed or any(
        name.platform is platform and name.team in {ANY, team} for name in lists.allowed
    )


def _denied(facts: AccessFacts, layers: Sequence[AccessLists]) -> AccessDecision | None:
    is_match, name = _first(facts, (name for layer in layers for name in layer.denied))
    if is_match:
        return AccessDecision(AccessCode.DENIED, f"{name} is denied")
    if is_match is None:
        return AccessDecision(
            AccessCode.UNSURE, f"{name} is denied, and the platform did not say if that holds here"
        )
    return None


def _not_allowed(facts: AccessFacts, layers: Sequence[AccessLists]) -> AccessDecision | None:
    for layer in layers:
        if not layer.allowed:
            continue
        is_match, name = _first(facts, layer.allowed)
        if is_match is None:
            return AccessDecision(
                AccessCode.UNSURE,
                f"{name} is allowed, and the platform did not say if that holds here",
            )
        if not is_match:
            return AccessDecision(
                AccessCode.NOT_ALLOWED, "no name that is allowed fits the person or the place"
            )
    return None


def _direct_stranger(facts: AccessFacts, layers: Sequence[AccessLists]) -> AccessDecision | None:
    """A person of another organisation has no channel of ours in a direct message."""
    if not facts.is_direct or facts.is_stranger is False or any(each.allowed for each in layers):
        return None
    if facts.is_stranger is None:
        return AccessDecision(
            AccessCode.UNSURE, "the platform did not say if the person is of this workspace"
        )
    return AccessDecision(
        AccessCode.STRANGER, "people of other organisations are answered in channels alone"
    )


def _allowed(facts: AccessFacts, layers: Sequence[AccessLists]) -> AccessDecision:
    is_confined = facts.is_guest is not False or facts.is_stranger is not False
    if not any(layer.names for layer in layers):
        reason = "no list names anything: everybody may ask"
    elif any(layer.allowed for layer in layers):
        _, name = _first(facts, next(layer.allowed for layer in layers if layer.allowed))
        reason = f"{name} is allowed"
    else:
        reason = "nothing that is denied fits"
    if is_confined:
        reason += "; a guest, or a stranger, who sees the documents of this channel alone"
    return AccessDecision(AccessCode.ALLOWED, reason, is_confined)


def _first(
    facts: AccessFacts, names: Iterable[AccessName]
) -> tuple[bool | None, AccessName | None]:
    """Whether a name fits, and the least that does; else one of which that is not known."""
    fitting, unknown = [], []
    for name in names:
        is_match = _matches(name, facts)
        if is_match:
            fitting.append(name)
        elif is_match is None:
            unknown.append(name)
    if fitting:
        return True, min(fitting)
    return (None, min(unknown)) if unknown else (False, None)


def _matches(name: AccessName, facts: AccessFacts) -> bool | None:
    """Whether a name fits; None if the platform did not say."""
    if name.platform is not facts.platform:
        return False
    match name.kind:
        case NameKind.WORKSPACE:
            return _is_of_workspace(name.team, facts)
        case NameKind.CHANNEL | NameKind.CATEGORY:
            return name.team in {ANY, facts.team} and _is_place(name, facts)
        case NameKind.ROLE:
            return _has_role(name, facts)
        case _:
            return _is_of_person(name, facts)


def _is_place(name: AccessName, facts: AccessFacts) -> bool | None:
    places = facts.channels if name.kind is NameKind.CHANNEL else {facts.category}
    return name.id in places or _unless(facts.is_place_known)


def _is_of_person(name: AccessName, facts: AccessFacts) -> bool | None:
    is_here = name.team in {ANY, facts.team}
    is_of_team = is_here or name.team in facts.homes
    match name.kind:
        case NameKind.USER:
            # Outside servers a person is the same person.
            is_anywhere = facts.is_direct or facts.is_user_install
            return name.id == facts.user and (is_of_team or is_anywhere)
        case NameKind.GROUP:
            groups = facts.groups
            return is_here and (None if groups is None else name.id in groups)
        case _:
            return is_of_team and _is_of_known_group(name.id, facts)


def _is_of_workspace(team: str, facts: AccessFacts) -> bool | None:
    is_place = not facts.is_direct and team == facts.team
    if team == ANY or is_place or team in facts.homes:
        return True
    return _unless(facts.are_homes_known)


def _has_role(name: AccessName, facts: AccessFacts) -> bool | None:
    if name.team not in facts.homes:
        return _unless(facts.are_homes_known)
    roles = facts.homes[name.team]
    return None if roles is None else name.id in roles


def _is_of_known_group(name: str, facts: AccessFacts) -> bool | None:
    if name == BOTS:
        return facts.is_bot
    return facts.is_guest if name == GUESTS else facts.is_stranger


def _unless(is_known: bool) -> bool | None:  # noqa: FBT001 - the one thing that it reads
    return False if is_known else None
