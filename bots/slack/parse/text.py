"""Turns Slack's markup into plain text, and makes links to messages."""
# Pure.

import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The bot's identity in a workspace."""

    user_id: str
    team_id: str
    url: str = ""
    """The workspace's address, with a slash at its end."""
    enterprise_id: str = ""
    """The organisation of several workspaces that it belongs to; empty for none."""


def permalink(me: Identity, channel: str, ts: str, thread: str = "") -> str:
    """The link to a message; empty if the workspace's address is not known.

    Made as ``chat.getPermalink`` makes it, without a call for each message.
    """
    if not me.url:
        return ""
    address = f"{me.url}archives/{channel}/p{ts.replace('.', '')}"
    is_reply = thread not in {"", ts}
    return f"{address}?thread_ts={thread}&cid={channel}" if is_reply else address


USER_MENTION = re.compile(r"<@([A-Z0-9]++)(?:\|([^>]*+))?+(?:>|\Z)")
CHANNEL_OR_GROUP = re.compile(r"<(?:#|!subteam\^)[A-Z0-9]++\|([^>]*+)(?:>|\Z)")
BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*+)?+(?:>|\Z)")
LINK = re.compile(r"<((?:https?|mailto):[^|>]++)(?:\|([^>]*+))?+(?:>|\Z)")
"""What never ends takes the rest of the text, and is left as it is: else each ``<`` before it would
be read to the end of the text."""


def plain_text(text: str, me: Identity, names: Mapping[str, str] | None = None) -> str:
    """A message's text without Slack's markup: our mention is removed, others become names.

    ``names`` are those of people by their ids, where Slack has not put them into the text.
    """
    known = names or {}

    def name(found: re.Match[str]) -> str:
        if found[1] == me.user_id:
            return ""
        return f"@{found[2] or known.get(found[1], found[1])}"

    text = _replaced(USER_MENTION, name, text)
    text = _replaced(CHANNEL_OR_GROUP, lambda found: found[1], text)
    text = _replaced(BROADCAST, lambda found: f"@{found[1]}", text)
    text = _replaced(LINK, lambda found: f"{found[2]} ({found[1]})" if found[2] else found[1], text)
    return html.unescape(text).strip()


def _replaced(markup: re.Pattern[str], shown: Callable[[re.Match[str]], str], text: str) -> str:
    return markup.sub(lambda found: shown(found) if _is_whole(found) else found[0], text)


def _is_whole(found: re.Match[str]) -> bool:
    return found[0].endswith(">")


def mentioned_in(text: str) -> set[str]:
    """The people whom a message's text names by their ids alone."""
    return {found[1] for found in _mentions(text) if not found[2]}


def all_mentioned_in(text: str) -> set[str]:
    """The ids of all people whom a message's text mentions."""
    return {found[1] for found in _mentions(text)}


def _mentions(text: str) -> Iterator[re.Match[str]]:
    return filter(_is_whole, USER_MENTION.finditer(text))
