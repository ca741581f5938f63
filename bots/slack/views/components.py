"""Components of Slack's views and messages: fields, frames, and a text with a picture.

Limits: docs.slack.dev/reference/views and docs.slack.dev/reference/block-kit/block-elements.
"""
# Pure.

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.replies import Picture

MAX_SECTION_CHARS = 3000
"""docs.slack.dev/reference/block-kit/blocks/section-block."""
MAX_ALT_CHARS = 2000
"""docs.slack.dev/reference/block-kit/blocks/image-block."""
NO_PICTURE = (
    "_I could not attach the picture: Slack did not take it. "
    "Whoever runs me can look whether this app has the scope files:write._"
)
LAST_BREAK = re.compile(r".*(?:\n|\s)", re.DOTALL)


def with_image(text: str, file: str | None, picture: Picture | None) -> dict[str, Any]:
    """A message's content, as arguments of Slack's methods.

    Args:
        text: mrkdwn, escaped.
        file: Slack's id of the uploaded picture; None if there is none.
        picture: the picture; without a file its description and the reason replace it.
    """
    if picture is None:
        return {"text": text}
    if file is None:
        return {"text": f"{text}\n\n[{picture.description}]\n{NO_PICTURE}"}
    sections = [section(part) for part in cut(text, MAX_SECTION_CHARS)]
    image = {
        "type": "image",
        "slack_file": {"id": file},
        "alt_text": picture.description[:MAX_ALT_CHARS],
    }
    return {"text": text, "blocks": [*sections, image]}


def section(text: str) -> dict[str, Any]:
    """A block of mrkdwn that is always shown whole."""
    words = {"type": "mrkdwn", "text": text, "verbatim": True}
    return {"type": "section", "text": words, "expand": True}


def cut(text: str, most: int) -> list[str]:
    """The text in pieces of so many characters at most, cut at line ends or blanks if possible."""
    pieces = []
    while len(text) > most:
        found = LAST_BREAK.match(text, 0, most)
        end = found.end() if found else most
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text] if text.strip() else pieces


MAX_INPUT_CHARS = 3_000
VALUE = "value"


def plain(text: str) -> dict[str, Any]:
    """The plain text of a button, a label or a title."""
    return {"type": "plain_text", "text": text, "emoji": True}


def modal(
    title: str,
    blocks: Sequence[Mapping[str, Any]],
    callback: str,
    *,
    submit: str,
    metadata: str = "",
) -> dict[str, Any]:
    """A modal with fields and a submit button."""
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
    """A modal that shows a text."""
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
    """A choice of one option, or none."""
    element: dict[str, Any] = {"type": "static_select", "options": _options(options)}
    if chosen is not None and chosen in options:
        element["initial_option"] = _option(str(chosen), options[chosen])
    return field(name, label, element)


def choices(
    name: str, label: str, options: Mapping[str, str], chosen: Sequence[str] | None
) -> dict[str, Any]:
    """A choice of several options."""
    element: dict[str, Any] = {"type": "multi_static_select", "options": _options(options)}
    if found := [_option(str(value), options[value]) for value in chosen or () if value in options]:
        element["initial_options"] = found
    return field(name, label, element)


def words(
    name: str, label: str, value: str | None, *, is_long: bool = False, is_optional: bool = True
) -> dict[str, Any]:
    """A text input."""
    element: dict[str, Any] = {
        "type": "plain_text_input",
        "multiline": is_long,
        "max_length": MAX_INPUT_CHARS,
    }
    if value:
        element["initial_value"] = value
    return field(name, label, element, is_optional=is_optional)


def number(name: str, label: str, value: float | None, *, is_whole: bool = True) -> dict[str, Any]:
    """An input for a number of 0 or more."""
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
