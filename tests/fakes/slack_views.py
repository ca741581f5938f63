"""The Web API methods for views: windows that a person has opened, and Home tabs.

Limits: docs.slack.dev/reference/views, and .../block-kit for what stands in one.
"""

from tests.fakes.slack_blocks import check_block
from tests.fakes.slack_calls import ApiError, Call
from tests.fakes.slack_settings import Json
from tests.fakes.slack_store import Store, View

MAX_TITLE_CHARS = 24
MAX_VIEW_BLOCKS = 100
MAX_METADATA_CHARS = 3_000
MAX_LABEL_CHARS = 2_000
MAX_INPUT_CHARS = 3_000
MAX_OPTIONS = 100
MAX_OPTION_CHARS = 75
MAX_PLACEHOLDER_CHARS = 150


def publish_view(store: Store, call: Call) -> Json:
    """views.publish: a user's Home tab."""
    user = call.need("user_id")
    if user not in store.users:
        raise ApiError("user_not_found")
    return _add_view(store, call, user)


def open_view(store: Store, call: Call) -> Json:
    """views.open: one view for each trigger."""
    trigger = call.need("trigger_id", "invalid_trigger_id")
    if trigger not in store.triggers:
        raise ApiError("invalid_trigger_id")
    user = store.triggers[trigger]
    if not user:
        raise ApiError("exchanged_trigger_id")
    answer = _add_view(store, call, user)
    store.triggers[trigger] = ""
    return answer


def update_view(store: Store, call: Call) -> Json:
    """views.update: another view in the place of one that is open."""
    found = next((view for view in store.views if view.id == call.text("view_id")), None)
    if found is None:
        raise ApiError("not_found")
    found.view = _read_view(store, call)
    store.changes.touch()
    return {"view": found.view | {"id": found.id, "team_id": store.settings.team_id}}


def _add_view(store: Store, call: Call, user: str) -> Json:
    view = _read_view(store, call)
    stored = View(id=store.next_id("V"), method=call.method, user=user, view=view)
    store.views.append(stored)
    store.changes.touch()
    return {"view": view | {"id": stored.id, "team_id": store.settings.team_id}}


def _read_view(store: Store, call: Call) -> Json:
    view = call.structure("view", "invalid_arguments")
    if not isinstance(view, dict) or not isinstance(view.get("blocks"), list):
        raise ApiError("invalid_arguments")
    is_home = call.method == "views.publish"
    has_input = any(block.get("type") == "input" for block in view["blocks"])
    is_sound = (
        view.get("type") == ("home" if is_home else "modal")
        and (is_home or all(_is_title(view.get(part)) for part in ("title", "submit", "close")))
        and (is_home or "title" in view)
        and (not has_input or "submit" in view)
        and len(view["blocks"]) <= MAX_VIEW_BLOCKS
        and len(str(view.get("private_metadata", ""))) <= MAX_METADATA_CHARS
        and len({block.get("block_id", n) for n, block in enumerate(view["blocks"])})
        == len(view["blocks"])
        and all(_is_input(block) for block in view["blocks"] if block.get("type") == "input")
    )
    if not is_sound:
        raise ApiError("invalid_arguments")
    for block in view["blocks"]:
        check_block(store, block)
    return view


def _is_title(part: object) -> bool:
    if part is None:
        return True
    return (
        isinstance(part, dict)
        and part.get("type") == "plain_text"
        and 0 < len(str(part.get("text", ""))) <= MAX_TITLE_CHARS
    )


def _is_input(block: Json) -> bool:
    element = block.get("element", {})
    placeholder = element.get("placeholder", {}).get("text", "")
    options = element.get("options", [])
    return (
        0 < len(block.get("label", {}).get("text", "")) <= MAX_LABEL_CHARS
        and len(block.get("hint", {}).get("text", "")) <= MAX_LABEL_CHARS
        and len(placeholder) <= MAX_PLACEHOLDER_CHARS
        and len(str(element.get("initial_value", ""))) <= MAX_INPUT_CHARS
        and len(options) <= MAX_OPTIONS
        and all(0 < len(option["text"]["text"]) <= MAX_OPTION_CHARS for option in options)
        and _is_choice(element)
    )


def _is_choice(element: Json) -> bool:
    """What is chosen at first has to be one of the options, word for word."""
    options = element.get("options", [])
    chosen = [*element.get("initial_options", []), element.get("initial_option")]
    is_some = element.get("initial_options") != []
    return is_some and all(option in options for option in chosen if option is not None)
