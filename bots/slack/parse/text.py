"""Turns Slack's markup into plain text, and makes links to messages."""
# Pure.

import html
import re
from collections.abc import Mapping
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


USER_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
CHANNEL_OR_GROUP = re.compile(r"<(?:#|!subteam\^)[A-Z0-9]+\|([^>]*)>")
BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")
LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")


def plain_text(text: str, me: Identity, names: Mapping[str, str] | None = None) -> str:
    """A message's text without Slack's markup: our mention is removed, others become names.

    ``names`` are those of people by their ids, where Slack has not put them into the text.
    """
    known = names or {}

    def name(found: re.Match[str]) -> str:
        if found[1] == me.user_id:
            return ""
        return f"@{found[2] or known.get(found[1], found[1])}"

    text = USER_MENTION.sub(name, text)
    text = CHANNEL_OR_GROUP.sub(lambda found: found[1], text)
    text = BROADCAST.sub(lambda found: f"@{found[1]}", text)
    text = LINK.sub(lambda found: f"{found[2]} ({found[1]})" if found[2] else found[1], text)
    return html.unescape(text).strip()


def mentioned_in(text: str) -> set[str]:
    """The people whom a message's text names by their ids alone."""
    return {found[1] for found in USER_MENTION.finditer(text) if not found[2]}
