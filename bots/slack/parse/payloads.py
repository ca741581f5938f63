"""Reduces Slack's payloads to the fields that are used, in one shape.

All other fields are dropped, so that later code need not be ready for them.
"""
# Pure.

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

CHANGED = "message_changed"
TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,8}")
ENVELOPE_FIELDS = ("type", "team_id", "api_app_id", "event_id", "challenge")
EVENT_FIELDS = (
    "type",
    "subtype",
    "channel",
    "channel_type",
    "team",
    "user_team",
    "source_team",
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
    "tab",
)
HTML = "text/html"
FILE_FIELDS = (
    "id",
    "name",
    "size",
    "mode",
    "mimetype",
    "url_private_download",
    "url_private",
    "user",
)
STREAMS = "streaming_message_ts"
MAX_STREAMS = 10
MAX_FILES = 10
"""Slack shares at most so many files with one message."""


def is_timestamp(ts: object) -> bool:
    """Whether this names a message: seconds and a counter."""
    return isinstance(ts, str) and TIMESTAMP.fullmatch(ts) is not None


def read_body(document: object) -> Json | None:
    """An event's envelope with the fields that are used; None if it is not one.

    Parsing its own result again gives the same.
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
    kept |= _read_streams(event.get(STREAMS))
    kept |= _read_change(event)
    if isinstance(tokens := event.get("tokens"), dict) and tokens.get("bot"):
        kept["is_bot_revoked"] = True
    return {**outer, "event": kept} if kept else outer


def read_files(files: object) -> list[Json]:
    """The files of a message, with the fields that are used."""
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
    media_type: str = ""
    user: str = ""
    """The id of the person who uploaded it; empty if Slack does not say."""


def read_file(file: Json) -> SharedFile:
    """A file as ``payloads.read_files`` leaves it."""
    size = file.get("size")
    return SharedFile(
        id=str(file["id"]),
        name=str(file.get("name") or "file"),
        url=str(file.get("url_private_download") or file.get("url_private") or ""),
        num_bytes=size if isinstance(size, int) else 0,
        is_html=file.get("mimetype") == HTML,
        media_type=str(file.get("mimetype") or ""),
        user=str(file.get("user") or ""),
    )


def _read_streams(messages: object) -> dict[str, list[str]]:
    """The messages that were being streamed when a person pressed Slack's own Stop."""
    if not isinstance(messages, list):
        return {}
    return {STREAMS: [message for message in messages[:MAX_STREAMS] if is_timestamp(message)]}


def _read_item(item: object) -> dict[str, str]:
    """The message that a reaction or a pin is about."""
    if not isinstance(item, dict) or item.get("type") != "message":
        return {}
    message = item.get("message")
    ts = message.get("ts") if isinstance(message, dict) else item.get("ts")
    channel = item.get("channel")
    if not isinstance(channel, str) or not is_timestamp(ts):
        return {}
    return {"item_channel": channel, "item_ts": str(ts)}


def _read_change(event: Json) -> dict[str, Json]:
    """The new and the old state of a changed message."""
    messages = [event.get("message"), event.get("previous_message")]
    if event.get("subtype") != CHANGED or not all(isinstance(m, dict) for m in messages):
        return {}
    now, before = (
        {name: found[name] for name in EVENT_FIELDS if isinstance(found.get(name), str)}
        for found in messages
        if isinstance(found, dict)
    )
    return {"message": now, "previous_message": {"text": before.get("text", "")}}
