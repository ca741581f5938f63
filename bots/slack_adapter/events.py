"""What Slack sends, as an ``Incoming``. Pure; knows Slack's field names and nothing of its client.

One mention arrives as two events, ``app_mention`` and ``message``, with the same timestamp: both
become the same Incoming, so the ledger sees one message.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bots.intake import Incoming
from bots.policy import Situation
from shared.jobs import Origin, Platform

PERSONS_SUBTYPES = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes that a person's own message may have; all others are edits, notices or bots."""
USER_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
CHANNEL_OR_GROUP = re.compile(r"<(?:#|!subteam\^)[A-Z0-9]+\|([^>]*)>")
BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")
LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")

MENTION = "app_mention"
MESSAGE_TYPES = frozenset({"message", MENTION})
DELETED, CHANGED = "message_deleted", "message_changed"
TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,8}")
ENVELOPE_FIELDS = ("type", "team_id", "api_app_id", "event_id", "challenge")
EVENT_FIELDS = (
    "type",
    "subtype",
    "channel",
    "channel_type",
    "team",
    "user",
    "bot_id",
    "text",
    "ts",
    "thread_ts",
    "deleted_ts",
    "reaction",
    "event_ts",
    "item_channel",
    "item_ts",
)
HTML = "text/html"
FILE_FIELDS = ("id", "name", "size", "mode", "mimetype", "url_private_download", "url_private")
MAX_FILES = 10
"""Slack shares at most so many files with one message."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in this workspace."""

    user_id: str
    team_id: str
    url: str = ""
    """The workspace's address, with a slash at its end."""


def read_body(document: object) -> Json | None:
    """An event's envelope with the fields that are read here; None if it is none of Slack's.

    Whatever else a body holds is left out: nobody behind this need be ready for it. What was read
    once can be read again.
    """
    if not isinstance(document, dict):
        return None
    event = document.get("event", {})
    if not isinstance(event, dict):
        return None
    is_sound = all(isinstance(event.get(name), str | None) for name in EVENT_FIELDS)
    outer = {name: document[name] for name in ENVELOPE_FIELDS if name in document}
    if not is_sound or not all(isinstance(value, str) for value in outer.values()):
        return None
    kept = {name: event[name] for name in EVENT_FIELDS if event.get(name) is not None}
    if files := read_files(event.get("files")):
        kept["files"] = files
    kept |= _read_item(event.get("item"))
    kept |= _read_change(event)
    return {**outer, "event": kept} if kept else outer


def read_files(files: object) -> list[Json]:
    """The files of a message, with the fields that are read here."""
    if not isinstance(files, list):
        return []
    return [
        {name: file[name] for name in FILE_FIELDS if isinstance(file.get(name), str | int)}
        for file in files[:MAX_FILES]
        if isinstance(file, dict) and isinstance(file.get("id"), str)
    ]


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file of a message."""

    id: str
    name: str
    url: str
    num_bytes: int
    is_html: bool


def read_file(file: Json) -> SharedFile:
    """A file as ``events.read_files`` leaves it."""
    size = file.get("size")
    return SharedFile(
        id=str(file["id"]),
        name=str(file.get("name") or "file"),
        url=str(file.get("url_private_download") or file.get("url_private") or ""),
        num_bytes=size if isinstance(size, int) else 0,
        is_html=file.get("mimetype") == HTML,
    )


def _read_item(item: object) -> dict[str, str]:
    """Which message a reaction or a pin is about."""
    if not isinstance(item, dict) or item.get("type") != "message":
        return {}
    message = item.get("message")
    ts = message.get("ts") if isinstance(message, dict) else item.get("ts")
    channel = item.get("channel")
    if not isinstance(channel, str) or not is_timestamp(ts):
        return {}
    return {"item_channel": channel, "item_ts": str(ts)}


def _read_change(event: Json) -> dict[str, Json]:
    """What a message reads now that was changed, and what it read before."""
    messages = [event.get("message"), event.get("previous_message")]
    if event.get("subtype") != CHANGED or not all(isinstance(m, dict) for m in messages):
        return {}
    now, before = (
        {name: found[name] for name in EVENT_FIELDS if isinstance(found.get(name), str)}
        for found in messages
        if isinstance(found, dict)
    )
    return {"message": now, "previous_message": {"text": before.get("text", "")}}


def is_persons_event(body: Json) -> bool:
    """Whether an event is a message that a person has just written."""
    event: Json = body.get("event", {})
    is_message = event.get("type") in MESSAGE_TYPES
    return is_message and event.get("subtype") in PERSONS_SUBTYPES and bool(event.get("user"))


def deleted_origin(body: Json, me: Identity) -> Origin | None:
    """Where a message stood that was deleted; None if the event says nothing of the kind."""
    event: Json = body.get("event", {})
    channel, deleted = event.get("channel"), event.get("deleted_ts")
    if event.get("subtype") != DELETED or not channel or not deleted:
        return None
    return Origin(Platform.SLACK, team_of(body, me), str(channel), "", str(deleted), "")


def edited(body: Json) -> tuple[Json, float] | None:
    """A message whose text was changed, as the event of a new one would tell of it; and when.

    None if the event says nothing of the kind: Slack calls it a change, too, when it shows what is
    behind a link.
    """
    event: Json = body.get("event", {})
    now, before = event.get("message"), event.get("previous_message")
    if not now or not before or not is_timestamp(event.get("ts")):
        return None
    if now.get("text", "") == before["text"]:
        return None
    place = {name: event[name] for name in ("channel", "channel_type") if name in event}
    return {**body, "event": {**now, **place}}, float(event["ts"])


def team_of(body: Json, me: Identity) -> str:
    """The workspace that an event happened in."""
    # event.team may be absent from one of a mention's two events; the envelope has it always.
    return str(body.get("team_id") or body.get("event", {}).get("team") or me.team_id)


def origin_of(body: Json, me: Identity) -> Origin | None:
    """Where an event's message came from; None if it is no message."""
    event: Json = body.get("event", {})
    channel, ts = event.get("channel"), event.get("ts")
    if not channel or not is_timestamp(ts):
        return None
    is_direct = is_direct_message(event)
    return Origin(
        platform=Platform.SLACK,
        team=team_of(body, me),
        channel=str(channel),
        # A direct message is one conversation; elsewhere every message begins a thread of its own.
        thread=str(event.get("thread_ts") or ("" if is_direct else ts)),
        message=str(ts),
        user=str(event.get("user", "")),
    )


