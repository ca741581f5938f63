"""The daily quotas of people, channels and workspaces, and today's usage. A day is one of UTC.

Counted by the ledger's own steps: messages when they are accepted, tokens when an answer ends.
"""

from dataclasses import dataclass

from shared.jobs import Origin
from shared.ledger import keys
from shared.ledger.calls import Call, Raw, text_of
from shared.ledger.lua import quotas as scripts
from shared.preferences import NO_QUOTA, Quota

HOUR_S = 3600
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas that apply to one message: its author's, its channel's, its workspace's."""

    user: Quota = NO_QUOTA
    channel: Quota = NO_QUOTA
    workspace: Quota = NO_QUOTA


@dataclass(frozen=True, slots=True)
class Used:
    """The usage of today."""

    messages: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Today's usage of a person, a channel and a workspace, and the time until it resets."""

    user: Used
    channel: Used
    left_s: int
    """Seconds until it resets, at 00:00 UTC."""
    workspace: Used = Used()


def usage(origin: Origin) -> Call[Usage]:
    """Today's usage of the origin's person, its channel and its workspace."""

    def read(raw: Raw) -> Usage:
        numbers = [int(text_of(word)) for word in raw]
        return Usage(Used(*numbers[0:2]), Used(*numbers[2:4]), numbers[6], Used(*numbers[4:6]))

    return Call(scripts.USAGE, counted(origin), read)


def today() -> Call[int]:
    """The number of this day since 1970, by Redis's clock."""
    return Call(scripts.TODAY, (), lambda raw: int(text_of(raw)))


def counted(origin: Origin) -> tuple[str, str, str]:
    """The counter keys of a message, without the day: its person's, channel's and workspace's.

    Discord's direct messages count as one workspace together.
    """
    return (
        keys.used("user", origin.asker),
        keys.used("channel", f"{origin.tenant}:{origin.parent or origin.channel}"),
        keys.used("workspace", origin.tenant),
    )


def quota_text(quotas: Quotas, used: Usage) -> str:
    """The text of ``/quota``, in Markdown. Pure.

    Args:
        quotas: those that apply, by ``PreferenceCache.resolved(origin)`` and the person's roles.
        used: the usage.
    """
    lines = [
        _line("You", quotas.user, used.user),
        _line("This channel", quotas.channel, used.channel),
    ]
    if quotas.workspace != NO_QUOTA:
        lines.append(_line("This workspace", quotas.workspace, used.workspace))
    limits = (quotas.user, quotas.channel, quotas.workspace)
    if not any(quota.messages or quota.tokens for quota in limits):
        lines.append("Nobody has set a limit here.")
    lines.append(f"Counting begins anew at 00:00 UTC, in {_duration(used.left_s)}.")
    return "\n".join(lines)


def _line(who: str, quota: Quota, used: Used) -> str:
    messages, tokens = _of(used.messages, quota.messages), _of(used.tokens, quota.tokens)
    return f"**{who}:** {messages} messages and {tokens} tokens today."


def _of(used: int, limit: int | None) -> str:
    return f"{used:,} of {limit:,}" if limit else f"{used:,}"


def _duration(seconds: int) -> str:
    hours, minutes = seconds // HOUR_S, seconds % HOUR_S // MINUTE_S
    return f"{hours} h {minutes} min" if hours else f"{max(1, minutes)} min"
