"""Slack: the only file that imports slack_bolt and slack_sdk.

Listeners do one thing, ``Hearer.hear``, and Bolt acknowledges after it: a message that could not be
taken is not acknowledged, and Slack sends it again.
"""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from slack_bolt import BoltResponse
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bots.render.slack import render_for_slack
from bots.slack_adapter import events
from bots.slack_adapter.events import Json
from shared.errors import (
    MessageGoneError,
    PlatformSilentError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    RateLimitedError,
    TokenError,
    UndeliverableError,
)
from shared.jobs import Audience, Job
from shared.logs import get_logger
from shared.replies import Picture

log = get_logger(__name__)

EDIT_EVERY_S = 1.0
PLACEHOLDER = "…"
PING_EVERY_S = 5
CLOSE_S = 2
CONVERSATION_TYPES = "public_channel,private_channel,im,mpim"
PAGE = 200
TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Slack-Request-Timestamp", "X-Slack-Signature"
JSON_HEADERS: dict[str, str | Sequence[str]] = {"content-type": "application/json"}
CALL_TIMEOUT_S = 10
POST_TIMEOUT_S = 30
"""A post that is given up may yet stand there later, unseen: better to wait for it."""
SHORTEST_WAIT_S = 1.0
NOTICE_EVERY_S = 3.0
"""``chat.update`` is good for 50 calls a minute in a workspace; answers need most of them."""
MAX_RATE_LIMIT_RETRIES = 3
METADATA_TYPE = "parley_answer"
SEARCH_LIMIT = 100

