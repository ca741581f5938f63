"""The fake Slack's controls over HTTP, for a test in another process or another language.

`POST /_control/<name>` calls the driving method of that name with the JSON body as its keyword
arguments; `GET /_control/<name>` shows state. SLACK.md is the list.
"""

import asyncio
import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Protocol

from aiohttp import web

from tests.fakes.slack_settings import Json, Settings
from tests.fakes.slack_sockets import Connection

METHODS = (
    "add_channel",
    "add_user",
    "add_usergroup",
    "announce",
    "answer_500_after",
    "challenge",
    "clear_faults",
    "delay",
    "delay_after",
    "delete_message",
    "disconnect_sockets",
    "drop_connection_after",
    "drop_connection_before",
    "drop_sockets",
    "edit_message",
    "emit",
    "expire_streams",
    "fail_next",
    "keep_tiers",
    "open_home",
    "pin",
    "press_button",
    "press_in_view",
    "press_stop",
    "rate_limit",
    "reads",
    "react",
    "refuse_sockets",
    "say",
    "say_as_bot",
    "say_unheard",
    "send_interactive",
    "send_raw",
    "share",
    "slash",
    "submit_view",
    "unpin",
    "use_message_shortcut",
    "use_shortcut",
    "wait_for_connections",
    "wait_for_message",
)
# Read once, at the start.
_FIXED = ("port", "first_ts_s")


class Observed(Protocol):
    """What there is to see of a fake Slack."""

    @property
    def connections(self) -> Sequence[Connection]: ...
    @property
    def deliveries(self) -> Sequence[object]: ...
    @property
    def requests(self) -> Sequence[object]: ...
    @property
    def statuses(self) -> Sequence[object]: ...
    @property
    def views(self) -> Sequence[object]: ...
    def messages(self, channel: str) -> Sequence[object]: ...
    def calls(self, method: str) -> Sequence[object]: ...


def add_control_routes(app: web.Application, slack: Observed) -> None:
    """Add the routes below `/_control/` to the server's application."""
    controls = Controls(slack)
    app.router.add_post("/_control/{name}", controls.act)
    app.router.add_get("/_control/{name}", controls.show)


class Controls:
    """Turns requests into calls and their results into JSON."""

    def __init__(self, slack: Observed) -> None:
        self._slack = slack
        self._views: dict[str, Callable[[Mapping[str, str]], object]] = {
            "connections": lambda _: [_connection_json(c) for c in slack.connections],
            "deliveries": lambda _: slack.deliveries,
            "messages": lambda query: slack.messages(query["channel"]),
            "requests": lambda query: (
                slack.calls(query["method"]) if "method" in query else slack.requests
            ),
            "settings": lambda _: self._settings(),
            "statuses": lambda _: slack.statuses,
            "views": lambda _: slack.views,
        }

    async def show(self, request: web.Request) -> web.Response:
        """Answer a GET."""
        view = self._views.get(request.match_info["name"])
        if view is None:
            return _refuse(
                404, f"there is nothing to see by that name; there is {list(self._views)}"
            )
        try:
            return _accept(view(request.query))
        except KeyError as missing:
            return _refuse(400, f"give {missing} in the query")

    async def act(self, request: web.Request) -> web.Response:
        """Answer a POST."""
        name = request.match_info["name"]
        try:
            arguments: Json = await request.json() if request.can_read_body else {}
            if name == "settings":
                return _accept(self._change_settings(arguments))
            if name not in METHODS:
                return _refuse(404, f"there is no control {name}; there are {list(METHODS)}")
            return _accept(await self._call(name, arguments))
        except TimeoutError as error:
            return _refuse(408, str(error))
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            return _refuse(400, str(error))

    async def _call(self, name: str, arguments: Json) -> object:
        result = getattr(self._slack, name)(**arguments)
        return await result if inspect.isawaitable(result) else result

    def _settings(self) -> Json:
        names = [f.name for f in dataclasses.fields(Settings) if f.name != "clock"]
        return {name: getattr(self._slack, name) for name in names}

    def _change_settings(self, changes: Json) -> Json:
        unknown = [n for n in changes if n not in self._settings() or n in _FIXED]
        if unknown:
            raise ValueError(f"not to be set: {unknown}")
        for name, value in changes.items():
            setattr(self._slack, name, value)
        return self._settings()


def _connection_json(connection: Connection) -> Json:
    names = ("number", "num_sent", "num_acked", "is_draining")
    return {name: getattr(connection, name) for name in names}


def _accept(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result}, dumps=_dumps)


def _refuse(status: int, why: str) -> web.Response:
    return web.json_response({"ok": False, "error": why}, status=status)


def _dumps(value: object) -> str:
    return json.dumps(value, default=_to_json)


def _to_json(value: object) -> object:
    """Return what stands for a value that is not JSON by itself."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {n: v for n, v in fields.items() if not isinstance(v, asyncio.Event)}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