def is_timestamp(ts: object) -> bool:
    """Whether this names a message: seconds and a counter."""
    return isinstance(ts, str) and TIMESTAMP.fullmatch(ts) is not None


def history_body(message: Json, channel: str, me: Identity, *, is_direct: bool) -> Json | None:
    """A message of a channel's history as the event that told, or should have told, of it."""
    place = {"channel": channel, "channel_type": "im" if is_direct else "channel"}
    return read_body({"team_id": me.team_id, "event": {**message, **place}})


def is_direct_message(event: Json) -> bool:
    """Whether an event happened in a direct message to us."""
    return event.get("channel_type") == "im" or str(event.get("channel", "")).startswith("D")


def to_incoming(body: Json, origin: Origin, me: Identity, *, is_auto_reply: bool) -> Incoming:
    """Describe a message event in words that every platform shares."""
    event: Json = body["event"]
    text = str(event.get("text") or "")
    mentioned = {found[1] for found in USER_MENTION.finditer(text)}
    situation = Situation(
        is_from_person=is_from_person(event, me),
        is_direct=is_direct_message(event),
        mentions_us=me.user_id in mentioned or event.get("type") == MENTION,
        mentions_others=bool(mentioned - {me.user_id}),
        is_auto_reply=is_auto_reply,
    )
    return Incoming(
        origin,
        plain_text(text, me),
        situation,
        # A history shows the message that began a thread as one of the thread.
        in_thread=event.get("thread_ts") not in {None, origin.message},
        written_at_s=float(origin.message),
    )


def is_from_person(event: Json, me: Identity) -> bool:
    """Whether a person wrote it: not we, no other bot, no edit and no notice."""
    user = event.get("user")
    is_persons = event.get("subtype") in PERSONS_SUBTYPES and not event.get("bot_id")
    return bool(user) and user != me.user_id and is_persons


def plain_text(text: str, me: Identity, names: Mapping[str, str] | None = None) -> str:
    """A message's text without Slack's markup: our mention goes, others become names.

    ``names`` are those of people by their ids, where Slack has not put them into the text.
    """
    known = names or {}

    def name(found: re.Match[str]) -> str:
        if found[1] == me.user_id:
            return ""
        return f"@{found[2] or known.get(found[1], found[1])}"

    text = USER_MENTION.sub(name, text)
    text = CHANNEL_OR_GROUP.sub(lambda found: found[1], text)
    text = BROADCAST.sub(lambda found: f"@{found[1]}", text)
    text = LINK.sub(lambda found: f"{found[2]} ({found[1]})" if found[2] else found[1], text)
    return html.unescape(text).strip()


def mentioned_in(text: str) -> set[str]:
    """The people whom a message's text names by their ids alone."""
    return {found[1] for found in USER_MENTION.finditer(text) if not found[2]}


def permalink(me: Identity, channel: str, ts: str, thread: str = "") -> str:
    """Where people find a message; empty if the workspace's address is not known.

    Made as ``chat.getPermalink`` makes it, without a call for each message.
    """
    if not me.url:
        return ""
    address = f"{me.url}archives/{channel}/p{ts.replace('.', '')}"
    is_reply = thread not in {"", ts}
    return f"{address}?thread_ts={thread}&cid={channel}" if is_reply else address
