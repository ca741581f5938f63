"""Parses a submitted settings form into preferences.

Each platform draws its own form. An empty field means that the layer below decides; a quota's
fields are named ``user_quota-messages`` and the like, those of the chosen ``ROLES``
``role_quota-messages``.
"""
# Pure. Uses babel.

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.access import SEPARATORS, AccessNameError, parse_locals
from shared.jobs import Effort, Kind, Platform
from shared.languages import find_language
from shared.preferences import (
    NO_QUOTA,
    PreferenceError,
    Preferences,
    Quota,
    ReplyPlace,
    WhenToSpeak,
    parse_quiet_hours,
)

WHEN: dict[str, str] = {
    WhenToSpeak.ALWAYS: "Every message",
    WhenToSpeak.QUESTIONS: "Questions and mentions",
    WhenToSpeak.MENTIONS: "Mentions, and what follows an answer",
    WhenToSpeak.OFF: "Nothing but commands",
}
PLACES: dict[str, str] = {
    ReplyPlace.THREAD: "In the thread of the question",
    ReplyPlace.CHANNEL: "In the channel itself",
}
THINKING: dict[str, str] = {
    Effort.AUTO: "As the model does by itself",
    Effort.ON: "On",
    Effort.OFF: "Off",
}
ROLES, ROLE_QUOTA = "roles", "role_quota"
"""Fields for the roles whose quota a form sets, by the platform's ids, and that quota; empty
removes it."""
ACCESS = ("allowed", "denied")
"""Fields of a workspace's form: its own access lists."""
NOTHING = "none"
"""The choice of no task among the tasks that are off."""
ALL_ON = "Nothing: all are on"
NO_LANGUAGE = "I do not know that language: write its English name or its code, such as fr."
NO_HOURS = "Write for how many hours a silent conversation is remembered, such as 48."
NO_LIMIT = "Write a whole number of 0 or more; 0 is without limit."
Values = Mapping[str, Sequence[str]]
"""Field -> what was chosen or written there; no entry for an empty field."""


class FormError(Exception):
    """Fields that cannot be read."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        """``sentences``: field -> the sentence that says why."""
        super().__init__(" ".join(dict.fromkeys(sentences.values())))
        self.sentences = dict(sentences)


def preferences_of(values: Values, before: Preferences, tenant: str = "") -> Preferences:
    """The form's preferences; what it has no field for stays as it was.

    Args:
        values: of the form.
        before: the preferences until now.
        tenant: the workspace, as ``Origin.tenant``; for a form with access lists.

    Raises:
        FormError: some fields cannot be read.
    """
    after, wrong = before, dict[str, str]()
    of_roles = NO_QUOTA
    for name, given in values.items():
        field, _, unit = name.partition("-")
        if field == ROLES:
            continue
        try:
            texts = [each.strip() for each in given if each.strip()]
            is_access = field in ACCESS
            value: Any = _names(texts, tenant) if is_access else _read(field, unit, texts)
            changed: dict[str, Any] = {field: value}
            if field == ROLE_QUOTA:
                of_roles = dataclasses.replace(of_roles, **{unit: value})
                changed = {"role_quotas": _role_quotas(before, values.get(ROLES, ()), of_roles)}
            elif unit:
                changed = {field: dataclasses.replace(getattr(after, field), **{unit: value})}
            after = dataclasses.replace(after, **changed)
        except PreferenceError as error:
            wrong[name] = str(error)
        except AccessNameError as error:
            wrong[name] = f"{error}."
        except ValueError:
            wrong[name] = SENTENCES.get(field, NO_LIMIT)
    if wrong:
        raise FormError(wrong)
    return after


def _read(field: str, unit: str, given: Sequence[str]) -> object:
    """Parse the value of a field.

    Raises:
        ValueError: the value is invalid.
    """
    if not given:
        return None
    if field == "tasks_off":
        return frozenset(Kind(each) for each in given if each != NOTHING)
    return int(given[0]) if unit else READERS[field](given[0])


def _names(given: Sequence[str], tenant: str) -> frozenset[str] | None:
    """A workspace's own access list, as ``Preferences.allowed`` holds it.

    Raises:
        AccessNameError: a word of it names nothing there.
    """
    platform, _, team = tenant.partition(":")
    parts = [part for text in given for part in SEPARATORS.split(text) if part]
    if not parts:
        return None
    return frozenset(name.local for name in parse_locals(parts, Platform(platform), team))


def names_shown(names: frozenset[str] | None) -> str:
    """An access list as a form's field shows it; empty if it names nothing."""
    return ", ".join(sorted(names or ()))


def _role_quotas(before: Preferences, roles: Sequence[str], quota: Quota) -> dict[str, Quota]:
    changed = {**before.role_quotas, **dict.fromkeys(roles, quota)}
    return {role: each for role, each in changed.items() if each != NO_QUOTA}


def _language(words: str) -> str:
    code = find_language(words)
    if code is None:
        raise ValueError(words)
    return code


READERS: Mapping[str, Callable[[str], object]] = {
    "when_to_speak": WhenToSpeak,
    "reply_place": ReplyPlace,
    "quiet_hours": parse_quiet_hours,
    "model": str,
    "thinking": Effort,
    "system_prompt": str,
    "language": _language,
    "retention_hours": float,
}
SENTENCES = {"language": NO_LANGUAGE, "retention_hours": NO_HOURS}
