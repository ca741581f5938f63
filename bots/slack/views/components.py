"""Fields and frames of Slack's views. Pure.

Limits: docs.slack.dev/reference/views and docs.slack.dev/reference/block-kit/block-elements.
"""
# Pure.

from collections.abc import Mapping, Sequence
from typing import Any

from bots.slack.views.blocks import section

MAX_INPUT_CHARS = 3_000
VALUE = "value"


def plain(text: str) -> dict[str, Any]:
    """Words of a button, a label or a title."""
    return {"type": "plain_text", "text": text, "emoji": True}


def modal(
    title: str,
    blocks: Sequence[Mapping[str, Any]],
    callback: str,
    *,
    submit: str,
    metadata: str = "",
) -> dict[str, Any]:
    """A window with fields to be sent."""
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Cancel"),
        "blocks": list(blocks),
    }


def notice(sentence: str) -> dict[str, Any]:
    """A window that says something."""
    return {
        "type": "modal",
        "title": plain("Parley"),
        "close": plain("Close"),
        "blocks": [section(sentence)],
    }


def field(
    name: str, label: str, element: Mapping[str, Any], *, is_optional: bool = True
) -> dict[str, Any]:
    """A field; its name is its block's."""
    return {
        "type": "input",
        "block_id": name,
        "optional": is_optional,
        "label": plain(label),
        "element": {"action_id": VALUE, **element},
    }


def choice(name: str, label: str, options: Mapping[str, str], chosen: str | None) -> dict[str, Any]:
    """One of several, or none."""
    element: dict[str, Any] = {"type": "static_select", "options": _options(options)}
    if chosen is not None and chosen in options:
        element["initial_option"] = _option(str(chosen), options[chosen])
    return field(name, label, element)


def choices(
    name: str, label: str, options: Mapping[str, str], chosen: Sequence[str] | None
) -> dict[str, Any]:
    """Some of several."""
    element: dict[str, Any] = {"type": "multi_static_select", "options": _options(options)}
    if found := [_option(str(value), options[value]) for value in chosen or () if value in options]:
        element["initial_options"] = found
    return field(name, label, element)


def words(
    name: str, label: str, value: str | None, *, is_long: bool = False, is_optional: bool = True
) -> dict[str, Any]:
    """A text."""
    element: dict[str, Any] = {
        "type": "plain_text_input",
        "multiline": is_long,
        "max_length": MAX_INPUT_CHARS,
    }
    if value:
        element["initial_value"] = value
    return field(name, label, element, is_optional=is_optional)


def number(name: str, label: str, value: float | None, *, is_whole: bool = True) -> dict[str, Any]:
    """A number of 0 or more."""
    element: dict[str, Any] = {
        "type": "number_input",
        "is_decimal_allowed": not is_whole,
        "min_value": "0",
    }
    if value is not None:
        element["initial_value"] = f"{value:.15g}"
    return field(name, label, element)


def _options(options: Mapping[str, str]) -> list[dict[str, Any]]:
    return [_option(str(value), text) for value, text in options.items()]


def _option(value: str, text: str) -> dict[str, Any]:
    return {"text": plain(text), "value": value}
