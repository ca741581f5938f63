"""The preferences of a workspace and its channels, in plain data. Pure.

``shared.preference_layers`` resolves them, ``shared.ledger.preferences`` stores them,
``bots.incoming.preferences`` caches them.
"""
# Pure. Uses babel.

import dataclasses
import math
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Any

from shared.jobs import Effort, Kind, Origin
from shared.languages import name_of

MAX_SYSTEM_PROMPT_CHARS = 4_000
MAX_RETENTION_HOURS = 36_500 * 24
MAX_ROLES = 50
MODEL_NAME = re.compile(r"[\w.:/+-]{1,100}")
"""Names of folders and of hubs; a queue is named after it."""
ALWAYS_ON = frozenset({Kind.CHAT, Kind.NEW, Kind.OPT})
"""Kinds that cannot be disabled: chat, forgetting, opting out."""
SWITCHABLE = tuple(kind for kind in Kind if kind not in ALWAYS_ON)


class PreferenceError(ValueError):
    """An invalid preference; the sentence says what is wrong with which."""


class WhenToSpeak(StrEnum):
    """Which messages of a channel are answered. Commands and direct messages always are."""

    ALWAYS = "always"
    """Every message of a person, except those addressed to other people."""
    QUESTIONS = "questions"
    """Mentions, follow-ups to an answer, and questions not addressed to another person."""
    MENTIONS = "mentions"
    """Mentions and follow-ups to an answer."""
    OFF = "off"
    """Only commands."""


class ReplyPlace(StrEnum):
    """Where an answer is posted."""

    THREAD = "thread"
    """In the thread of the question."""
    CHANNEL = "channel"
    """Below the question, in the channel itself."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily time span in which only mentions, direct messages and commands are answered."""

    start: time
    end: time
    """Exclusive. Before ``start``: the span crosses midnight. Equal to it: the whole day."""
    zone: str
    """IANA name of the time zone, such as ``Europe/Berlin``."""

    def __post_init__(self) -> None:
        """Check the zone.

        Raises:
            PreferenceError: there is no zone of this name.
        """
        try:
            zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise PreferenceError(
                f"There is no time zone “{self.zone[:40]}”: write one such as Europe/Berlin."
            ) from None

    def covers(self, moment: datetime) -> bool:
        """Whether a moment, which carries its own zone, lies in the span."""
        now = moment.astimezone(zoneinfo.ZoneInfo(self.zone)).time()
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def __str__(self) -> str:
        """The text form: ``22:00-07:00 Europe/Berlin``."""
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone}"


def parse_quiet_hours(text: str) -> QuietHours:
    """Parse quiet hours such as ``22:00-07:00 Europe/Berlin``; without a zone it is UTC.

    Raises:
        PreferenceError: they cannot be parsed.
    """
    span, _, zone = text.strip().partition(" ")
    start, _, end = span.partition("-")
    try:
        from_time, to_time = time.fromisoformat(start), time.fromisoformat(end)
    except ValueError:
        raise PreferenceError(
            "Quiet hours are written such as 22:00-07:00 Europe/Berlin."
        ) from None
    return QuietHours(from_time, to_time, zone.strip() or "UTC")


@dataclass(frozen=True, slots=True)
class Quota:
    """A daily quota; 0 is unlimited, None defers to the layer below."""

    messages: int | None = None
    tokens: int | None = None
    """Prompt tokens plus generated tokens."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            PreferenceError: one is negative.
        """
        if min(self.messages or 0, self.tokens or 0) < 0:
            raise PreferenceError("A quota is a number of 0 or more; 0 is without limit.")


