"""The way of every HTTP request: recorded, faults, authorization, limits, handler, answer.

Handlers are plain functions from a Call to an Answer; they raise ApiError for anything else. This
file owns the sockets, so the faults that cut them happen here.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import BodyPartReader, hdrs, web

from tests.fakes import discord_settings as limits
from tests.fakes.discord_errors import (
    INVALID_JSON,
    REQUEST_TOO_LARGE,
    UNKNOWN_CHANNEL,
    ApiError,
    api_error,
    not_found,
    unauthorized,
)
from tests.fakes.discord_faults import Fault, FaultKind, Faults
from tests.fakes.discord_model import RequestRecord, UploadedFile
from tests.fakes.discord_rates import VIA, BucketKey, RateLimiter, too_many_requests
from tests.fakes.discord_settings import Json
from tests.fakes.discord_world import World
from tests.fakes.late_answers import pause

API_PREFIX = "/api/v10"
_CLOUDFLARE_BAN = "<html><title>Access denied</title>error code: 1015</html>"
_BAD_GATEWAY = "<html><title>502 Bad Gateway</title>cloudflare</html>"


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the request and the ids from its path."""

    record: RequestRecord
    params: dict[str, str]

    @property
    def body(self) -> Json:
        """The JSON object that was sent, empty if something else was."""
        return self.record.body if isinstance(self.record.body, dict) else {}

    def get_id(self, name: str) -> int:
        """Return an id from the path, 0 if it is not a number."""
        text = self.params[name]
        return int(text) if text.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: JSON with its status, or 204 without a body."""

    payload: object = None
    status: int = 200


Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `is_open` needs no bot token; `is_counted` goes to the global limit."""

    method: str
    path: str
    handler: Handler
    is_open: bool = False
    is_counted: bool = True


@dataclass(eq=False)
class Pipeline:
    """Serves the routes of one fake."""

    world: World
    token: str
    faults: Faults
    limiter: RateLimiter

    def endpoint(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the aiohttp handler of a route."""

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, route)

        return serve

    async def _serve(self, request: web.Request, route: Route) -> web.StreamResponse:
        try:
            record = await _read_record(request, route.path)
        except ApiError as error:
            return write_json(error.status, error.body)
        self.world.requests.append(record)
        self.world.changes.notify()
        if delay := self._take(FaultKind.DELAY, record):
            await asyncio.sleep(delay.delay_s)
        if self._take(FaultKind.DROP_BEFORE, record):
            return _hang_up(request)
        if fault := self._take(FaultKind.ANSWER, record):
            return _write_fault(fault)
        response = self._respond(Call(record, dict(request.match_info)), route)
        self.world.changes.notify()
        if self._take(FaultKind.DROP_AFTER, record):
            return _hang_up(request)
        if self._take(FaultKind.BAD_GATEWAY_AFTER, record):
            return web.Response(status=502, text=_BAD_GATEWAY, content_type="text/html")
        if delay := self._take(FaultKind.DELAY_AFTER, record):
            await pause(request, delay.delay_s)
        return response

    def _take(self, kind: FaultKind, record: RequestRecord) -> Fault | None:
        return self.faults.take(kind, record.method, record.route, record.path)

    def _respond(self, call: Call, route: Route) -> web.Response:
        headers: dict[str, str] = {}
        try:
            self._check_token(call, route)
            headers = self._check_limits(call, route)
            self._check_channel(call)
            answer = route.handler(call)
        except ApiError as error:
            return write_json(error.status, error.body, headers | error.headers)
        if answer.payload is None:
            return web.Response(status=204, headers=headers)
        return write_json(answer.status, answer.payload, headers)

    def _check_token(self, call: Call, route: Route) -> None:
        given = call.record.headers.get(hdrs.AUTHORIZATION)
        is_right = given == f"Bot {self.token}" and not self.world.is_token_reset
        if not route.is_open and not is_right:
            raise unauthorized()

    def _check_limits(self, call: Call, route: Route) -> dict[str, str]:
        if route.is_counted:
            self.limiter.take_global()
        if "channel_id" not in call.params:
            return {}
        return self.limiter.take(BucketKey(route.method, route.path, call.params["channel_id"]))

    def _check_channel(self, call: Call) -> None:
        if "channel_id" not in call.params:
            return
        channel = self.world.channels.get(call.get_id("channel_id"))
        if channel is None:
            raise not_found(UNKNOWN_CHANNEL)
        is_read = call.record.method == hdrs.METH_GET
        for place in (channel, self.world.channels.get(channel.parent_id or 0)):
            if place and place.denied_code and not (is_read and place.is_readable):
                raise api_error(403, place.denied_code)


def write_json(status: int, payload: object, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON response.

    The content type has no charset: discord.py reads a body as JSON only if the type is exactly
    this (http.py, json_or_text).
    """
    content_type = {hdrs.CONTENT_TYPE: "application/json"}
    body = json.dumps(payload).encode()
    return web.Response(status=status, body=body, headers=(headers or {}) | content_type)


async def _read_record(request: web.Request, route: str) -> RequestRecord:
    if (request.content_length or 0) > limits.MAX_REQUEST_BYTES:
        raise api_error(413, REQUEST_TOO_LARGE)
    files: list[UploadedFile] = []
    if request.content_type.startswith("multipart/"):
        text = await _read_multipart(request, files)
    else:
        text = await request.read()
    return RequestRecord(
        method=request.method,
        route=route,
        path=request.path.removeprefix(API_PREFIX),
        query=dict(request.query),
        headers=request.headers.copy(),
        body=_parse_json(text),
        files=tuple(files),
        at_s=asyncio.get_running_loop().time(),
    )


async def _read_multipart(request: web.Request, files: list[UploadedFile]) -> bytes:
    """Collect the files and return the text of `payload_json` (Reference, Uploading Files)."""
    payload = b""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        content = bytes(await part.read())
        if part.name == "payload_json":
            payload = content
        else:
            kind = part.headers.get(hdrs.CONTENT_TYPE, "application/octet-stream")
            files.append(UploadedFile(part.name or "", part.filename or "", kind, content))
    return payload


def _parse_json(text: bytes) -> object:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise api_error(400, INVALID_JSON) from None


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; the response returned goes nowhere."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=500)


def _write_fault(fault: Fault) -> web.Response:
    if fault.is_from_cloudflare:
        wait = {hdrs.RETRY_AFTER: str(int(fault.retry_after_s or 0))}
        return web.Response(
            status=fault.status, text=_CLOUDFLARE_BAN, content_type="text/html", headers=wait
        )
    if fault.status == 429:
        error = too_many_requests(fault.retry_after_s or 0.0, is_global=fault.is_global)
        return write_json(429, error.body, error.headers)
    error = api_error(fault.status, fault.code)
    wait = {} if fault.retry_after_s is None else {hdrs.RETRY_AFTER: str(fault.retry_after_s)}
    return write_json(error.status, error.body, VIA | wait)
