"""Translates discord.py's exceptions into ours, with their cause; lists Discord's error codes."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

import aiohttp
import discord

from shared.errors import (
    MessageGoneError,
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
