"""Parses commands that need no job (stop, quota, settings, forget-me), and the forget button."""
# Pure. Uses babel.

from enum import StrEnum
from typing import Any

from bots.slack.parse.commands import Command
from bots.slack.views.buttons import PREFIX
from bots.slack.views.components import plain, section

STOPPED = "I have stopped."
FORGET = "forget"
FORGET_QUESTION = (
    "Shall I delete what I keep of you in this workspace: our conversations, your questions, what "
    "you said of answers, the documents I learned from you, and how your messages were rated? What "
    "I am answering you now stops. It cannot be undone. My messages in the channels stay."
)


class AccountRequest(StrEnum):
    """A request of a command that is not a task."""

    STOP = "stop"
    QUOTA = "quota"
    SETTINGS = "settings"
    FORGET_ME = "forget-me"


def account_request_of(command: Command) -> tuple[AccountRequest, str] | None:
    """A command's account request and the words behind it; None if it has none."""
    name, _, rest = command.words.strip().partition(" ")
    try:
        return AccountRequest(name.lower().rstrip(":")), rest.strip()
    except ValueError:
        return None


def forget_blocks() -> tuple[dict[str, Any], ...]:
    """The question whether to delete everything, with a button to confirm."""
    buttons = {"type": "actions", "elements": [forget_button("Delete it")]}
    return (section(FORGET_QUESTION), buttons)


def forget_button(label: str) -> dict[str, Any]:
    """A button that asks for confirmation, and then has everything deleted."""
    return {
        "type": "button",
        "action_id": f"{PREFIX}{FORGET}",
        "style": "danger",
        "text": plain(label),
        "confirm": {
            "title": plain("Are you sure?"),
            "text": plain("It cannot be undone."),
            "confirm": plain("Delete it"),
            "deny": plain("Keep it"),
            "style": "danger",
        },
    }
