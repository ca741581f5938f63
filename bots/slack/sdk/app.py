"""Slack's events, commands and menus, received by Socket Mode or by HTTP.

Bolt's event listeners only call ``SlackEventHandler.on_event``, and Bolt acknowledges after it: a
message that could not be accepted is not acknowledged, and Slack sends it again.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from slack_bolt import BoltResponse
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.logger.messages import (
    warning_client_prioritized_and_token_skipped,
    warning_token_skipped,
)
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bots.slack.event_gate import EventGate
from bots.slack.parse.events import EventType, name_of
from bots.slack.parse.payloads import Json, read_body
from bots.slack.sdk.client import START_S, Account, SlackAccess, make_client, socket_faults
from bots.slack.sdk.errors import translated
from shared.logs import get_logger

log = get_logger(__name__)

PING_EVERY_S = 5
CLOSE_S = 2
TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Slack-Request-Timestamp", "X-Slack-Signature"
ANY = re.compile(".*")
PARTS = ("team", "enterprise", "user", "channel", "message", "view", "container")
WORDS = ("type", "callback_id", "trigger_id", "response_url", "action_ts")
EVENT_ID = "event_id"
FORM = "application/x-www-form-urlencoded"
Authorize = Callable[..., Awaitable[AuthorizeResult]]
"""Bolt calls it with those of its arguments that it names, such as ``team_id``."""
IsTaken = Callable[[AsyncBoltRequest], Awaitable[bool]]
"""See ``EventsApp._is_taken``."""
KNOWN = "known"
"""Where the context of Bolt's request has an event as ``read_body`` leaves it."""
JSON_HEADERS: dict[str, str | Sequence[str]] = {"content-type": "application/json"}


class SlackEventHandler(Protocol):
    """Receives events and interactions."""

    def is_unwanted(self, body: Json) -> bool:
        """Whether an event may be acknowledged without being handled."""
        ...

    async def on_event(self, body: Json) -> bool:
        """Handle an event; False if it could not be accepted and Slack should send it again."""
        ...

    async def on_command(self, payload: Json) -> dict[str, Any]:
        """Handle a slash command within two seconds; returns the body of its acknowledgement."""
        ...

    async def on_shortcut(self, payload: Json) -> None:
        """Handle a menu entry within two seconds."""
        ...

    async def on_button(self, payload: Json) -> None:
        """Handle a pressed button within two seconds."""
        ...

    async def on_view(self, payload: Json) -> dict[str, Any]:
        """Handle a submitted view within two seconds; returns the body of its acknowledgement."""
        ...


def _is_worth_reading(record: logging.LogRecord) -> bool:
    return record.getMessage() not in {
        warning_client_prioritized_and_token_skipped(),
        warning_token_skipped(),
    }


