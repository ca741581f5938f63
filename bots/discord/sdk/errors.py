"""Translates discord.py's exceptions into ours, with their cause; lists Discord's error codes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus

import aiohttp
import discord

from shared.errors import (
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
UNKNOWN_MESSAGE = 10008
BAD_TOKEN_CLOSE = 4004
LOGIN_S = 60.0
"""discord.py tries five times, in 25 s; no answer at all it would wait for much longer."""
HTTP_SERVER_ERROR = 500
NO_API = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What discord.py raises when an answer is not of the form of Discord's."""
NO_API_REASON = "its answer has another form"
REFUSED = "Discord refuses DISCORD_TOKEN: copy it again from your application's page, Bot."


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise discord.py's exceptions as ours."""
    try:
        yield
    except discord.RateLimited as error:
        raise RateLimitedError(error.retry_after) from error
    except discord.DiscordServerError as error:
        raise PlatformUnavailableError(type(error).__name__) from error
    except discord.HTTPException as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _rate_limited(error) from error
        if error.status == HTTPStatus.UNAUTHORIZED:  # the operator has to fix the token
            raise PlatformUnavailableError("401") from error
        if error.code == UNKNOWN_MESSAGE:
            raise MessageGoneError("deleted") from error
        raise UndeliverableError(f"{error.status}, code {error.code}") from error
    except TimeoutError as error:
        raise PlatformSilentError(type(error).__name__) from error
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        # RuntimeError is aiohttp's for a call on a client that is being closed.
        raise PlatformUnavailableError(type(error).__name__) from error


def _rate_limited(error: discord.HTTPException) -> RateLimitedError:
    """A 429 that discord.py does not wait out: the fifth one, or Cloudflare's own.

    Cloudflare's knows no buckets, and lacks the header that Discord's has.
    """
    headers = error.response.headers
    wait_s = float(headers.get("Retry-After") or 0.0)
    return RateLimitedError(max(SHORTEST_WAIT_S, wait_s), is_everywhere="Via" not in headers)


@contextlib.asynccontextmanager
async def login_faults(api_url: str) -> AsyncIterator[None]:
    """Raise what shows that something else than Discord answers as ours.

    Only for a login: later, the same exceptions are faults of ours.

    Raises:
        NotThePlatformError: a proxy's page, another server, or another form of answer.
        TimeoutError: nothing is answered.
    """
    try:
        async with asyncio.timeout(LOGIN_S):
            yield
    except (discord.LoginFailure, discord.HTTPException) as error:
        refusal = error.__cause__ if isinstance(error, discord.LoginFailure) else error
        if isinstance(refusal, discord.HTTPException) and _is_foreign(refusal):
            reason = f"HTTP {refusal.status}"
            raise NotThePlatformError("Discord", api_url, reason) from error
        raise
    except (aiohttp.TooManyRedirects, aiohttp.ContentTypeError, *NO_API) as error:
        raise NotThePlatformError("Discord", api_url, NO_API_REASON) from error


def _is_foreign(error: discord.HTTPException) -> bool:
    """Whether Discord cannot have answered so: its refusals are JSON with a message.

    Of those without a code only a refused token is Discord's at this address.
    """
    if error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTP_SERVER_ERROR:
        return False
    if error.status == HTTPStatus.UNAUTHORIZED:
        return not str(error.text).startswith("401")
    return error.code == 0


@contextlib.contextmanager
def start_up_faults(api_url: str) -> Iterator[None]:
    """Raise errors that end the start as ours."""
    try:
        yield
    except discord.LoginFailure as error:
        raise TokenError(REFUSED) from error
    except discord.PrivilegedIntentsRequired:
        raise
    except discord.ConnectionClosed as error:
        if error.code == BAD_TOKEN_CLOSE:
            raise TokenError(REFUSED) from error
        raise PlatformUnreachableError("Discord", api_url, str(error.code)) from error
    except (aiohttp.ClientError, TimeoutError, OSError, discord.DiscordException) as error:
        raise PlatformUnreachableError("Discord", api_url, type(error).__name__) from error
