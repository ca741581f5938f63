"""The settings of a workspace or a channel as one of Slack's views, and its submission.

An empty field means that the layer below decides. docs.slack.dev/reference/views
"""
# Pure. Uses babel.

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.incoming import preference_form
from bots.incoming.preference_form import (
    ACCESS,
    ALL_ON,
    NOTHING,
    PLACES,
    READERS,
    THINKING,
    WHEN,
    names_shown,
)
from bots.slack.parse.payloads import Json
from bots.slack.views.buttons import PREFIX
from bots.slack.views.components import (
    MAX_INPUT_CHARS,
    choice,
    choices,
    modal,
    number,
    plain,
    section,
    words,
)
from shared.languages import name_of
from shared.preferences import (
    SWITCHABLE,
    Preferences,
    Stored,
)


def values_of(view: Json) -> dict[str, Any]:
    """Field -> its submitted value: a text, a list of texts, or None."""
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    found: dict[str, Any] = {}
    for block, elements in (values if isinstance(values, dict) else {}).items():
        for element in elements.values() if isinstance(elements, dict) else ():
            found[str(block)] = _value_of(element) if isinstance(element, dict) else None
    return found


def _value_of(element: Json) -> str | list[str] | None:
    if "selected_options" in element:
        options = element["selected_options"]
        return [_option(option) for option in options] if isinstance(options, list) else []
    if "selected_option" in element:
        return _option(element["selected_option"]) or None
    value = element.get("value")
    return (value.strip() or None) if isinstance(value, str) else None


def _option(option: object) -> str:
    return str(option.get("value") or "") if isinstance(option, dict) else ""


CALLBACK = "parley_settings_view"
WORKSPACE = "workspace-settings"
"""The button that leads from a channel's settings to the workspace's."""
TASKS = {NOTHING: ALL_ON, **{kind.value: kind.value for kind in SWITCHABLE}}
OF_QUOTAS = {
    ("user_quota", "messages"): "Messages a person may send a day",
    ("user_quota", "tokens"): "Tokens a person may use a day",
    ("channel_quota", "messages"): "Messages a channel may send a day",
    ("channel_quota", "tokens"): "Tokens a channel may use a day",
}


def settings_view(channel: str, stored: Stored, *, may_edit_workspace: bool) -> dict[str, Any]:
    """The form.

    Args:
        channel: whose settings; empty for the workspace's.
        stored: as they are kept.
        may_edit_workspace: whether a channel's form links to the workspace's.
    """
    known = stored.preferences
    whose = f"<#{channel}>" if channel else "this whole workspace"
    below = "the workspace says" if channel else "whoever runs me has set it"
    lead: list[dict[str, Any]] = [
        section(f"Settings of {whose}. What is left empty is as {below}."),
    ]
    if channel and may_edit_workspace:
        button = {
            "type": "button",
            "action_id": f"{PREFIX}{WORKSPACE}",
            "text": plain("Settings of the workspace"),
        }
        lead.append({"type": "actions", "elements": [button]})
    tasks = sorted(known.tasks_off or ()) if known.tasks_off is not None else None
    fields = [
        choice("when_to_speak", "Answer", WHEN, known.when_to_speak),
        choice("reply_place", "Answer where", PLACES, known.reply_place),
        words("model", "Model, as `parley status` names it", known.model or None),
        choice("thinking", "Thinking before an answer", THINKING, known.thinking),
        words("language", "Language of answers", name_of(known.language or "") or None),
        words(
            "system_prompt",
            "What the model is told first",
            (known.system_prompt or "")[:MAX_INPUT_CHARS] or None,
            is_long=True,
        ),
        number(
            "retention_hours",
            "Hours for which a silent conversation is remembered",
            known.retention_hours,
            is_whole=False,
        ),
        choices("tasks_off", "Switched off", TASKS, [NOTHING] if tasks == [] else tasks),
        words(
            "quiet_hours",
            "Quiet hours, such as 22:00-07:00 Europe/Berlin",
            str(known.quiet_hours) if known.quiet_hours else None,
        ),
        *(
            number(f"{field}-{unit}", label, getattr(getattr(known, field), unit))
            for (field, unit), label in OF_QUOTAS.items()
        ),
        *(() if channel else _access(known)),
    ]
    metadata = json.dumps({"channel": channel, "version": stored.version})
    return modal("Parley: settings", [*lead, *fields], CALLBACK, submit="Save", metadata=metadata)


def _access(known: Preferences) -> list[dict[str, Any]]:
    """The workspace's own access lists."""
    form = "channels C…, people U…, groups S…, guests, strangers, bots"
    allowed, denied = names_shown(known.allowed), names_shown(known.denied)
    return [
        words("allowed", f"Who may ask: {form}", allowed or None, is_long=True),
        words("denied", "Who may not ask, in the same form", denied or None, is_long=True),
    ]


FIELDS = (*READERS, "tasks_off", *(f"{field}-{unit}" for field, unit in OF_QUOTAS))


@dataclass(frozen=True, slots=True)
class SettingsSubmission:
    """A submitted form."""

    user: str
    channel: str
    """Whose settings; empty for the workspace's."""
    version: int
    """Of the settings that it was filled in from."""
    values: Mapping[str, Any]
    """Field -> its value: a text, a list of texts, or None."""


def read_submission(payload: Json) -> SettingsSubmission | None:
    """A submitted settings form; None if the view is not one."""
    view, user = payload.get("view") or {}, payload.get("user") or {}
    if view.get("callback_id") != CALLBACK or not user.get("id"):
        return None
    try:
        known = json.loads(view.get("private_metadata") or "")
        channel, version = str(known["channel"]), int(known["version"])
    except (ValueError, KeyError, TypeError):
        return None
    return SettingsSubmission(str(user["id"]), channel, version, values_of(view))


def preferences_of(
    submission: SettingsSubmission, before: Preferences, tenant: str = ""
) -> Preferences:
    """The form's preferences; a missing field is empty, but for the access lists.

    Those are in a workspace's form alone, and not in one that an older version opened.

    Raises:
        FormError: some fields cannot be read.
    """
    values = {name: _as_texts(submission.values.get(name)) for name in FIELDS}
    given = submission.values
    values |= {name: _as_texts(given[name]) for name in ACCESS if name in given}
    prompt = before.system_prompt or ""
    # A value too long for Slack's form is kept, unless it was changed here.
    if prompt and values["system_prompt"] == [prompt[:MAX_INPUT_CHARS].strip()]:
        values["system_prompt"] = [prompt]
    return preference_form.preferences_of(values, before, tenant)


def _as_texts(value: str | Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    return [value] if isinstance(value, str) else value
