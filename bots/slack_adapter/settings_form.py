"""A form of settings that somebody has sent, as preferences. Pure."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bots.slack_adapter.bodies import Json
from bots.slack_adapter.settings_view import CALLBACK, NOTHING, OF_QUOTAS
from bots.slack_adapter.view_parts import MAX_INPUT_CHARS
from bots.slack_adapter.view_values import values_of
from shared.jobs import Kind
from shared.languages import find_language
from shared.preferences import (
    PreferenceError,
    Preferences,
    Quota,
    ReplyPlace,
    WhenToSpeak,
    parse_quiet_hours,
)

NO_LANGUAGE = "I do not know that language: write its English name or its code, such as fr."
NO_NUMBER = "Write a number of 0 or more; 0 is without limit."


@dataclass(frozen=True, slots=True)
class Submission:
    """A form that somebody has sent."""

    user: str
    channel: str
    """Whose settings; empty for the workspace's."""
    version: int
    """Of the settings that it was filled in from."""
    values: Mapping[str, Any]
    """Field -> what stands in it: a text, a list of texts, or None."""


class FormError(Exception):
    """Fields that cannot be read; field -> the sentence that says why."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__(", ".join(sentences))
        self.sentences = dict(sentences)


def read_submission(payload: Json) -> Submission | None:
    """A form of settings; None if it is none of ours."""
    view, user = payload.get("view") or {}, payload.get("user") or {}
    if view.get("callback_id") != CALLBACK or not user.get("id"):
        return None
    try:
        known = json.loads(view.get("private_metadata") or "")
        channel, version = str(known["channel"]), int(known["version"])
    except (ValueError, KeyError, TypeError):
        return None
    return Submission(str(user["id"]), channel, version, values_of(view))


def preferences_of(submission: Submission, before: Preferences) -> Preferences:
    """What the form says; what it does not ask for stays as it was.

    Raises:
        FormError: some fields cannot be read.
    """
    read = dict(_fields(submission.values, before))
    wrong: dict[str, str] = {}
    after = before
    for field, make in read.items():
        try:
            after = dataclasses.replace(after, **{field.partition("-")[0]: make(after)})
        except PreferenceError as error:
            wrong[field] = str(error)
        except ValueError:
            wrong[field] = NO_LANGUAGE if field == "language" else NO_NUMBER
    if wrong:
        raise FormError(wrong)
    return after


def _fields(
    values: Mapping[str, Any], before: Preferences
) -> Iterable[tuple[str, Callable[[Preferences], Any]]]:
    """Each field with how its value is made."""
    text = values.get

    def of(name: str, make: Callable[[Any], Any]) -> Callable[[Preferences], Any]:
        return lambda _: make(text(name)) if text(name) else None

    yield "when_to_speak", of("when_to_speak", WhenToSpeak)
    yield "reply_place", of("reply_place", ReplyPlace)
    yield "language", of("language", _language)
    prompt = before.system_prompt or ""
    # A longer one than a form of Slack's holds is kept, unless it was changed here.
    is_cut = text("system_prompt") == prompt[:MAX_INPUT_CHARS].strip() != ""
    yield "system_prompt", (lambda _: prompt) if is_cut else of("system_prompt", str)
    yield "retention_hours", of("retention_hours", float)
    yield "tasks_off", of("tasks_off", _tasks)
    yield "quiet_hours", of("quiet_hours", parse_quiet_hours)
    for field, unit in OF_QUOTAS:
        yield f"{field}-{unit}", _quota(field, unit, text(f"{field}-{unit}"))


def _quota(field: str, unit: str, value: str | None) -> Callable[[Preferences], Quota]:
    def make(known: Preferences) -> Quota:
        quota: Quota = getattr(known, field)
        limit = None if value is None else int(value)
        return dataclasses.replace(quota, **{unit: limit})

    return make


def _language(value: str) -> str:
    code = find_language(value)
    if code is None:
        raise ValueError(value)
    return code


def _tasks(values: list[str]) -> frozenset[Kind]:
    return frozenset(Kind(value) for value in values if value != NOTHING)
