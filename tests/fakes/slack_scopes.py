"""Which scopes each Web API method of the fake Slack needs; one of those listed is enough.

From the table on each method's page under docs.slack.dev/reference/methods.
"""

_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_NEEDED: dict[str, tuple[str, ...]] = {
    "agents.sessions.setStatus": ("assistant:write",),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": _HISTORY,
    "conversations.info": _READ,
    "conversations.list": _READ,
    "conversations.members": _READ,
    "conversations.open": ("im:write", "mpim:write"),
    "conversations.replies": _HISTORY,
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "pins.list": ("pins:read",),
    "reactions.add": ("reactions:write",),
    "reactions.remove": ("reactions:write",),
    "usergroups.users.list": ("usergroups:read",),
    "users.conversations": _READ,
    "users.info": ("users:read",),
}
ALL_SCOPES = frozenset(
    {
        *(scope for scopes in _NEEDED.values() for scope in scopes),
        "app_mentions:read",
        "assistant:write",
        "commands",
        "reactions:read",
    }
)


def missing_scopes(method: str, granted: frozenset[str]) -> tuple[str, ...]:
    """Return the scopes of which one would do, if the app has none of them."""
    needed = _NEEDED.get(method, ())
    return needed if granted.isdisjoint(needed) else ()