TOKEN_ERRORS = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
        "missing_scope",
        "no_permission",
        "org_login_required",
    }
)
"""Somebody has to mend the token; answers wait until that is done."""
GONE_ERRORS = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""Our message can no longer be edited."""
PASSING_ERRORS = (TOKEN_ERRORS - {"missing_scope", "no_permission"}) | frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "team_added_to_org",
        "update_failed",
        "request_timeout",
        "accesslimited",
    }
)
"""Errors after which trying again may help (docs.slack.dev, the methods' error tables); after all
others it cannot."""
RATE_ERRORS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
HTTP_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class SlackAccess:
    """What is needed to talk to one workspace."""

    bot_token: str
    api_url: str
    app_token: str | None = None
    signing_secret: str | None = None


def make_client(
    access: SlackAccess, *, is_idempotent: bool, is_patient: bool = True
) -> AsyncWebClient:
    """A Web API client; only idempotent calls may be repeated after a broken connection.

    slack_sdk repeats every call by default, which posts twice when the connection breaks after the
    post was taken.

    Args:
        access: to which workspace.
        is_idempotent: whether its calls may be repeated.
        is_patient: whether a call waits as long as Slack asks callers to; else it fails, and its
            caller knows what is to go first then.
    """
    handlers: list[AsyncRetryHandler] = []
    if is_patient:
        handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=MAX_RATE_LIMIT_RETRIES))
    if is_idempotent:
        handlers.append(AsyncConnectionErrorRetryHandler())
    return AsyncWebClient(
        token=access.bot_token,
        base_url=access.api_url,
        timeout=CALL_TIMEOUT_S if is_idempotent else POST_TIMEOUT_S,
        retry_handlers=handlers,
    )


async def identify(access: SlackAccess) -> events.Identity:
    """Ask Slack who we are.

    Raises:
        TokenError: it does not know the token.
        PlatformUnreachableError: it does not answer.
    """
    where = "copy it again from your app's page, OAuth & Permissions"
    with _start_up_faults(access, "SLACK_BOT_TOKEN", where):
        answer = await make_client(access, is_idempotent=True).auth_test()
    return events.Identity(user_id=str(answer["user_id"]), team_id=str(answer["team_id"]))


async def check_app_token(access: SlackAccess) -> None:
    """Ask Slack whether the app token may open a socket; opens none.

    Raises:
        TokenError: it may not.
        PlatformUnreachableError: Slack does not answer.
    """
    with _socket_faults(access):
        await make_client(access, is_idempotent=True).apps_connections_open(
            app_token=access.app_token or ""
        )


def _socket_faults(access: SlackAccess) -> contextlib.AbstractContextManager[None]:
    where = "it needs the scope connections:write; see your app's page, Basic Information"
    return _start_up_faults(access, "SLACK_APP_TOKEN", where)


@contextlib.contextmanager
def _start_up_faults(access: SlackAccess, token: str, hint: str) -> Iterator[None]:
    """What goes wrong while starting: the token's fault, or a passing one of Slack's."""
    try:
        yield
    except SlackApiError as error:
        name, status = _fault(error)
        if name in TOKEN_ERRORS:
            raise TokenError(f"Slack refuses {token} ({name}): {hint}.") from error
        reason = name or f"HTTP {status}"
        raise PlatformUnreachableError("Slack", access.api_url, reason) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise PlatformUnreachableError("Slack", access.api_url, type(error).__name__) from error


class SlackSurface:
    """Slack as delivery sees it."""

    edit_every_s = EDIT_EVERY_S
    busy_every_s: float | None = None
    notice_every_s: float | None = NOTICE_EVERY_S
    placeholder: str | None = PLACEHOLDER

    def __init__(self, access: SlackAccess) -> None:
        self._poster = make_client(access, is_idempotent=False, is_patient=False)
        self._client = make_client(access, is_idempotent=True, is_patient=False)

    def render(self, text: str) -> Sequence[str]:
        """Parts of mrkdwn within Slack's limits."""
        return render_for_slack(text)

    def can_edit(self, job: Job) -> bool:
        """Slack shows what only one person sees once, and for good."""
        return job.origin.audience is Audience.CHANNEL

    async def post(self, job: Job, part: int, text: str, picture: Picture | None = None) -> str:
        """Post in the thread of the question. See ``surface.Surface``.

        Neither links nor anything else becomes more than text: ``parse="none"`` makes no links, and
        with the two others nothing behind an address is fetched.
        """
        payload = {"job_id": job.id, "part": part}
        with _translated():
            answer = await self._poster.chat_postMessage(
                channel=job.origin.channel,
                thread_ts=job.origin.thread or None,
                text=_with_description(text, picture),
                metadata={"event_type": METADATA_TYPE, "event_payload": payload},
                unfurl_links=False,
                unfurl_media=False,
                parse="none",
                link_names=False,
            )
        return str(answer["ts"])

    async def edit(self, job: Job, message: str, text: str, picture: Picture | None = None) -> None:
        """Replace a posted message's text. See ``surface.Surface``."""
        with _translated():
            await self._client.chat_update(
                channel=job.origin.channel,
                ts=message,
                text=_with_description(text, picture),
                parse="none",
                link_names=False,
            )

    async def delete(self, job: Job, message: str) -> None:
        """Delete a posted message. See ``surface.Surface``."""
        with _translated():
            await self._client.chat_delete(channel=job.origin.channel, ts=message)

    async def find(self, job: Job, part: int, text: str, after: str | None) -> Sequence[str]:
        """Look for a message of ours by its metadata. See ``surface.Surface``."""
        del text
        origin = job.origin
        search: dict[str, Any] = {
            "channel": origin.channel,
            "include_all_metadata": True,
            "oldest": after or origin.message,
            "limit": SEARCH_LIMIT,
        }
        with _translated():
            if origin.thread:
                answer = await self._client.conversations_replies(ts=origin.thread, **search)
            else:
                answer = await self._client.conversations_history(**search)
        wanted = {"job_id": job.id, "part": part}
        return [
            str(message["ts"])
            for message in answer["messages"]
            if message.get("metadata", {}).get("event_payload") == wanted
        ]

    async def react(self, job: Job, emoji: str) -> None:
        """Mark a message. See ``surface.Surface``."""
        origin = job.origin
        with _translated():
            await self._client.reactions_add(
                channel=origin.channel, timestamp=origin.message, name=emoji
            )

    async def show_busy(self, job: Job) -> None:
        """The placeholder shows it."""


def _with_description(text: str, picture: Picture | None) -> str:
    """The text, with words in the place of a picture."""
    return f"{text}\n\n[{picture.description}]" if picture else text


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Slack's exceptions as ours, with their cause."""
    try:
        yield
    except SlackApiError as error:
        name, status = _fault(error)
        if status == HTTPStatus.TOO_MANY_REQUESTS or name in RATE_ERRORS:
            raise RateLimitedError(_retry_after_s(error)) from error
        if name in GONE_ERRORS:
            raise MessageGoneError(name) from error
        if name in PASSING_ERRORS or status >= HTTP_SERVER_ERROR or not name:
            raise PlatformUnavailableError(name or str(status)) from error
        raise UndeliverableError(name) from error
    except TimeoutError as error:
        raise PlatformSilentError(type(error).__name__) from error
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        raise PlatformUnavailableError(type(error).__name__) from error


def _known(
    access: SlackAccess, me: events.Identity
) -> Callable[[], Coroutine[None, None, AuthorizeResult]]:
    """Who we are, as Bolt wants it; known since the start.

    Left to itself Bolt asks ``auth.test``, and acknowledges the event unhandled if that fails.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id=me.team_id,
            bot_user_id=me.user_id,
            bot_token=access.bot_token,
        )

    return authorize


def _fault(error: SlackApiError) -> tuple[str, int]:
    """An error's name, if it is Slack's own, and HTTP status.

    What stands before Slack may answer too: then slack_sdk hands on whatever it was given.
    """
    response: Any = error.response
    data = getattr(response, "data", response)
    name = str(data.get("error") or "") if isinstance(data, dict) else ""
    return name, int(getattr(response, "status_code", getattr(response, "status", 0)) or 0)


def _retry_after_s(error: SlackApiError) -> float:
    headers: Any = getattr(error.response, "headers", {})
    said = str(headers.get("Retry-After", ""))
    return max(SHORTEST_WAIT_S, float(said) if said.isdecimal() else 0.0)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A channel, group or direct message that we are in."""

    id: str
    is_direct: bool


class History:
    """What was said, read by the Web API; waits as long as Slack asks callers to."""

    def __init__(self, access: SlackAccess) -> None:
        self._client = make_client(access, is_idempotent=True)

    async def conversations(self, most: int) -> list[Conversation]:
        """Where we are.

        Raises:
            PlatformError: Slack does not say; a scope may be missing.
        """
        found: list[Conversation] = []
        cursor = ""
        while len(found) < most:
            with _translated():
                answer = await self._client.users_conversations(
                    types=CONVERSATION_TYPES, exclude_archived=True, limit=PAGE, cursor=cursor
                )
            channels: list[Json] = answer["channels"]
            found += [Conversation(str(c["id"]), bool(c.get("is_im"))) for c in channels]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
        return found[:most]

    async def messages(self, channel: str, after_s: float, most: int) -> list[Json]:
        """The latest messages of a channel after a time, the oldest first; none of its threads'.

        Raises:
            PlatformError: Slack does not show it.
        """
        with _translated():
            answer = await self._client.conversations_history(
                channel=channel, oldest=f"{after_s:.6f}", limit=most
            )
        messages: list[Json] = answer["messages"]
        return messages[::-1]

    async def replies(self, channel: str, thread: str, after_s: float, most: int) -> list[Json]:
        """The messages of a thread after a time. Raises as ``messages`` does."""
        with _translated():
            answer = await self._client.conversations_replies(
                channel=channel, ts=thread, oldest=f"{after_s:.6f}", limit=most
            )
        messages: list[Json] = answer["messages"]
        return messages


class Hearer(Protocol):
    """Who is told of events."""

    def is_unwanted(self, body: Json) -> bool:
        """Whether an event may be acknowledged without being looked at."""
        ...

    async def hear(self, body: Json) -> bool:
        """An event; False if it could not be taken and Slack should send it again."""
        ...


class EventsApp:
    """Slack's events, by Socket Mode or by HTTP, handed on to one function."""

    def __init__(self, access: SlackAccess, me: events.Identity, hearer: Hearer) -> None:
        self._access = access
        self._hearer = hearer
        self._app = AsyncApp(
            client=make_client(access, is_idempotent=True),
            authorize=_known(access, me),
            process_before_response=True,
            request_verification_enabled=False,  # it trips over odd requests; see _is_signed
        )
        self._app.event("app_mention")(self._on_event)
        self._app.event("message")(self._on_event)
        self._app.event(re.compile(".*"))(_ignore)

    def make_sockets(self, num_sockets: int) -> "list[Socket]":
        """Sockets that are not open yet."""
        token = self._access.app_token or ""
        return [
            Socket(_Handler(self._app, token, self._hearer), self._access)
            for _ in range(num_sockets)
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request of Slack's Events API."""
        headers = request.headers
        timestamp, signature = headers.get(TIMESTAMP_HEADER), headers.get(SIGNATURE_HEADER)
        if not timestamp or not signature:
            return web.Response(status=401)
        raw = await request.read()
        if not _is_signed(self._access.signing_secret or "", timestamp, signature, raw):
            return web.Response(status=401)
        body = _read_json(raw)
        if body is None:
            return web.Response(status=400)
        bolt_request = AsyncBoltRequest(body=json.dumps(body), headers=JSON_HEADERS)
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    async def _on_event(self, body: dict[str, Any]) -> BoltResponse | None:
        """Hand an event on; Bolt acknowledges it only if that goes well."""
        known = events.read_body(body)
        if known is None:
            log.warning("event_malformed")
        elif not await self._hearer.hear(known):
            return BoltResponse(status=503)
        return None


class _Handler(AsyncSocketModeHandler):
    """Bolt's handler, but that a flood does not reach Bolt and a lost answer is no error."""

    def __init__(self, app: AsyncApp, token: str, hearer: Hearer) -> None:
        # What goes wrong with a connection is said by ``sockets``, once and without a trace.
        quiet = logging.getLogger("slack_sdk.socket_mode.quiet")
        quiet.setLevel(logging.CRITICAL)
        super().__init__(app, token, logger=quiet, ping_interval=PING_EVERY_S)
        self._hearer = hearer

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as the class above it
        """Handle what came in over a socket."""
        try:
            if self._hearer.is_unwanted(req.payload):
                seen = SocketModeResponse(envelope_id=req.envelope_id)
                await client.send_socket_mode_response(seen)
            else:
                await super().handle(client, req)
        except (aiohttp.ClientError, OSError) as error:
            log.info("answer_lost", error=type(error).__name__)  # Slack sends the event again


class Socket:
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
        with _socket_faults(self._access):
            self._client.wss_uri = await self._client.issue_new_wss_url()
        await self._client.connect()  # type: ignore[no-untyped-call]  # no types

    async def session(self) -> object | None:
        """The connection, if it is alive; another object after each reconnect."""
        return self._client.current_session if await self._client.is_connected() else None

    async def reopen(self) -> None:
        """Connect again, unless that is being done.

        Raises:
            PlatformError: it did not work.
        """
        # An address opens one connection: the SDK would try the one that it has for ever.
        self._client.wss_uri = None
        with _translated():
            await self._client.connect_to_new_endpoint()

    async def close(self) -> None:
        """End it, without waiting long for Slack to say goodbye."""
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
    except (ValueError, TypeError, OverflowError):  # bytes that are no text, a number beyond time
        return False


def _read_json(raw: bytes) -> Json | None:
    try:
        return events.read_body(json.loads(raw))
    except (ValueError, RecursionError):
        return None


async def _ignore() -> None:
    """Acknowledge events that we subscribe to for nothing, or Slack sends them again."""
