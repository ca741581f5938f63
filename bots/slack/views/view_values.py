"""What stands in the fields of a view that somebody has sent. Pure."""
# Pure.

from typing import Any

from bots.slack.parse.payloads import Json


def values_of(view: Json) -> dict[str, Any]:
    """What stands in the fields of a view: a text, a list of texts, or None."""
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
