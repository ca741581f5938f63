"""Parses flags, files, pins and automatic tasks on messages into ``Incoming``.

``tag`` and ``translate`` are acts that ``bots.incoming.reception`` withdraws with a deleted
message.
"""
# Pure. Uses babel.

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from bots.incoming.attachments import DEFAULT_BOUNDS, Bounds
from bots.incoming.context import Meant, others_of
from bots.incoming.intake import Incoming
from bots.slack.parse.commands import ACT
from bots.slack.parse.events import EventType
from bots.slack.parse.payloads import Json, SharedFile, is_timestamp, read_body
from shared.jobs import Audience, Origin, Platform
from shared.languages import language_of_flag
from shared.replies import Failed
from shared.tasks import Learn, Quoted, Tag, Translate

TAG, TRANSLATE, PIN, LEARN, REACTION = "tag", "translate", "pin", "learn", "reaction"
SILENCE = {"mute": True, "speaker": False, "sound": False, "loud_sound": False}
"""Slack's names of 🔇, 🔈, 🔉 and 🔊 -> whether we are to be silent."""


@dataclass(frozen=True, slots=True)
class SlackAutomationRules:
    """What an operator has switched on, by channel; and which files are read."""

    sentiment_channels: frozenset[str] = frozenset()
    translate_channels: Mapping[str, str] = field(default_factory=dict)
    """Channel -> language."""
    pins_channels: frozenset[str] = frozenset()
    files: Bounds = DEFAULT_BOUNDS
    lookback_s: float = 0.0


def rating_of(origin: Origin, said: Quoted, edited_at_s: float = 0.0) -> Incoming:
    """A message to be rated. A report about it goes to the channel, in no thread.

    ``edited_at_s``: when its text was changed; 0 if it is the first one.
    """
    task = Tag(said.author, said.link, said.written_at_s, edited_at_s)
    act = f"{TAG}:{edited_at_s:.6f}" if edited_at_s else TAG
    return Incoming(dataclasses.replace(origin, act=act, thread=""), said.text, ACT, task=task)


def translation_of(origin: Origin, text: str, language: str) -> Incoming:
    """A message to be translated for everybody, in its thread."""
    thread = origin.thread or origin.message
    task = Translate(language, is_unasked=True)
    return Incoming(dataclasses.replace(origin, act=TRANSLATE, thread=thread), text, ACT, task=task)


def flagged(event: Json, team: str) -> Incoming | None:
    """A flag that a person put on a message: a translation for that person alone."""
    language = language_of_flag(str(event.get("reaction", "")))
    channel, ts, user = event.get("item_channel"), event.get("item_ts"), event.get("user")
    if not language or not channel or not user or not is_timestamp(ts):
        return None
    origin = Origin(
        platform=Platform.SLACK,
        team=team,
        channel=str(channel),
        thread="",
        message=str(ts),
        user=str(user),
        # Removing the flag and adding it again asks again.
        act=f"{REACTION}:{user}:{event.get('event_ts', '')}",
        audience=Audience.ASKER,
    )
    return Incoming(origin, "", ACT, task=Translate(language), wanted=Meant())


def silence(event: Json, team: str) -> tuple[Origin, bool] | None:
    """Where a person put the sign to be silent, or to speak again; None for another reaction."""
    is_muted = SILENCE.get(str(event.get("reaction", "")))
    channel, ts, user = event.get("item_channel"), event.get("item_ts"), event.get("user")
    if is_muted is None or not channel or not user or not is_timestamp(ts):
        return None
    return Origin(Platform.SLACK, team, str(channel), "", str(ts), str(user)), is_muted


def pin_origin(event: Json, team: str) -> Origin | None:
    """The origin of a message that was pinned or unpinned; None if it is not a message."""
    channel, ts = event.get("item_channel"), event.get("item_ts")
    if not channel or not is_timestamp(ts):
        return None
    return Origin(
        platform=Platform.SLACK,
        team=team,
        channel=str(channel),
        thread="",
        message=str(ts),
        user=str(event.get("user", "")),
        act=f"{PIN}:{event.get('event_ts', '')}",
        audience=Audience.ASKER,
    )


@dataclass(frozen=True, slots=True)
class Pinned:
    """A message that is pinned, as Slack lists it."""

    origin: Origin
    """As in the event that reported it, or should have."""
    author: str


def pinned_of(item: Json, channel: str, team: str) -> Pinned | None:
    """A pinned message as Slack lists it; None for other items, such as a file.

    docs.slack.dev/reference/methods/pins.list
    """
    event = {
        "type": EventType.PIN_ADDED,
        "user": str(item.get("created_by") or ""),
        # Unpinning a message and pinning it again has it learned again.
        "event_ts": str(item.get("created") or ""),
        "item": {**item, "channel": channel},
    }
    read = read_body({"event": event})
    origin = pin_origin(read["event"], team) if read else None
    message = item.get("message")
    if origin is None or not isinstance(message, dict):
        return None
    return Pinned(origin, str(message.get("user") or ""))


def pinned(origin: Origin, said: Quoted) -> Incoming:
    """A pinned message to be learned; the reply is for the person who pinned it."""
    task = Learn(f"Pinned message of {said.author}.txt", "", said.link)
    return Incoming(origin, said.text, ACT, task=task, quoted=others_of(origin.user, [said]))


def taught(
    origin: Origin, file: SharedFile, task: Learn | None, refusal: Failed | None = None
) -> Incoming:
    """A file to be learned, or why it cannot be learned."""
    act = f"{origin.act}:{file.id}" if origin.act else f"{LEARN}:{file.id}"
    return Incoming(
        dataclasses.replace(origin, act=act),
        "",
        ACT,
        task=task or Learn(file.name, ""),
        refusal=refusal,
        quoted=() if file.user in {"", origin.user} else (file.user,),
    )
