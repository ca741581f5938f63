"""The webhook for a command's answers, whose key is the command's ticket.

The ticket is valid for fifteen minutes. Knows nothing of jobs.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import discord
import discord.http
from discord.http import Route

from bots.discord.parse.payloads import written_at_s
from bots.discord.sdk.client import Client
from bots.discord.sdk.errors import translated
from shared.errors import PlatformError

TICKET_S = 14.5 * 60
"""Half a minute less than a ticket's 15 minutes: docs.discord.com, Receiving and Responding."""
ORIGINAL = "@original"
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
MESSAGE = f"{WEBHOOK}/messages/{{message}}"
OVER = (10015, 50027)
"""Unknown webhook, invalid webhook token."""


class TicketOverError(Exception):
    """The fifteen minutes are over, or Discord does not know the ticket."""


def is_good(interaction: str) -> bool:
    """Whether the ticket of the interaction with this id is still valid."""
    return time.time() - written_at_s(int(interaction)) < TICKET_S


class Webhook:
    """The calls that one ticket allows. All raise ``PlatformError`` and ``TicketOverError``."""

    def __init__(self, client: Client, ticket: str) -> None:
        self._http = client.http
        self._key: dict[str, Any] = {
            "webhook_id": client.application_id,
            "webhook_token": ticket,
        }

    async def send(self, params: discord.http.MultipartParameters) -> str:
        """Post a further answer; returns its id."""
        return await self._write(
            Route("POST", WEBHOOK, **self._key), params, query={"wait": "true"}
        )

    async def edit(self, message: str, params: discord.http.MultipartParameters) -> str:
        """Replace an answer; returns its id."""
        route = Route("PATCH", MESSAGE, message=message, **self._key)
        return await self._write(route, params, query=None)

    async def delete(self, message: str) -> None:
        """Delete an answer."""
        with _ticketed():
            await self._http.request(Route("DELETE", MESSAGE, message=message, **self._key))

    async def _write(
        self,
        route: Route,
        params: discord.http.MultipartParameters,
        query: dict[str, str] | None,
    ) -> str:
        body: dict[str, Any] = {"json": params.payload}
        if params.files:
            body = {"files": params.files, "form": params.multipart}
        with _ticketed():
            message = await self._http.request(route, params=query, **body)
        return str(message["id"])


@contextlib.contextmanager
def _ticketed() -> Iterator[None]:
    try:
        with translated():
            yield
    except PlatformError as error:
        if isinstance(error.__cause__, discord.HTTPException) and error.__cause__.code in OVER:
            raise TicketOverError from error
        raise
