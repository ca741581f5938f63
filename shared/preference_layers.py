"""The three layers of preferences, resolved for a channel: the most specific one wins. Pure.

The layers are the operator's settings, the workspace's preferences and the channel's. None defers
to the layer below.
"""
# Pure. Uses babel.

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared.jobs import Effort, Kind, PromptOverrides
from shared.preferences import (
    NO_QUOTA,
    Preferences,
    QuietHours,
    Quota,
    ReplyPlace,
    WhenToSpeak,
)

T = TypeVar("T")

HOUR_MS = 3600 * 1000


@dataclass(frozen=True, slots=True)
class Fallback:
    """The operator's settings: the lowest layer."""

    channels: Mapping[str, WhenToSpeak] = field(default_factory=dict)
    """``PARLEY_AUTO_REPLY_CHANNELS``."""
    answer_bots: frozenset[str] = frozenset()
    """``PARLEY_ANSWER_BOTS``."""
    user_quota: Quota = NO_QUOTA
    channel_quota: Quota = NO_QUOTA
    workspace_quota: Quota = NO_QUOTA
    """Of each workspace; its administrators cannot change it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The resolved preferences of a channel."""

    when_to_speak: WhenToSpeak = WhenToSpeak.MENTIONS
    reply_place: ReplyPlace | None = None
    """None is the platform's default: a thread on Slack, the channel on Discord."""
    model: str = ""
    """Empty: any free worker answers with its own model."""
    thinking: Effort | None = None
    """None: ``PARLEY_THINKING`` of the worker."""
    system_prompt: str | None = None
    """None: ``PARLEY_SYSTEM_PROMPT`` of the worker."""
    language: str = ""
    retention_ms: int | None = None
    """None: ``PARLEY_RETENTION_DAYS``."""
    tasks_off: frozenset[Kind] = frozenset()
    quiet_hours: QuietHours | None = None
    answer_bots: frozenset[str] = frozenset()
    user_quota: Quota = NO_QUOTA
    channel_quota: Quota = NO_QUOTA
    workspace_quota: Quota = NO_QUOTA
    role_quotas: Mapping[str, Quota] = field(default_factory=dict)

    @property
    def manner(self) -> PromptOverrides | None:
        """The overrides that the worker needs; None if nothing differs from its own settings."""
        is_threaded = self.reply_place is ReplyPlace.THREAD
        manner = PromptOverrides(
            system_prompt=self.system_prompt,
            language=self.language,
            retention_ms=self.retention_ms,
            model=self.model,
            is_threaded=is_threaded,
            thinking=self.thinking,
        )
        return None if manner == PromptOverrides() else manner

    def quota_of(self, roles: frozenset[str]) -> Quota:
        """The quota of a person with these roles."""
        of_roles = [self.role_quotas[role] for role in roles if role in self.role_quotas]
        return Quota(
            _most_generous([quota.messages for quota in of_roles], self.user_quota.messages),
            _most_generous([quota.tokens for quota in of_roles], self.user_quota.tokens),
        )


def resolve(
    workspace: Preferences, channel: Preferences, fallback: Fallback, channel_id: str = ""
) -> Resolved:
    """Resolve the preferences of a channel.

    Args:
        workspace: its preferences.
        channel: the channel's preferences, which win.
        fallback: the operator's settings, which come last.
        channel_id: the platform's, as settings name it.
    """
    # A channel that the operator names is more specific than the whole workspace's preferences.
    named = fallback.channels.get(channel_id)
    when = _first(channel.when_to_speak, named, workspace.when_to_speak)
    hours = _first(channel.retention_hours, workspace.retention_hours)
    layers = (channel, workspace)
    return Resolved(
        when_to_speak=when or WhenToSpeak.MENTIONS,
        reply_place=_first(*(layer.reply_place for layer in layers)),
        model=_first(*(layer.model for layer in layers)) or "",
        thinking=_first(*(layer.thinking for layer in layers)),
        system_prompt=_first(*(layer.system_prompt for layer in layers)) or None,
        language=_first(*(layer.language for layer in layers)) or "",
        retention_ms=None if hours is None else max(1, round(hours * HOUR_MS)),
        tasks_off=_first(*(layer.tasks_off for layer in layers)) or frozenset(),
        quiet_hours=_first(*(layer.quiet_hours for layer in layers)),
        answer_bots=fallback.answer_bots,
        user_quota=_quota(channel.user_quota, workspace.user_quota, fallback.user_quota),
        channel_quota=_quota(
            channel.channel_quota, workspace.channel_quota, fallback.channel_quota
        ),
        workspace_quota=fallback.workspace_quota,
        role_quotas={**workspace.role_quotas, **channel.role_quotas},
    )


def _first(*layers: T | None) -> T | None:
    return next((layer for layer in layers if layer is not None), None)


def _quota(*layers: Quota) -> Quota:
    return Quota(
        _first(*(layer.messages for layer in layers)), _first(*(layer.tokens for layer in layers))
    )


def _most_generous(limits: list[int | None], otherwise: int | None) -> int | None:
    known = [limit for limit in limits if limit is not None]
    if not known:
        return otherwise
    return 0 if 0 in known else max(known)
