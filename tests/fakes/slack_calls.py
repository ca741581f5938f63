"""A Web API request, from the bytes on the wire to arguments, and the checks all methods share.

Knows how Slack lets arguments be written (form, JSON, query; JSON inside form fields) and what it
answers when they do not name anything. The methods themselves are in the `slack_methods_*` files.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.slack_settings import Json
from tests.fakes.slack_store import Channel, Message, Store

_TRUE = ("1", "true", "True")


class ApiError(Exception):
    """What a method answers instead of its result: `{"ok": false, "error": code}`."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **facts}


@dataclass(frozen=True, slots=True)
class Call:
    """A method with its arguments; `token` comes from the header or the form."""

    method: str
    arguments: Json
    token: str | None

    def has(self, name: str) -> bool:
        """Whether the argument was given, be it empty."""
        return self.arguments.get(name) is not None

    def text(self, name: str) -> str:
        """Return an argument as text, empty if it is missing."""
        value = self.arguments.get(name)
        return "" if value is None else str(value)

    def need(self, name: str, error: str = "invalid_arguments") -> str:
        """Return an argument as text; refuse the call with `error` if it is missing."""
        value = self.text(name)
        if not value:
            raise ApiError(error)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a yes-or-no argument, None if it is missing."""
        return self.text(name) in _TRUE if self.has(name) else None

    def count(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 1 to `most`."""
        text = self.text(name) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise ApiError("invalid_limit")
        return int(text)

    def structure(self, name: str, error: str) -> Any:  # noqa: ANN401 - any JSON
        """Return an argument that is JSON, written as such or as text inside a form."""
        value = self.arguments.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise ApiError(error) from None

    def structures(self, name: str, error: str) -> list[Json]:
        """Return an argument that is a list of JSON objects."""
        value = self.structure(name, error) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ApiError(error)
        return value


async def read_call(method: str, request: web.Request) -> Call:
    """Read the arguments of a request; an empty body labelled JSON counts as none."""
    arguments: Json = dict(request.query)
    if request.content_type == "application/json":
        arguments |= _read_json(await request.read())
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        arguments |= {k: v for k, v in (await request.post()).items() if isinstance(v, str)}
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        client_id, _, secret = base64.b64decode(token).decode().partition(":")
        arguments |= {"client_id": client_id, "client_secret": secret}
    token = token if scheme == "Bearer" else str(arguments.pop("token", ""))
    return Call(method, arguments, token or None)


def _read_json(body: bytes) -> Json:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        return {"_error": "invalid_json"}
    return value if isinstance(value, dict) else {"_error": "json_not_object"}


def read_channel(store: Store, call: Call, name: str = "channel") -> Channel:
    """Return a conversation that the bot may read."""
    channel = store.channels.get(call.text(name))
    team = store.tokens.get(call.token or "", store.settings.team_id)
    if channel is not None and store.team_of(channel.id) != team:
        raise ApiError("channel_not_found")
    is_member = channel is not None and store.settings.bot_user_id in channel.members
    if channel is None or (channel.kind != "channel" and not is_member):
        raise ApiError("channel_not_found")
    return channel


def member_channel(store: Store, call: Call, name: str = "channel") -> Channel:
    """Return a conversation that the bot is in."""
    channel = read_channel(store, call, name)
    if store.settings.bot_user_id not in channel.members:
        raise ApiError("not_in_channel")
    return channel


def writable_channel(store: Store, call: Call, name: str = "channel") -> Channel:
    """Return a conversation that the bot may post to."""
    channel = read_channel(store, call, name)
    if channel.is_archived:
        raise ApiError("is_archived")
    return member_channel(store, call, name)


def read_message(store: Store, call: Call, channel: Channel, name: str = "ts") -> Message:
    """Return a visible message of the channel."""
    message = store.find(channel.id, call.need(name, "message_not_found"))
    if message is None:
        raise ApiError("message_not_found")
    return message


def own_message(store: Store, call: Call, channel: Channel, error: str) -> Message:
    """Return a message that this app posted; refuse with `error` if somebody else did."""
    message = read_message(store, call, channel)
    if message.bot_id != store.settings.bot_id:
        raise ApiError(error)
    return message
