"""What Slack refuses of blocks, in a message or a view: docs.slack.dev/reference/block-kit."""

from collections.abc import Iterator

from tests.fakes.slack_calls import ApiError
from tests.fakes.slack_files import check_slack_file
from tests.fakes.slack_settings import MAX_BLOCK_TEXT_CHARS, MAX_BLOCKS, MAX_BLOCKS_CHARS, Json
from tests.fakes.slack_store import Store

# .../blocks/actions-block, .../blocks/context-actions-block
MAX_ELEMENTS = {"actions": 25, "context_actions": 5}
CONTEXT_ACTIONS = ("feedback_buttons", "icon_button")
# .../block-elements/button-element
MAX_BUTTON_TEXT_CHARS = 75
MAX_ACTION_ID_CHARS = 255
MAX_VALUE_CHARS = 2_000


def check_blocks(store: Store, blocks: list[Json]) -> None:
    """Refuse the blocks of a message that Slack would refuse."""
    if len(blocks) > MAX_BLOCKS:
        raise ApiError("invalid_blocks")
    for place, block in enumerate(blocks):
        if block.get("type") == "image":
            check_slack_file(store, block, place)
        check_block(store, block)
    if sum(_num_chars(block) for block in blocks) > MAX_BLOCKS_CHARS:
        raise ApiError("msg_blocks_too_long")


def check_block(store: Store, block: Json) -> None:
    """Refuse a block whose parts are too many or too long."""
    kind = str(block.get("type") or "")
    most = MAX_BLOCK_TEXT_CHARS.get(kind)
    text = block.get("text")
    shown = text.get("text", "") if isinstance(text, dict) else text
    elements = block.get("elements", [])
    is_sound = (
        bool(kind)
        and kind not in store.settings.refused_blocks
        and (most is None or 0 < len(str(shown or "")) <= most)
        and (kind not in MAX_ELEMENTS or 0 < len(elements) <= MAX_ELEMENTS[kind])
        and (kind != "context_actions" or all(e.get("type") in CONTEXT_ACTIONS for e in elements))
        and all(_is_sound_button(button) for button in _buttons(block))
    )
    if not is_sound:
        raise ApiError("invalid_blocks")


def _buttons(block: Json) -> Iterator[Json]:
    for element in (*block.get("elements", ()), block.get("accessory")):
        if isinstance(element, dict) and "action_id" in element:
            yield element
            for name in ("positive_button", "negative_button"):
                if name in element:
                    yield element[name]


def _is_sound_button(button: Json) -> bool:
    text = button.get("text", {}).get("text", "") if isinstance(button.get("text"), dict) else ""
    return (
        len(str(button.get("action_id", ""))) <= MAX_ACTION_ID_CHARS
        and len(text) <= MAX_BUTTON_TEXT_CHARS
        and len(str(button.get("value", ""))) <= MAX_VALUE_CHARS
    )


def _num_chars(part: object) -> int:
    if isinstance(part, dict):
        return sum(_num_chars(v) for k, v in part.items() if k not in ("type", "block_id"))
    if isinstance(part, list):
        return sum(_num_chars(item) for item in part)
    return len(part) if isinstance(part, str) else 0
