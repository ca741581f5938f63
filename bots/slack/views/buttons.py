"""The buttons under an answer as Slack's blocks, and parsing of a press; emoji names for marks.

Every button names its action; its value is the job. The two of feedback are one element of Slack's,
whose value says both. docs.slack.dev/reference/block-kit/blocks
"""
# Pure.

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bots.delivery.buttons import AnswerButtons
from bots.slack.parse.payloads import Json
from bots.slack.views.components import MAX_SECTION_CHARS, cut, section

PREFIX = "parley:"
STOP, RETRY, GOOD, BAD, THOUGHT = "stop", "retry", "good", "bad", "thought"
FEEDBACK = "feedback"
ACTIONS = frozenset({STOP, RETRY, GOOD, BAD, THOUGHT})
LABELS = {STOP: "Stop", RETRY: "Retry", GOOD: "👍", BAD: "👎", THOUGHT: "Show thinking"}
HINTS = {
    STOP: "Stop this answer",
    RETRY: "Write this answer again",
    GOOD: "This answer is good",
    BAD: "This answer is bad",
    THOUGHT: "Show what I thought before this answer, to the person who asked",
}


class Look(Enum):
    """How feedback is asked for."""

    FEEDBACK = "feedback"
    """With Slack's own element."""
    PLAIN = "plain"
    """With two buttons, where Slack does not accept that element."""


def with_controls(
    content: Mapping[str, Any], controls: AnswerButtons, job_id: str, look: Look = Look.FEEDBACK
) -> dict[str, Any]:
    """A message with its buttons, as arguments of Slack's methods.

    Args:
        content: as ``components.with_image`` makes it.
        controls: which buttons.
        job_id: whose answer it is.
        look: how feedback is asked for.
    """
    blocks = list(content.get("blocks") or ())
    if controls is AnswerButtons.NONE:
        # Slack keeps a message's blocks where an edit names none.
        return {**content, "blocks": blocks}
    if not blocks:
        blocks = [section(part) for part in cut(content["text"], MAX_SECTION_CHARS)]
    return {**content, "blocks": [*blocks, *_rows(controls, job_id, look)]}


def _rows(controls: AnswerButtons, job_id: str, look: Look) -> list[dict[str, Any]]:
    if controls is AnswerButtons.RUNNING:
        return [{"type": "actions", "elements": [_button(STOP, job_id)]}]
    row = [_button(RETRY, job_id)]
    if controls is AnswerButtons.THOUGHT:
        row.append(_button(THOUGHT, job_id))
    if look is Look.PLAIN:
        both = [_button(GOOD, job_id), _button(BAD, job_id)]
        return [{"type": "actions", "elements": [*row, *both]}]
    feedback = {
        "type": "feedback_buttons",
        "action_id": f"{PREFIX}{FEEDBACK}",
        "positive_button": _choice(GOOD, job_id),
        "negative_button": _choice(BAD, job_id),
    }
    return [
        {"type": "actions", "elements": row},
        {"type": "context_actions", "elements": [feedback]},
    ]


def _button(button_action: str, job_id: str) -> dict[str, Any]:
    return {
        "type": "button",
        "action_id": f"{PREFIX}{button_action}",
        "text": {"type": "plain_text", "text": LABELS[button_action], "emoji": True},
        "value": job_id,
        "accessibility_label": HINTS[button_action],
    }


def _choice(button_action: str, job_id: str) -> dict[str, Any]:
    return {
        "text": {"type": "plain_text", "text": LABELS[button_action], "emoji": True},
        "accessibility_label": HINTS[button_action],
        "value": f"{button_action}:{job_id}",
    }


@dataclass(frozen=True, slots=True)
class SlackButtonPress:
    """A button that a person pressed."""

    button_action: str
    value: str
    """The job, for one of ``ACTIONS``."""
    user: str
    channel: str
    """Empty for a button in a view."""
    trigger: str
    """Opens one view, within three seconds."""
    ticket: str
    """The response address; empty for a button in a view."""
    view: str = ""
    """The view that holds it, if one does."""
    is_in_modal: bool = False
    """Whether that is a modal, and not the Home tab."""


def read_press(payload: Json) -> SlackButtonPress | None:
    """A pressed button; None if it is not one of ours."""
    parts = [payload.get(name) for name in ("user", "channel", "view")]
    user, channel, view = (part if isinstance(part, dict) else {} for part in parts)
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions else None
    if not isinstance(action, dict) or not user.get("id"):
        return None
    name, value = str(action.get("action_id") or ""), str(action.get("value") or "")
    if not name.startswith(PREFIX):
        return None
    button_action = name.removeprefix(PREFIX)
    if button_action == FEEDBACK:
        button_action, _, value = value.partition(":")
    return SlackButtonPress(
        button_action=button_action,
        value=value,
        user=str(user["id"]),
        channel=str(channel.get("id") or ""),
        trigger=str(payload.get("trigger_id") or ""),
        ticket=str(payload.get("response_url") or ""),
        view=str(view.get("id") or ""),
        is_in_modal=view.get("type") == "modal",
    )


VARIATION_SELECTOR = "\ufe0f"
NAMES = {
    "👍": "thumbsup",
    "👎": "thumbsdown",
    "❤": "heart",
    "🎉": "tada",
    "✅": "white_check_mark",
    "❗": "exclamation",
    "❓": "question",
    "☀": "sunny",
    "🌧": "rain_cloud",
    "⛈": "thunder_cloud_and_rain",
    "🟢": "large_green_circle",
    "🔴": "large_red_circle",
    "🙂": "slightly_smiling_face",
    "😀": "grinning",
    "😃": "smiley",
    "😄": "smile",
    "😊": "blush",
    "😐": "neutral_face",
    "🙁": "slightly_frowning_face",
    "☹": "white_frowning_face",
    "😞": "disappointed",
    "😟": "worried",
    "😠": "angry",
    "😢": "cry",
    "📈": "chart_with_upwards_trend",
    "📉": "chart_with_downwards_trend",
}
"""Short names of github.com/iamcal/emoji-data, which Slack uses."""


def name_of_emoji(emoji: str) -> str:
    """Slack's name of an emoji; a name stays as it is."""
    bare = emoji.replace(VARIATION_SELECTOR, "")
    return NAMES.get(bare, bare.strip(":"))
