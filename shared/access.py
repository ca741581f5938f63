"""Access lists: the names of workspaces, channels, people and groups that may ask, or may not.

Pure. ``bots.access.decision`` decides by them, ``shared.ledger.preferences`` stores the operator's.
"""
# Pure. Uses babel.

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.jobs import Platform

ANY = "*"
"""As a workspace: each one of the platform."""
MAX_NAMES = 500
"""Names in a list: each is compared with each question, which takes 1.3 ms for so many."""
MAX_SHOWN_CHARS = 60
SEPARATORS = re.compile(r"[\s,;]+")
FORM = (
    "slack:TEAM, slack:TEAM/CHANNEL, slack:TEAM/USER, slack:TEAM/GROUP (a user group, S…),"
    " slack:TEAM/guests, slack:TEAM/strangers, slack:TEAM/bots, discord:SERVER,"
    " discord:SERVER/channel:ID, discord:SERVER/category:ID, discord:SERVER/role:ID,"
    " discord:SERVER/user:ID or discord:SERVER/bots, with * for every team or server"
)


class NameKind(StrEnum):
    """What a name stands for."""

    WORKSPACE = "workspace"
    CHANNEL = "channel"
    CATEGORY = "category"
    USER = "user"
    ROLE = "role"
    """Of a Discord server."""
    GROUP = "group"
    """A user group of Slack."""
    KNOWN = "known"
    """One of ``guests``, ``strangers`` and ``bots``, which the platform knows by itself."""


GUESTS, STRANGERS, BOTS = "guests", "strangers", "bots"
KNOWN_GROUPS = {
    Platform.SLACK: frozenset({GUESTS, STRANGERS, BOTS}),
    Platform.DISCORD: frozenset({BOTS}),
}
SLACK_TEAM = re.compile(r"[TE][A-Z0-9]{1,30}")
SLACK_LETTERS = {
    **dict.fromkeys("CGD", NameKind.CHANNEL),
    **dict.fromkeys("UW", NameKind.USER),
    "S": NameKind.GROUP,
}
"""The first letter of Slack's ids -> what they are of."""
SLACK_ID = re.compile(r"[CGDUWS][A-Z0-9]{1,30}")
DISCORD_ID = re.compile(r"[1-9][0-9]{0,19}")
DISCORD_KINDS = (NameKind.CHANNEL, NameKind.CATEGORY, NameKind.ROLE, NameKind.USER)
OF_ONE_TEAM = frozenset({NameKind.ROLE, NameKind.GROUP, NameKind.CATEGORY})
"""What exists in one workspace alone, so that ``*`` before it is a mistake."""


class AccessNameError(ValueError):
    """A text that names nothing; the sentence says why, and what to write."""


@dataclass(frozen=True, slots=True, order=True)
class AccessName:
    """One entry of a list."""

    platform: Platform
    team: str
    """A Slack workspace or a Discord server; ``*`` for each."""
    kind: NameKind = NameKind.WORKSPACE
    id: str = ""
    """The platform's id; empty for a workspace."""

    @property
    def local(self) -> str:
        """The name inside its workspace; empty for the workspace."""
        is_bare = self.platform is Platform.SLACK or self.kind is NameKind.KNOWN
        return self.id if is_bare or not self.id else f"{self.kind}:{self.id}"

    def __str__(self) -> str:
        """As it is written in a list."""
        head = f"{self.platform}:{self.team}"
        return f"{head}/{self.local}" if self.id else head


@dataclass(frozen=True, slots=True)
class AccessLists:
    """What one layer says: the operator's, or a workspace's own."""

    allowed: frozenset[AccessName] = frozenset()
    """Empty: everything that is not denied."""
    denied: frozenset[AccessName] = frozenset()
    is_known: bool = True
    """False if the lists could not be read: then nothing is allowed by them."""

    @property
    def names(self) -> frozenset[AccessName]:
        """All names of both lists."""
        return self.allowed | self.denied

    def merged(self, other: "AccessLists") -> "AccessLists":
        """Both layers as one."""
        return AccessLists(
            self.allowed | other.allowed,
            self.denied | other.denied,
            self.is_known and other.is_known,
        )


NO_LISTS = AccessLists()


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """The operator's settings about who may ask."""

    lists: AccessLists = NO_LISTS
    user_installs: bool = False
    """Whether people on Discord who installed the app for themselves may use it anywhere."""
    is_told: bool = True
    """Whether a person who may not ask reads a sentence, once a day."""
    contact: str = ""
    """Whom that sentence says to ask; empty for the people who run Parley."""


