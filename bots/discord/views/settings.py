"""The settings of a server or a channel as forms, and as text.

Discord's forms have at most five fields, so there are several. An empty field means that the layer
below decides.
"""
# Pure. Uses babel.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bots.incoming.preference_form import (
    ALL_ON,
    NOTHING,
    PLACES,
    ROLE_QUOTA,
    ROLES,
    THINKING,
    WHEN,
    names_shown,
)
from shared.jobs import Effort
from shared.languages import name_of
from shared.preferences import (
    SWITCHABLE,
    Preferences,
    Quota,
    ReplyPlace,
    Stored,
    WhenToSpeak,
    shown,
)


class SettingsPage(StrEnum):
    """A form."""

    SPEAKING = "speaking"
    ANSWERS = "answers"
    MODEL = "model"
    QUOTAS = "quotas"
    ROLES = "roles"
    ACCESS = "access"
    """Of a whole server alone."""


TITLES = {
    SettingsPage.SPEAKING: "When I speak",
    SettingsPage.ANSWERS: "How I answer",
    SettingsPage.MODEL: "Which model answers",
    SettingsPage.QUOTAS: "How much may be used a day",
    SettingsPage.ROLES: "What roles may use a day",
    SettingsPage.ACCESS: "Who may ask",
}


OF_CHANNELS = tuple(page for page in SettingsPage if page is not SettingsPage.ACCESS)
"""The forms of a channel; a server has all."""
FORGET_QUESTION = (
    "Shall I delete what I keep of you here and in our direct messages: our conversations, your "
    "questions, what you said of answers, the documents I learned from you, and how your messages "
    "were rated? What I am answering you now stops. It cannot be undone. My messages in the "
    "channels stay."
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A form to be filled in."""

    page: SettingsPage
    is_for_server: bool
    """Whether it is the whole server's settings; else the channel's."""
    stored: Stored
    """The current preferences."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form."""

    name: str
    label: str
    hint: str = ""
    values: tuple[str, ...] = ()
    """Its initial values."""
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their labels, for a choice; else it is a text field."""
    takes_many: bool = False
    is_of_roles: bool = False
    """It is a choice of the server's roles."""
    max_chars: int = 100


def fields_of(page: SettingsPage, known: Preferences) -> tuple[Field, ...]:
    """A form, filled in with the current preferences."""
    return PAGES[page](known)


def _speaking(known: Preferences) -> tuple[Field, ...]:
    off = known.tasks_off
    return (
        Field(
            "when_to_speak",
            "Answer",
            values=_values(known.when_to_speak),
            choices=tuple((str(each), label) for each, label in WHEN.items()),
        ),
        Field(
            "quiet_hours",
            "Quiet hours",
            "Only mentions and commands are answered then; such as 22:00-07:00 Europe/Berlin",
            _values(known.quiet_hours),
        ),
        Field(
            "tasks_off",
            "Switched off",
            values=() if off is None else tuple(sorted(off)) or (NOTHING,),
            choices=((NOTHING, ALL_ON), *((kind.value, kind.value) for kind in SWITCHABLE)),
            takes_many=True,
        ),
    )


def _answers(known: Preferences) -> tuple[Field, ...]:
    hours = known.retention_hours
    return (
        Field(
            "reply_place",
            "Answer where",
            values=_values(known.reply_place),
            choices=tuple(PLACES.items()),
        ),
        Field(
            "system_prompt",
            "What the model is told first",
            values=_values(known.system_prompt),
            max_chars=4_000,
        ),
        Field(
            "language",
            "Language of answers",
            "Such as French or fr",
            _values(name_of(known.language) if known.language else None),
        ),
        Field(
            "retention_hours",
            "Hours for which conversations are kept",
            "After the last message",
            () if hours is None else (f"{hours:g}",),
        ),
    )


def _model(known: Preferences) -> tuple[Field, ...]:
    return (
        Field(
            "model",
            "Model",
            "As `parley status` names it; empty for any that is free",
            _values(known.model),
        ),
        Field(
            "thinking",
            "Thinking before an answer",
            "Of models that can; nothing chosen: as the server is set",
            _values(known.thinking),
            tuple(THINKING.items()),
        ),
    )


def _quotas(known: Preferences) -> tuple[Field, ...]:
    return tuple(
        Field(f"{field}-{unit}", label, "0 is without limit", _values(_limit(known, field, unit)))
        for field, unit, label in QUOTAS
    )


QUOTAS = (
    ("user_quota", "messages", "Messages of each person a day"),
    ("user_quota", "tokens", "Tokens of each person a day"),
    ("channel_quota", "messages", "Messages of each channel a day"),
    ("channel_quota", "tokens", "Tokens of each channel a day"),
)


def _roles(known: Preferences) -> tuple[Field, ...]:
    del known  # several roles have several quotas: the form says what the chosen ones get
    return (
        Field(ROLES, "Roles", "Each person who has one of them", is_of_roles=True),
        Field(f"{ROLE_QUOTA}-messages", "Messages a day", "0 is without limit"),
        Field(f"{ROLE_QUOTA}-tokens", "Tokens a day", "Both empty: as everybody else"),
    )


def _access(known: Preferences) -> tuple[Field, ...]:
    return (
        Field(
            "allowed",
            "Who may ask",
            "role:ID, user:ID, channel:ID, category:ID with commas between; empty: everybody",
            _values(names_shown(known.allowed)),
            max_chars=4_000,
        ),
        Field(
            "denied",
            "Who may not ask",
            "In the same form; it goes before who may",
            _values(names_shown(known.denied)),
            max_chars=4_000,
        ),
    )


PAGES: dict[SettingsPage, Callable[[Preferences], tuple[Field, ...]]] = {
    SettingsPage.SPEAKING: _speaking,
    SettingsPage.ANSWERS: _answers,
    SettingsPage.MODEL: _model,
    SettingsPage.QUOTAS: _quotas,
    SettingsPage.ROLES: _roles,
    SettingsPage.ACCESS: _access,
}


def _limit(known: Preferences, field: str, unit: str) -> int | None:
    limit: int | None = getattr(getattr(known, field), unit)
    return limit


def _values(value: object) -> tuple[str, ...]:
    return () if value is None or str(value) == "" else (str(value),)


NAMES = {
    "when_to_speak": "Answer",
    "quiet_hours": "Quiet hours",
    "tasks_off": "Switched off",
    "reply_place": "Answer where",
    "model": "Model",
    "thinking": "Thinking before an answer",
    "system_prompt": "What the model is told first",
    "language": "Language",
    "retention_hours": "Hours for which conversations are kept",
    "user_quota": "Quota of each person",
    "channel_quota": "Quota of each channel",
    "role_quotas": "Quota of each person who has a role",
    "allowed": "Who may ask",
    "denied": "Who may not ask",
}
CHOSEN: dict[type, Mapping[str, str]] = {
    WhenToSpeak: WHEN,
    ReplyPlace: PLACES,
    Effort: THINKING,
}
"""The labels of a choice's values: two choices may share a value, such as off."""
MAX_SHOWN_CHARS = 200


def settings_text(server: Preferences, channel: Preferences) -> str:
    """The preferences of a server and one of its channels, in Markdown."""
    return "\n".join(
        (
            "**This channel**",
            *_lines(channel, "As the server prefers."),
            "**The whole server**",
            *_lines(server, "As whoever runs me has set it."),
        )
    )


def _lines(known: Preferences, otherwise: str) -> list[str]:
    lines = []
    for field, name in NAMES.items():
        value = getattr(known, field)
        if field == "role_quotas":  # shown by its name, without a ping in a private message
            value = {f"<@&{role}>": quota for role, quota in value.items()}
        labels = CHOSEN.get(type(value))
        words = labels[value] if labels else shown(value)
        if words and value != Quota():
            lines.append(f"- {name}: {words[:MAX_SHOWN_CHARS]}")
    return lines or [f"- {otherwise}"]
