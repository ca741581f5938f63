"""Translates Slack's exceptions into ours, with their cause, and lists Slack's error names."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from shared.errors import (
    ElsewhereError,
    MessageGoneError,
    NotThePlatformError,
    PlatformSilentError,
    PlatformUnavailableError,
    PlatformUnreachableError,
    RateLimitedError,
    TokenError,
    UndeliverableError,
)

SHORTEST_WAIT_S = 1.0
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
"""The operator has to fix the token; answers wait until then."""
GONE_ERRORS = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""Our message can no longer be edited."""
ELSEWHERE_ERRORS = frozenset({"channel_not_found", "not_in_channel", "user_not_in_channel"})
"""We, or the recipient, are not in the channel; one that is hidden from us is not found."""
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
STREAMING_ERRORS = frozenset({"streaming_state_conflict", "cant_delete_message"})
"""Slack's errors for changing or deleting a message that is being streamed."""
RATE_ERRORS = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
HTTP_SERVER_ERROR = 500
NO_API = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What slack_sdk raises when an answer is not of the form of Slack's."""
NO_API_REASON = "its answer has another form"


class StreamingError(UndeliverableError):
    """The message is being streamed: the stream has to end before another change."""


@contextlib.contextmanager
def start_up_faults(api_url: str, token: str, hint: str) -> Iterator[None]:
    """Raise errors at the start as ours: the token's fault, or a passing one of Slack's."""
    try:
        yield
    except SlackApiError as error:
        name, status = fault_of(error)
        if name in TOKEN_ERRORS:
            raise TokenError(f"Slack refuses {token} ({name}): {hint}.") from error
        is_slack = name or status >= HTTP_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        fault = PlatformUnreachableError if is_slack else NotThePlatformError
        raise fault("Slack", api_url, name or f"HTTP {status}") from error
    except (aiohttp.ContentTypeError, *NO_API) as error:
        raise NotThePlatformError("Slack", api_url, NO_API_REASON) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise PlatformUnreachableError("Slack", api_url, type(error).__name__) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise Slack's exceptions as ours."""
    try:
        yield
    except SlackApiError as error:
        name, status = fault_of(error)
        if status == HTTPStatus.TOO_MANY_REQUESTS or name in RATE_ERRORS:
            raise RateLimitedError(_retry_after_s(error)) from error
        if name in STREAMING_ERRORS:
            raise StreamingError(name) from error
        if name in GONE_ERRORS:
            raise MessageGoneError(name) from error
        if name in ELSEWHERE_ERRORS:
            raise ElsewhereError(name) from error
        if name in PASSING_ERRORS or status >= HTTP_SERVER_ERROR or not name:
            raise PlatformUnavailableError(name or str(status)) from error
        raise UndeliverableError(name) from error
    except TimeoutError as error:
        raise PlatformSilentError(type(error).__name__) from error
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        raise PlatformUnavailableError(type(error).__name__) from error


def fault_of(error: SlackApiError) -> tuple[str, int]:
    """The error's name, if it is Slack's own, and HTTP status.

    A proxy before Slack may answer too: then slack_sdk hands on whatever it was given.
    """
    response: Any = error.response
    data = getattr(response, "data", response)
    said = data.get("error") if isinstance(data, dict) else None
    name = said if isinstance(said, str) and said.isprintable() else ""
    return name, int(getattr(response, "status_code", getattr(response, "status", 0)) or 0)


def _retry_after_s(error: SlackApiError) -> float:
    headers: Any = getattr(error.response, "headers", {})
    said = str(headers.get("Retry-After", ""))
    return max(SHORTEST_WAIT_S, float(said) if said.isdecimal() else 0.0)