def parse_name(text: str) -> AccessName:
    """Parse one entry, such as ``slack:T012AB3CD/C012AB3CD`` or ``discord:1234/role:5678``.

    Raises:
        AccessNameError: it names nothing.
    """
    platform, separator, rest = text.partition(":")
    if platform not in (Platform.SLACK, Platform.DISCORD) or not separator:
        raise AccessNameError(f"“{_cut(text)}” names nothing: write {FORM}")
    team, slash, local = rest.partition("/")
    known = Platform(platform)
    if not _is_team(known, team):
        what = "a Slack workspace's id, T…" if known is Platform.SLACK else "a server's id"
        raise AccessNameError(f"“{_cut(text)}”: “{_cut(team)}” is not {what}, and not *")
    if not slash:
        return AccessName(known, team)
    kind, name = _local(known, local, text)
    if team == ANY and kind in OF_ONE_TEAM:
        raise AccessNameError(
            f"“{_cut(text)}”: a {kind} belongs to one workspace or server: name that instead of *"
        )
    return AccessName(known, team, kind, name)


def parse_names(text: str) -> frozenset[AccessName]:
    """Parse a list with commas between its entries.

    Raises:
        AccessNameError: one of them names nothing, or there are too many.
    """
    parts = [part for part in SEPARATORS.split(text) if part]
    if not parts:
        raise AccessNameError(f"names nothing: write {FORM}, or remove the line")
    return _bounded(map(parse_name, parts))


def parse_local(text: str, platform: Platform, team: str) -> AccessName:
    """Parse an entry of a workspace's own list, such as ``C012AB3CD`` or ``role:5678``.

    The whole form, with the workspace before it, is taken as well.

    Raises:
        AccessNameError: it names nothing there.
    """
    head = f"{platform}:{team}/"
    local = text.removeprefix(head)
    if local.startswith(tuple(f"{each}:" for each in KNOWN_GROUPS)):
        raise AccessNameError(f"“{_cut(text)}” is of another workspace: name what is in this one")
    kind, name = _local(platform, local, text)
    return AccessName(platform, team, kind, name)


def parse_locals(texts: Iterable[str], platform: Platform, team: str) -> frozenset[AccessName]:
    """Parse a workspace's own list.

    Raises:
        AccessNameError: as ``parse_names``.
    """
    return _bounded(parse_local(text, platform, team) for text in texts)


def _bounded(names: Iterable[AccessName]) -> frozenset[AccessName]:
    found = frozenset(names)
    if len(found) > MAX_NAMES:
        raise AccessNameError(
            f"{len(found):,} names are too many: write at most {MAX_NAMES}, such as a role or a"
            " user group instead of its people"
        )
    return found


def _is_team(platform: Platform, team: str) -> bool:
    form = SLACK_TEAM if platform is Platform.SLACK else DISCORD_ID
    return team == ANY or form.fullmatch(team) is not None


def _local(platform: Platform, local: str, text: str) -> tuple[NameKind, str]:
    """What a name inside a workspace stands for, and its id."""
    if local in KNOWN_GROUPS[platform]:
        return NameKind.KNOWN, local
    if local in KNOWN_GROUPS[Platform.SLACK]:
        raise AccessNameError(f"“{_cut(text)}”: Discord knows no {local}: only Slack does")
    word, separator, name = local.partition(":")
    if platform is Platform.SLACK:
        return _slack(word if separator else "", name if separator else local, text)
    if word not in DISCORD_KINDS or not DISCORD_ID.fullmatch(name):
        raise AccessNameError(
            f"“{_cut(text)}” names nothing on Discord: write channel:ID, category:ID, role:ID,"
            " user:ID or bots, with the number that Copy ID gives"
        )
    return NameKind(word), name


def _slack(word: str, name: str, text: str) -> tuple[NameKind, str]:
    kind = SLACK_LETTERS.get(name[:1])
    if not SLACK_ID.fullmatch(name) or kind is None or (word and word != kind):
        raise AccessNameError(
            f"“{_cut(text)}” names nothing on Slack: write a channel's id (C…), a person's (U…), a"
            " user group's (S…), guests, strangers or bots"
        )
    return kind, name


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