class EventsApp:
    """Receives Slack's events, by Socket Mode or by HTTP, for one handler."""

    def __init__(
        self, access: SlackAccess, authorize: Authorize, event_handler: SlackEventHandler
    ) -> None:
        self._access = access
        self._event_handler = event_handler
        self._gate = EventGate()
        # Bolt warns that it does not use SLACK_BOT_TOKEN, which it finds in the environment.
        quiet = logging.getLogger("slack_bolt.quiet")
        quiet.addFilter(_is_worth_reading)
        self._app = AsyncApp(
            logger=quiet,
            name="parley",  # or Bolt looks for one in all the source files of the stack, for 0.1 s
            client=make_client(access, is_idempotent=True),
            authorize=authorize,
            process_before_response=True,
            request_verification_enabled=False,  # it fails on odd requests; see _is_signed
        )
        for kind in EventType:
            self._app.event(kind.value)(self._on_event)
        self._app.command(ANY)(self._on_command)
        self._app.shortcut(ANY)(self._on_shortcut)
        self._app.action(ANY)(self._on_action)
        self._app.view(ANY)(self._on_view)
        self._app.event(ANY)(_ignore)

    def make_sockets(self, num_sockets: int) -> "list[SocketModeConnection]":
        """Make connections that are not open yet."""
        token = self._access.app_token or ""
        return [
            SocketModeConnection(_Handler(self._app, token, self._is_taken), self._access)
            for _ in range(num_sockets)
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one HTTP request of Slack's: an event as JSON, a command or a menu as a form."""
        headers = request.headers
        timestamp, signature = headers.get(TIMESTAMP_HEADER), headers.get(SIGNATURE_HEADER)
        if not timestamp or not signature:
            return web.Response(status=401)
        raw = await request.read()
        if not _is_signed(self._access.signing_secret or "", timestamp, signature, raw):
            return web.Response(status=401)
        bolt_request = _read_form(raw) if request.content_type == FORM else _read_event(raw)
        if bolt_request is None:
            return web.Response(status=400)
        if EVENT_ID not in bolt_request.body:
            return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))
        is_taken = await self._is_taken(bolt_request)
        return web.Response(status=HTTPStatus.OK if is_taken else HTTPStatus.SERVICE_UNAVAILABLE)

    async def close(self) -> None:
        """Cancel the handling in progress."""
        await self._gate.close()

    async def _is_taken(self, request: AsyncBoltRequest) -> bool:
        """Handle an event when it is its turn, through Bolt, unless it is part of a flood."""
        known: Json | None = request.context.get(KNOWN)
        if known is None:
            log.warning("event_malformed")
            return True  # a copy of it would be no better

        async def handle() -> bool:
            if self._event_handler.is_unwanted(known):
                return True
            response = await self._app.async_dispatch(request)
            return response.status == HTTPStatus.OK

        return await self._gate.take(name_of(known), handle)

    async def _on_event(self, context: AsyncBoltContext) -> BoltResponse | None:
        """Pass an event to the handler; Bolt acknowledges it only if that succeeds."""
        known: Json | None = context.get(KNOWN)
        if known is not None and not await self._event_handler.on_event(known):
            return BoltResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return None

    async def _on_command(self, body: dict[str, Any]) -> BoltResponse:
        return BoltResponse(status=200, body=await self._event_handler.on_command(body) or "")

    async def _on_shortcut(self, body: dict[str, Any]) -> BoltResponse:
        await self._event_handler.on_shortcut(body)
        return BoltResponse(status=200, body="")

    async def _on_action(self, body: dict[str, Any]) -> BoltResponse:
        await self._event_handler.on_button(body)
        return BoltResponse(status=200, body="")

    async def _on_view(self, body: dict[str, Any]) -> BoltResponse:
        return BoltResponse(status=200, body=await self._event_handler.on_view(body) or "")


def known_as(account: Account) -> Authorize:
    """The identity in the one workspace, as Bolt expects it; known since the start.

    By default Bolt calls ``auth.test``, and acknowledges the event unhandled if that fails.
    """

    async def authorize() -> AuthorizeResult:
        return authorized(account)

    return authorize


def found_by(find: "Callable[[str], Awaitable[Account | None]]") -> Authorize:
    """The identity in the workspace of an event, as Bolt expects it."""

    async def authorize(team_id: str | None) -> AuthorizeResult:
        account = await find(team_id or "")
        # Bolt itself tells users where the app is not installed; its type leaves that out.
        return authorized(account) if account else None  # type: ignore[return-value]

    return authorize


def authorized(account: Account) -> AuthorizeResult:
    """An account's identity, as Bolt expects it."""
    return AuthorizeResult(
        enterprise_id=None,
        team_id=account.me.team_id,
        bot_user_id=account.me.user_id,
        bot_token=account.access.bot_token,
    )


