"""Slack's Web API clients, the calls that they may repeat, and the bot's identity."""

import asyncio
import contextlib
from dataclasses import dataclass

from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.parse.text import Identity
from bots.slack.sdk.errors import start_up_faults

CALL_TIMEOUT_S = 10
POST_TIMEOUT_S = 30
"""A post that is given up may still appear later, unseen: waiting for it is better."""
MAX_RATE_LIMIT_RETRIES = 3
START_S = 60
"""For each call of a start, with its retries: a proxy may ask for an hour's patience."""


@dataclass(frozen=True, slots=True)
class SlackAccess:
    """The tokens and the address of one workspace."""

    bot_token: str
    api_url: str
    app_token: str | None = None
    signing_secret: str | None = None


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """The credentials of the app that workspaces install."""

    client_id: str
    client_secret: str
    api_url: str


@dataclass(frozen=True, slots=True)
class Account:
    """The bot's identity and tokens in a workspace."""

    access: SlackAccess
    me: Identity


def make_client(
    access: SlackAccess, *, is_idempotent: bool, is_patient: bool = True
) -> AsyncWebClient:
    """A Web API client; only idempotent calls may be repeated after a broken connection.

    slack_sdk repeats every call by default, which posts twice when the connection breaks after the
    post was accepted.

    Args:
        access: to which workspace.
        is_idempotent: whether its calls may be repeated.
        is_patient: whether a call waits as long as Slack asks callers to; else it fails, and its
            caller decides what to send first.
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


async def identify(access: SlackAccess) -> Identity:
    """Ask Slack for the bot's identity.

    Raises:
        TokenError: Slack does not know the token.
        PlatformUnreachableError: Slack does not answer, or something else does.
    """
    where = "copy it again from your app's page, OAuth & Permissions"
    with start_up_faults(access.api_url, "SLACK_BOT_TOKEN", where):
        async with asyncio.timeout(START_S):
            answer = await make_client(access, is_idempotent=True).auth_test()
        user_id, team_id = answer.get("user_id"), answer.get("team_id")
        if not isinstance(user_id, str) or not isinstance(team_id, str):
            raise TypeError("An identity has two ids.")
    return Identity(
        user_id,
        team_id,
        url=str(answer.get("url") or ""),
        enterprise_id=str(answer.get("enterprise_id") or ""),
    )


async def check_app_token(access: SlackAccess) -> None:
    """Check that the app token may open a socket; opens none.

    Raises:
        TokenError: it may not.
        PlatformUnreachableError: Slack does not answer.
    """
    with socket_faults(access):
        async with asyncio.timeout(START_S):
            await make_client(access, is_idempotent=True).apps_connections_open(
                app_token=access.app_token or ""
            )


def socket_faults(access: SlackAccess) -> contextlib.AbstractContextManager[None]:
    """Raise errors of opening a socket as ours."""
    where = "it needs the scope connections:write; see your app's page, Basic Information"
    return start_up_faults(access.api_url, "SLACK_APP_TOKEN", where)
