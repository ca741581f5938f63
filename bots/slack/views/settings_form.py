"""A form of settings that somebody has sent. Pure."""
# Pure. Uses babel.

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.incoming import preference_form
from bots.incoming.preference_form import READERS
from bots.slack.parse.payloads import Json
from bots.slack.views.components import MAX_INPUT_CHARS
from bots.slack.views.settings import CALLBACK, OF_QUOTAS
from bots.slack.views.view_values import values_of
from shared.preferences import Preferences

FIELDS = (*READERS, "tasks_off", *(f"{field}-{unit}" for field, unit in OF_QUOTAS))


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
    """What the form says; a field that is not there is empty.

    Raises:
        FormError: some fields cannot be read.
    """
    values = {name: _as_texts(submission.values.get(name)) for name in FIELDS}
    prompt = before.system_prompt or ""
    # A longer one than a form of Slack's holds is kept, unless it was changed here.
    if prompt and values["system_prompt"] == [prompt[:MAX_INPUT_CHARS].strip()]:
        values["system_prompt"] = [prompt]
    return preference_form.preferences_of(values, before)


def _as_texts(value: str | Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    return [value] if isinstance(value, str) else value
