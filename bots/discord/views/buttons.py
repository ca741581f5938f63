"""The buttons under an answer, and the contents of their ids.

An id holds the action and the job, so that a button works as long as its message exists.
"""
# Pure.

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bots.delivery.buttons import AnswerButtons
from shared.jobs import JOB_ID_LENGTH


class ButtonAction(StrEnum):
    """The action of a button."""

    STOP = "stop"
    RETRY = "retry"
    GOOD = "good"
    BAD = "bad"
    THOUGHT = "thought"


@dataclass(frozen=True, slots=True)
class DiscordButtonPress:
    """A press of a button."""

    button_action: ButtonAction
    job: str
    user: int
    is_moderator: bool
    """Whether they may manage other people's messages there."""


BUTTONS = {
    AnswerButtons.NONE: (),
    AnswerButtons.RUNNING: (ButtonAction.STOP,),
    AnswerButtons.DONE: (ButtonAction.RETRY, ButtonAction.GOOD, ButtonAction.BAD),
    AnswerButtons.THOUGHT: (
        ButtonAction.RETRY,
        ButtonAction.THOUGHT,
        ButtonAction.GOOD,
        ButtonAction.BAD,
    ),
}
FACES = {
    ButtonAction.STOP: ("⏹️", "Stop"),
    ButtonAction.RETRY: ("🔄", "Retry"),
    ButtonAction.GOOD: ("👍", ""),
    ButtonAction.BAD: ("👎", ""),
    ButtonAction.THOUGHT: ("💭", "Show thinking"),
}
"""ButtonAction -> emoji and label of its button."""
TEMPLATE = re.compile(
    rf"parley:(?P<verb>{'|'.join(ButtonAction)}):(?P<job>[a-z2-7]{{{JOB_ID_LENGTH}}})"
)
STOP_SIGN = "⏹"
EMOJI_STYLE = "\ufe0f"
"""Marks the character before it as a picture (Unicode TR 51); clients may send it."""


def id_of(button_action: ButtonAction, job: str) -> str:
    """The id of a button."""
    return f"parley:{button_action}:{job}"


def job_of(ids: Iterable[str]) -> str:
    """The job of a message's buttons; empty if it has none of ours."""
    found = filter(None, map(TEMPLATE.fullmatch, ids))
    return next((match["job"] for match in found), "")


def is_stop_sign(emoji: str) -> bool:
    """Whether a reaction asks to stop an answer."""
    return emoji.rstrip(EMOJI_STYLE) == STOP_SIGN
