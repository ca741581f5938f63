"""The view to ask a question from anywhere, and global shortcuts."""
# Pure. Uses babel.

from dataclasses import dataclass
from typing import Any

from bots.incoming.intake import Incoming
from bots.slack.parse.commands import ACT, COMMAND
from bots.slack.parse.payloads import Json
from bots.slack.views.components import modal, words
from bots.slack.views.settings import values_of
from shared.jobs import Origin, Platform

ASK, SETTINGS = "parley_ask_anywhere", "parley_settings"
CALLBACK = "parley_ask_form"
QUESTION = "question"


@dataclass(frozen=True, slots=True)
class GlobalShortcut:
    """A shortcut that a person used outside of any message."""

    callback: str
    user: str
    trigger: str


def read_shortcut(payload: Json) -> GlobalShortcut | None:
    """A global shortcut; None if it is not one of ours."""
    user, callback = payload.get("user") or {}, payload.get("callback_id")
    if payload.get("type") != "shortcut" or callback not in {ASK, SETTINGS} or not user.get("id"):
        return None
    return GlobalShortcut(str(callback), str(user["id"]), str(payload.get("trigger_id") or ""))


def ask_view() -> dict[str, Any]:
    """The view."""
    question = words(QUESTION, "Your question", None, is_long=True, is_optional=False)
    return modal("Ask Parley", [question], CALLBACK, submit="Ask")


@dataclass(frozen=True, slots=True)
class AskSubmission:
    """The submitted question."""

    user: str
    text: str
    view: str


def read_question(payload: Json) -> AskSubmission | None:
    """A submitted question; None if the view is not this one."""
    view, user = payload.get("view") or {}, payload.get("user") or {}
    if view.get("callback_id") != CALLBACK or not user.get("id"):
        return None
    text = str(values_of(view).get(QUESTION) or "")
    return AskSubmission(str(user["id"]), text, str(view.get("id") or ""))


def to_incoming(question: AskSubmission, team: str, channel: str) -> Incoming:
    """The question as a command in a direct message, where its answer goes.

    Args:
        question: as it was asked.
        team: where.
        channel: the asker's direct message.
    """
    view, user = question.view, question.user
    origin = Origin(Platform.SLACK, team, channel, "", view, user, act=f"{COMMAND}:{view}")
    return Incoming(origin, question.text, ACT)