class _Handler(AsyncSocketModeHandler):
    """Bolt's handler, but events take turns and a lost acknowledgement is no error."""

    def __init__(self, app: AsyncApp, token: str, is_taken: IsTaken) -> None:
        # ``sockets`` logs connection errors, once and without a traceback.
        quiet = logging.getLogger("slack_sdk.socket_mode.quiet")
        quiet.setLevel(logging.CRITICAL)
        super().__init__(app, token, logger=quiet, ping_interval=PING_EVERY_S)
        self._is_taken = is_taken

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as the class above it
        """Handle a message from a socket."""
        try:
            if EVENT_ID not in req.payload:
                await super().handle(client, req)
            elif await self._is_taken(_socket_event(req.payload)):
                seen = SocketModeResponse(envelope_id=req.envelope_id)
                await client.send_socket_mode_response(seen)
        except (aiohttp.ClientError, OSError) as error:
            log.info("answer_lost", error=type(error).__name__)  # Slack sends the event again


class SocketModeConnection:
    """One Socket Mode connection. See ``sockets.Socket``."""

    def __init__(self, handler: _Handler, access: SlackAccess) -> None:
        self._client = handler.client
        self._access = access

    async def open(self) -> None:
        """Connect for the first time.

        Raises:
            TokenError: Slack refuses the app token.
            PlatformUnreachableError: it does not answer.
        """
        with socket_faults(self._access):
            async with asyncio.timeout(START_S):
                url = await self._client.issue_new_wss_url()
            if not isinstance(url, str) or not url:
                raise TypeError("There is no address of a socket.")
            self._client.wss_uri = url
        await self._client.connect()  # type: ignore[no-untyped-call]  # no types

    async def session(self) -> object | None:
        """The connection, if it is alive; another object after each reconnect."""
        return self._client.current_session if await self._client.is_connected() else None

    async def reopen(self) -> None:
        """Connect again, unless that is being done.

        Raises:
            PlatformError: it did not work.
        """
        # An address opens one connection: the SDK would retry the one that it has for ever.
        self._client.wss_uri = None
        with translated():
            await self._client.connect_to_new_endpoint()

    async def close(self) -> None:
        """Close it, without waiting long for Slack."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._client.close()  # type: ignore[no-untyped-call]  # no types
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("socket_not_closed", error=type(error).__name__)
        finally:
            await self._client.aiohttp_client_session.close()


def _is_signed(secret: str, timestamp: str, signature: str, body: bytes) -> bool:
    """Whether Slack has signed a request in the last five minutes."""
    if not timestamp.isdecimal():
        return False
    try:
        return SignatureVerifier(secret).is_valid(body, timestamp, signature)
    except (ValueError, TypeError, OverflowError):  # invalid text or an impossible time
        return False


def _socket_event(payload: dict[str, Any]) -> AsyncBoltRequest:
    """An event from a socket as Bolt expects it."""
    return AsyncBoltRequest(mode="socket_mode", body=payload, context={KNOWN: read_body(payload)})


def _read_event(raw: bytes) -> AsyncBoltRequest | None:
    """The body of an event as Bolt expects it; None if it is not one.

    Bolt gets the fields that are used here and no more: it fails on odd ones.
    """
    try:
        body = read_body(json.loads(raw))
    except (ValueError, RecursionError):
        return None
    if body is None:
        return None
    return AsyncBoltRequest(body=json.dumps(body), headers=JSON_HEADERS, context={KNOWN: body})


def _read_form(raw: bytes) -> AsyncBoltRequest | None:
    """The body of a command or a menu as Bolt expects it; None if it is not one."""
    try:
        text = raw.decode()
        if payload := parse_qs(text).get("payload"):
            document = json.loads(payload[0])
            if not isinstance(document, dict) or not _is_sound(document):
                return None
        return AsyncBoltRequest(body=text, headers={"content-type": FORM})
    except (ValueError, RecursionError):
        return None


def _is_sound(payload: Json) -> bool:
    """Whether an interaction has the shape that Bolt assumes."""
    actions = payload.get("actions", [{}])
    if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
        return False
    parts = all(isinstance(payload.get(name), dict | None) for name in PARTS)
    return parts and all(isinstance(payload.get(name), str | None) for name in WORDS)


async def _ignore() -> None:
    """Acknowledge unused events that we are subscribed to, or Slack sends them again."""
