"""Who we are in a workspace, and where its messages are found. Pure."""
# Pure.

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in this workspace."""

    user_id: str
    team_id: str
    url: str = ""
    """The workspace's address, with a slash at its end."""


def permalink(me: Identity, channel: str, ts: str, thread: str = "") -> str:
    """Where people find a message; empty if the workspace's address is not known.

    Made as ``chat.getPermalink`` makes it, without a call for each message.
    """
    if not me.url:
        return ""
    address = f"{me.url}archives/{channel}/p{ts.replace('.', '')}"
    is_reply = thread not in {"", ts}
    return f"{address}?thread_ts={thread}&cid={channel}" if is_reply else address