NO_QUOTA = Quota()


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a workspace or a channel; None defers to the layer below."""

    when_to_speak: WhenToSpeak | None = None
    model: str | None = None
    """The name of the model that answers, as ``parley status`` shows it; empty for any."""
    thinking: Effort | None = None
    """Whether the model thinks before it answers."""
    reply_place: ReplyPlace | None = None
    system_prompt: str | None = None
    language: str | None = None
    """ISO 639-1 code of the language of answers; empty for that of the question."""
    retention_hours: float | None = None
    """How long an idle conversation is remembered."""
    tasks_off: frozenset[Kind] | None = None
    """Disabled kinds, out of ``SWITCHABLE``."""
    quiet_hours: QuietHours | None = None
    user_quota: Quota = NO_QUOTA
    """The quota of each person."""
    channel_quota: Quota = NO_QUOTA
    """The quota of each channel."""
    role_quotas: Mapping[str, Quota] = field(default_factory=dict)
    """Role, by the platform's id -> quota of each person who has it, in place of ``user_quota``.

    Of several roles of a person the most generous counts."""
    allowed: frozenset[str] | None = None
    """Of a workspace: who may ask, as ``shared.access.parse_local`` reads it; None or empty: all
    that the operator lets in."""
    denied: frozenset[str] | None = None
    """Of a workspace: who may not ask."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            PreferenceError: a value is out of bounds.
        """
        if self.system_prompt is not None and len(self.system_prompt) > MAX_SYSTEM_PROMPT_CHARS:
            raise PreferenceError(
                f"The system prompt has {len(self.system_prompt):,} characters; at most "
                f"{MAX_SYSTEM_PROMPT_CHARS:,} are kept."
            )
        if self.language and name_of(self.language) == self.language:
            raise PreferenceError(f"“{self.language[:40]}” is no language that I know.")
        hours = self.retention_hours
        if hours is not None and not (math.isfinite(hours) and 0 < hours <= MAX_RETENTION_HOURS):
            raise PreferenceError(
                f"A conversation is remembered for more than 0 and at most "
                f"{MAX_RETENTION_HOURS:,} hours."
            )
        if fixed := sorted((self.tasks_off or frozenset()) & ALWAYS_ON):
            raise PreferenceError(f"The task {fixed[0]} cannot be switched off.")
        if self.model and not MODEL_NAME.fullmatch(self.model):
            raise PreferenceError(
                f"“{self.model[:40]}” is no model's name: write it as `parley status` shows it."
            )
        if self.thinking is Effort.HARD:
            raise PreferenceError("Thinking can be on, off, or as the model does by itself.")
        if len(self.role_quotas) > MAX_ROLES:
            raise PreferenceError(f"At most {MAX_ROLES} roles can have a quota of their own.")


NO_PREFERENCES = Preferences()


@dataclass(frozen=True, slots=True)
class Stored:
    """Preferences with their version, as they are stored."""

    preferences: Preferences = NO_PREFERENCES
    version: int = 0
    """Grows with each change; 0 if there was none yet."""
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What a newer process wrote into it; the codec alone reads and writes it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of preferences: a whole workspace, or one channel of it."""

    tenant: str
    """As ``Origin.tenant``."""
    channel: str = ""
    """Empty for the workspace."""

    @property
    def name(self) -> str:
        """The field that it is stored under."""
        return f"{self.tenant}|{self.channel}"


def scopes_of(origin: Origin) -> tuple[Scope, Scope]:
    """The workspace and the channel of an origin; a thread belongs to its parent channel."""
    return Scope(origin.tenant), Scope(origin.tenant, origin.parent or origin.channel)


def changes(before: Preferences, after: Preferences) -> tuple[tuple[str, str, str], ...]:
    """The fields that differ, each with its old and its new value, as people read them."""
    names = [part.name for part in dataclasses.fields(Preferences)]
    return tuple(
        (name, shown(getattr(before, name)), shown(getattr(after, name)))
        for name in names
        if getattr(before, name) != getattr(after, name)
    )


def shown(value: object) -> str:
    """A preference as people read it; empty if there is none."""
    match value:
        case None:
            return ""
        case frozenset():
            return ", ".join(sorted(str(item) for item in value)) or "none"
        case Quota(messages, tokens):
            parts = {"messages": messages, "tokens": tokens}
            return ", ".join(f"{n:,} {unit}" for unit, n in parts.items() if n is not None)
        case Mapping():
            return "; ".join(f"{name}: {shown(item)}" for name, item in sorted(value.items()))
        case _:
            return str(value)
