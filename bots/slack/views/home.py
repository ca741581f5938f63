"""The Home tab: help, usage and settings; and the suggested prompts."""
# Pure. Uses babel.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bots.incoming.preference_form import PLACES, THINKING, WHEN
from bots.slack.parse.payloads import Json
from bots.slack.views.account import forget_button
from bots.slack.views.buttons import PREFIX
from bots.slack.views.components import MAX_SECTION_CHARS, cut, plain, section
from bots.slack.views.settings import WORKSPACE
from shared.languages import name_of
from shared.preference_layers import Resolved
from shared.preferences import ReplyPlace, shown

HOUR_MS = 3600 * 1000
HOME_TAB, MESSAGES_TAB = "home", "messages"
PROMPTS_TITLE = "What can I do for you?"
PROMPTS = (
    {"title": "Write an announcement", "message": "Write an announcement about "},
    {"title": "Translate into French", "message": "Translate into French: "},
    {"title": "Ask the documents", "message": "Ask the docs: "},
    {"title": "Begin anew", "message": "forget this conversation"},
)
"""Slack shows four at most."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A person who opened our tab, or our direct message."""

    user: str
    channel: str
    """The direct message."""
    tab: str


def read_opening(event: Json) -> Opening | None:
    """Parse the event of an opened tab; None if it names no person."""
    if not event.get("user"):
        return None
    return Opening(str(event["user"]), str(event.get("channel") or ""), str(event.get("tab") or ""))


@dataclass(frozen=True, slots=True)
class Home:
    """The content of one person's tab."""

    help: str
    """As all that follows, mrkdwn."""
    quota: str
    resolved: Resolved
    is_opted_out: bool
    may_edit: bool
    notice: str = ""
    """What has just been done."""


def sentence_view(sentence: str) -> dict[str, Any]:
    """The tab of a person who may not ask: one sentence, as mrkdwn."""
    return {"type": "home", "blocks": [section(sentence)]}


def home_view(home: Home) -> dict[str, Any]:
    """The tab as a view."""
    blocks: list[dict[str, Any]] = []
    if home.notice:
        blocks += [*_sections(home.notice), {"type": "divider"}]
    blocks += [
        _header("What I can do"),
        *_sections(home.help),
        _header("What you have used"),
        *_sections(home.quota),
        _header("What holds for you"),
        *_sections("\n".join(_lines(home))),
    ]
    buttons = [forget_button("Forget me")]
    if home.may_edit:
        settings = {
            "type": "button",
            "action_id": f"{PREFIX}{WORKSPACE}",
            "text": plain("Settings of the workspace"),
        }
        buttons.insert(0, settings)
    blocks.append({"type": "actions", "elements": buttons})
    return {"type": "home", "blocks": blocks}


def _lines(home: Home) -> Sequence[str]:
    known = home.resolved
    hours = "as set up" if known.retention_ms is None else f"{known.retention_ms / HOUR_MS:g} hours"
    language = name_of(known.language) if known.language else "that of the question"
    thinking = THINKING[known.thinking].lower() if known.thinking else "as set up"
    place = known.reply_place or ReplyPlace.THREAD
    opted = "left out of" if home.is_opted_out else "part of"
    when, where = WHEN[known.when_to_speak].lower(), PLACES[place].lower()
    opt = "`/parley opt-in`" if home.is_opted_out else "`/parley opt-out`"
    return (
        f"• Unless a channel says something else I answer: {when}; {where}",
        f"• Language of answers: {language}",
        f"• Thinking before an answer: {thinking}",
        f"• A silent conversation is remembered: {hours}",
        f"• Switched off: {shown(known.tasks_off)}",
        f"• Quiet hours: {shown(known.quiet_hours) or 'none'}",
        f"• Your messages are {opted} summaries, ratings and what is learned ({opt})",
    )


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": plain(text)}


def _sections(text: str) -> list[dict[str, Any]]:
    return [section(part) for part in cut(text, MAX_SECTION_CHARS)]
