"""Which mentions of a text are live, by the rules of Message (Allowed Mentions Object).

Pure. Two choices where the documentation is silent: a mention inside a code block counts as
live, and so does one of an unknown user or role; both err on the side of a ping too many.
"""

import re
from dataclasses import dataclass

from tests.fakes.discord_errors import form_error, read_number
from tests.fakes.discord_settings import Json

EVERYONE = "everyone"
USERS = "users"
ROLES = "roles"
_MENTION = re.compile(r"@everyone|@here|<@!?(?P<user>\d+)>|<@&(?P<role>\d+)>")


@dataclass(frozen=True, slots=True)
class AllowedMentions:
    """What may ping. `is_given` tells a value that was sent from a default."""

    parse: frozenset[str] = frozenset()
    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    is_reply_ping: bool = False
    is_given: bool = True

    def is_live(self, match: re.Match[str]) -> bool:
        """Whether this one mention in a text pings."""
        if match["user"]:
            return USERS in self.parse or int(match["user"]) in self.users
        if match["role"]:
            return ROLES in self.parse or int(match["role"]) in self.roles
        return EVERYONE in self.parse


# Default Settings for Allowed Mentions: regular messages, then interactions and webhooks
REGULAR_DEFAULT = AllowedMentions(
    parse=frozenset({USERS, ROLES, EVERYONE}), is_reply_ping=True, is_given=False
)
INTERACTION_DEFAULT = AllowedMentions(parse=frozenset({USERS}), is_reply_ping=True, is_given=False)


def parse_allowed_mentions(body: Json, default: AllowedMentions) -> AllowedMentions:
    """Return what a request's `allowed_mentions` says, `default` without one.

    Raises:
        ApiError: `parse` and a list of ids name the same kind.
    """
    given = body.get("allowed_mentions")
    if given is None:
        return default
    parse = frozenset(given.get("parse") or ())
    for kind in (USERS, ROLES):
        if kind in parse and given.get(kind):
            text = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            raise form_error("allowed_mentions", code, text)
    return AllowedMentions(
        parse=parse,
        users=frozenset(
            read_number(f"allowed_mentions.{USERS}", i) for i in given.get(USERS) or ()
        ),
        roles=frozenset(
            read_number(f"allowed_mentions.{ROLES}", i) for i in given.get(ROLES) or ()
        ),
        is_reply_ping=bool(given.get("replied_user", False)),
    )


def find_live_mentions(text: str, allowed: AllowedMentions) -> list[str]:
    """Return the mentions in `text` that ping, each once, in order, in canonical form."""
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        if allowed.is_live(match):
            found[match[0].replace("<@!", "<@")] = None
    return list(found)


def mentioned_user_ids(mentions: list[str]) -> list[int]:
    """Return the users among canonical mentions."""
    return [int(m[2:-1]) for m in mentions if m.startswith("<@") and not m.startswith("<@&")]


def mentioned_role_ids(mentions: list[str]) -> list[int]:
    """Return the roles among canonical mentions."""
    return [int(m[3:-1]) for m in mentions if m.startswith("<@&")]


def component_texts(components: list[Json]) -> list[str]:
    """Return the text in all text displays, however deep (Component Reference, type 10)."""
    texts: list[str] = []
    for component in components:
        if component.get("type") == 10:
            texts.append(str(component.get("content", "")))
        texts += component_texts(component.get("components", []))
        if accessory := component.get("accessory"):
            texts += component_texts([accessory])
    return texts


def count_components(components: list[Json]) -> int:
    """Return how many components there are, nested ones included."""
    total = 0
    for component in components:
        total += 1 + count_components(component.get("components", []))
        total += "accessory" in component
    return total
