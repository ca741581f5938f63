"""The driving methods of a fake Discord over HTTP, for another process or another language.

`POST /_control/NAME` with the arguments as a JSON object calls the method of that name and
answers with its result. Ids go out as strings, because they do not fit a JavaScript number, and
come in as strings or numbers.
"""

import base64
import dataclasses
import inspect
from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from aiohttp import web

from tests.fakes.discord_http import write_json
from tests.fakes.discord_model import Attachment
from tests.fakes.discord_settings import Json

# The methods that can be called, and the attributes that can be read, by their names.
ACTIONS = frozenset(
    {
        *("add_user", "add_guild", "add_role", "add_channel", "add_dm", "add_thread"),
        "give_role",
        *("deny_channel", "allow_channel", "configure"),
        *("deny_member", "close_direct_messages", "pin", "unpin", "type_option"),
        *("say", "edit_message", "delete_message", "react", "unreact"),
        *("call_command", "call_message_menu", "press_button", "choose", "submit_modal"),
        *("messages", "replies", "wait_for_replies", "wait_until_connected"),
        *("fail_next", "ban_by_cloudflare", "delay", "clear_faults", "answer_502_after"),
        "delay_after",
        *("drop_connection_before", "drop_connection_after"),
        *("drop_gateways", "close_gateways", "invalidate_sessions", "request_reconnect"),
        "revoke_token",
        *("requests", "typing", "gateway_status"),
    }
)
# The largest whole number a double holds: ECMA-262, Number.MAX_SAFE_INTEGER
MAX_SAFE_INTEGER = 2**53 - 1
_ID_NAMES = frozenset({"reply_to"})
_ID_LISTS = frozenset({"mentions", "members"})


class Controls:
    """Calls the methods of `target` by name."""

    def __init__(self, target: object) -> None:
        self._target = target

    async def handle(self, request: web.Request) -> web.Response:
        """Serve one call."""
        name = request.match_info["action"]
        if name not in ACTIONS:
            return _fail(404, f"no control {name!r}, only {sorted(ACTIONS)}")
        try:
            given = await request.json() if request.can_read_body else {}
            found = getattr(self._target, name)
            result = found(**_read_arguments(given)) if callable(found) else found
            if inspect.isawaitable(result):
                result = await result
        except TimeoutError as error:
            return _fail(504, str(error))
        except (TypeError, ValueError, LookupError) as error:
            return _fail(400, f"{type(error).__name__}: {error}")
        return write_json(200, to_json(result))


def _fail(status: int, text: str) -> web.Response:
    return write_json(status, {"error": text})


def _read_arguments(given: Json) -> Json:
    return {name: _read_argument(name, value) for name, value in given.items()}


def _read_argument(name: str, value: object) -> object:
    if isinstance(value, str) and (name.endswith("_id") or name in _ID_NAMES):
        return int(value)
    if isinstance(value, list) and name in _ID_LISTS:
        return [int(item) for item in value]
    if isinstance(value, list) and name == "attachments":
        return [_read_attachment(item) for item in value]
    return value


def _read_attachment(given: Json) -> Attachment:
    kind = given.get("content_type", "application/octet-stream")
    return Attachment(given["filename"], base64.b64decode(given["content_base64"]), kind)


def to_json(value: object) -> object:
    """Return a result as JSON values: bytes as base64, times as ISO 8601, long ids as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return _to_scalar(value)


def _to_scalar(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        return str(value)
    return value
