"""Slack: the only file that imports slack_bolt and slack_sdk.

Listeners do one thing, ``Reception.receive``, and Bolt acknowledges after it: a message that the
ledger could not take is not acknowledged, and Slack sends it again.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bots.reception import Reception
from bots.render.slack import render_for_slack
from bots.slack_adapter import events
from shared.errors import (
    MessageGoneError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    TokenError,
    UndeliverableError,
)
from shared.jobs import Job
from shared.logs import get_logger

log = get_logger(__name__)

NUM_SOCKETS = 2
"""Slack refreshes connections now and then; with two, one of them is always open."""
EDIT_EVERY_S = 1.0
PLACEHOLDER = "…"
RECEIVE_TIMEOUT_S = 2.5
"""Slack waits 3 s for the acknowledgement."""
CALL_TIMEOUT_S = 10
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
        "ratelimited",
        "rate_limited",
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
HTTP_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class SlackAccess:
    """What is needed to talk to one workspace."""

    bot_token: str
    api_url: str
    app_token: str | None = None
    signing_secret: str | None = None


def make_client(access: SlackAccess, *, is_idempotent: bool) -> AsyncWebClient:
    """A Web API client; only idempotent calls may be repeated after a broken connection.

    slack_sdk repeats every call by default, which posts twice when the connection breaks after the
    post was taken.
    """
    handlers: list[AsyncRetryHandler] = [
        AsyncRateLimitErrorRetryHandler(max_retry_count=MAX_RATE_LIMIT_RETRIES)
    ]
    if is_idempotent:
        handlers.append(AsyncConnectionErrorRetryHandler())
    return AsyncWebClient(
        token=access.bot_token,
        base_url=access.api_url,
        timeout=CALL_TIMEOUT_S,
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
    placeholder: str | None = PLACEHOLDER

    def __init__(self, access: SlackAccess) -> None:
        self._poster = make_client(access, is_idempotent=False)
        self._client = make_client(access, is_idempotent=True)

    def render(self, text: str) -> Sequence[str]:
        """Parts of mrkdwn within Slack's limits."""
        return render_for_slack(text)

    async def post(self, job: Job, part: int, text: str) -> str:
        """Post in the thread of the question. See ``delivery.Surface``."""
        payload = {"job_id": job.id, "part": part}
        with _translated():
            answer = await self._poster.chat_postMessage(
                channel=job.origin.channel,
                thread_ts=job.origin.thread or None,
                text=text,
                metadata={"event_type": METADATA_TYPE, "event_payload": payload},
                unfurl_links=False,
                unfurl_media=False,
                parse="none",
                link_names=False,
            )
        return str(answer["ts"])

    async def edit(self, job: Job, message: str, text: str) -> None:
        """Replace a posted message's text. See ``delivery.Surface``."""
        with _translated():
            await self._client.chat_update(
                channel=job.origin.channel, ts=message, text=text, parse="none", link_names=False
            )

    async def find(self, job: Job, part: int) -> str | None:
        """Look for a message of ours by its metadata. See ``delivery.Surface``."""
        origin = job.origin
        search: dict[str, Any] = {
            "channel": origin.channel,
            "include_all_metadata": True,
            "oldest": origin.message,
            "limit": SEARCH_LIMIT,
        }
        with _translated():
            if origin.thread:
                answer = await self._client.conversations_replies(ts=origin.thread, **search)
            else:
                answer = await self._client.conversations_history(**search)
        wanted = {"job_id": job.id, "part": part}
        for message in answer["messages"]:
            if message.get("metadata", {}).get("event_payload") == wanted:
                return str(message["ts"])
        return None

    async def show_busy(self, job: Job) -> None:
        """The placeholder shows it."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Slack's exceptions as ours, with their cause."""
    try:
        yield
    except SlackApiError as error:
        name, status = _fault(error)
        if name in GONE_ERRORS:
            raise MessageGoneError(name) from error
        if name in PASSING_ERRORS or status >= HTTP_SERVER_ERROR or not name:
            raise PlatformUnavailableError(name or str(status)) from error
        raise UndeliverableError(name) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
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


class SlackAdapter:
    """Slack's events into the reception: over Socket Mode, or over HTTP."""

    def __init__(
        self,
        access: SlackAccess,
        me: events.Identity,
        reception: Reception,
        auto_reply_channels: frozenset[str],
    ) -> None:
        self._access = access
        self._me = me
        self._reception = reception
        self._auto_reply_channels = auto_reply_channels
        self._app = AsyncApp(
            client=make_client(access, is_idempotent=True),
            authorize=_known(access, me),
            signing_secret=access.signing_secret,
            process_before_response=True,
        )
        self._app.event("app_mention")(self._on_message)
        self._app.event("message")(self._on_message)
        self._app.event(re.compile(".*"))(_ignore)

    async def run(self) -> None:
        """Serve until cancelled. See ``adapters.Adapter``."""
        if self._access.app_token is None:
            log.info("slack_ready", way_in="http")
            await asyncio.Event().wait()
            return
        handlers = [
            AsyncSocketModeHandler(self._app, self._access.app_token) for _ in range(NUM_SOCKETS)
        ]
        try:
            with _socket_faults(self._access):
                for handler in handlers:
                    await handler.connect_async()  # type: ignore[no-untyped-call]  # no types
            log.info("slack_ready", way_in="socket_mode")
            await asyncio.Event().wait()
        finally:
            for handler in handlers:
                await handler.close_async()  # type: ignore[no-untyped-call]  # no types

    async def handle_http(self, request: web.Request) -> web.Response:
        """Answer one request of Slack's Events API; Bolt checks its signature."""
        if not request.headers.get("X-Slack-Request-Timestamp", "").isdecimal():
            return web.Response(status=401)
        bolt_request = await to_bolt_request(request)
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    async def _on_message(self, body: dict[str, Any]) -> None:
        """Accept a message; Bolt acknowledges only if this returns."""
        await asyncio.wait_for(self._receive(body), RECEIVE_TIMEOUT_S)

    async def _receive(self, body: dict[str, Any]) -> None:
        origin = events.origin_of(body, self._me)
        if origin is None:
            return
        is_follow_up = events.is_in_thread(body) and await self._reception.store.takes_part(origin)
        incoming = events.to_incoming(
            body,
            origin,
            self._me,
            takes_part=is_follow_up,
            is_auto_reply=origin.channel in self._auto_reply_channels,
        )
        await self._reception.receive(incoming)


async def _ignore() -> None:
    """Acknowledge events that we subscribe to for nothing, or Slack sends them again."""
