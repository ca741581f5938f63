"""What stands in the fields of a view that somebody has sent. Pure."""

from typing import Any

from bots.slack_adapter.bodies import Json


def values_of(view: Json) -> dict[str, Any]:
    """What stands in the fields of a view: a text, a list of texts, or None."""
    state = (view.get("state") or {}).get("values") or {}
    return {
        str(block): _value_of(element)
        for block, elements in state.items()
        for element in (elements or {}).values()
    }


def _value_of(element: Json) -> str | list[str] | None:
    if "selected_options" in element:
        return [str(option["value"]) for option in element["selected_options"] or ()]
    if "selected_option" in element:
        option = element["selected_option"]
        return str(option["value"]) if option else None
    value = element.get("value")
    return str(value).strip() or None if value is not None else None
