"""The settings of a server or a channel as forms, and a form that was sent as preferences. Pure.

Discord's forms have at most five fields, so there are several. An empty field means that the layer
below decides.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.jobs import Kind
from shared.languages import find_language, name_of
from shared.preferences import (
    SWITCHABLE,
    PreferenceError,
    Preferences,
    Quota,
    WhenToSpeak,
    parse_quiet_hours,
    shown,
)

WHEN = {
    WhenToSpeak.ALWAYS: "Every message",
    WhenToSpeak.QUESTIONS: "Questions and mentions",
    WhenToSpeak.MENTIONS: "Mentions, and what follows an answer",
    WhenToSpeak.OFF: "Nothing but commands",
}
NOTHING = "none"
ALL_ON = "Nothing: all are on"
NO_LANGUAGE = "I do not know that language: write its English name or its code, such as fr."
NO_HOURS = "Write for how many hours a silent conversation is remembered, such as 48."
NO_LIMIT = "Write a whole number of 0 or more; 0 is without limit."
Values = Mapping[str, Sequence[str]]
"""Field -> what was chosen or written there; nothing where it was left empty."""


class Page(StrEnum):
    """A form."""

    SPEAKING = "speaking"
    ANSWERS = "answers"
    QUOTAS = "quotas"


TITLES = {
    Page.SPEAKING: "When I speak",
    Page.ANSWERS: "How I answer",
    Page.QUOTAS: "How much may be used a day",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form."""

    name: str
    label: str
    hint: str = ""
    values: tuple[str, ...] = ()
    """What stands in it at first."""
    choices: tuple[tuple[str, str], ...] = ()
    """Values and what people read, where it is a choice; else it is written into."""
    takes_many: bool = False
    max_chars: int = 100


class FormError(Exception):
    """Fields that cannot be read: a sentence for each."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))


def fields_of(page: Page, known: Preferences) -> tuple[Field, ...]:
    """A form, filled in with what is preferred now."""
    return {Page.SPEAKING: _speaking, Page.ANSWERS: _answers, Page.QUOTAS: _quotas}[page](known)


def _speaking(known: Preferences) -> tuple[Field, ...]:
    off = known.tasks_off
    return (
        Field(
            "when_to_speak",
            "Answer",
            values=_values(known.when_to_speak),
            choices=tuple((each.value, label) for each, label in WHEN.items()),
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


def _limit(known: Preferences, field: str, unit: str) -> int | None:
    limit: int | None = getattr(getattr(known, field), unit)
    return limit


def _values(value: object) -> tuple[str, ...]:
    return () if value is None or str(value) == "" else (str(value),)


def preferences_of(values: Values, before: Preferences) -> Preferences:
    """What a form says; what it does not ask for stays as it was.

    Raises:
        FormError: some fields cannot be read.
    """
    after, wrong = before, []
    for name, given in values.items():
        field, _, unit = name.partition("-")
        try:
            value = _read(field, unit, [each.strip() for each in given if each.strip()])
            changed: dict[str, Any] = {field: value}
            if unit:
                changed = {field: dataclasses.replace(getattr(after, field), **{unit: value})}
            after = dataclasses.replace(after, **changed)
        except PreferenceError as error:
            wrong.append(str(error))
        except ValueError:
            wrong.append(SENTENCES.get(field, NO_LIMIT))
    if wrong:
        raise FormError(list(dict.fromkeys(wrong)))
    return after


def _read(field: str, unit: str, given: Sequence[str]) -> object:
    """The value of a field.

    Raises:
        ValueError: there is none such.
    """
    if not given:
        return None
    if field == "tasks_off":
        return frozenset(Kind(each) for each in given if each != NOTHING)
    return int(given[0]) if unit else READERS[field](given[0])


def _language(words: str) -> str:
    code = find_language(words)
    if code is None:
        raise ValueError(words)
    return code


READERS: Mapping[str, Callable[[str], object]] = {
    "when_to_speak": WhenToSpeak,
    "quiet_hours": parse_quiet_hours,
    "system_prompt": str,
    "language": _language,
    "retention_hours": float,
}
SENTENCES = {"language": NO_LANGUAGE, "retention_hours": NO_HOURS}
NAMES = {
    "when_to_speak": "Answer",
    "quiet_hours": "Quiet hours",
    "tasks_off": "Switched off",
    "system_prompt": "What the model is told first",
    "language": "Language",
    "retention_hours": "Hours for which conversations are kept",
    "user_quota": "Quota of each person",
    "channel_quota": "Quota of each channel",
}
MAX_SHOWN_CHARS = 200


def settings_text(server: Preferences, channel: Preferences) -> str:
    """What a server and one of its channels prefer, in Markdown."""
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
        words = WHEN[value] if isinstance(value, WhenToSpeak) else shown(value)
        if words and value != Quota():
            lines.append(f"- {name}: {words[:MAX_SHOWN_CHARS]}")
    return lines or [f"- {otherwise}"]
