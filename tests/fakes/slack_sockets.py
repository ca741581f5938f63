"""Socket Mode: up to ten websockets to the app, each payload to one of them in turn.

Speaks first (`hello`), pings, waits for acks, and asks for refreshes or breaks connections when
told to. See docs.slack.dev/apis/events-api/using-socket-mode.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from tests.fakes.slack_delivery import Attempt, Delivery
from tests.fakes.slack_settings import MAX_CONNECTIONS, Json, Settings
from tests.fakes.slack_store import Changes

_HOST = "applink-fake"
# How long close() waits for the other side to say goodbye.
_CLOSE_S = 0.5


@dataclass(kw_only=True, eq=False)
class Connection:
    """One websocket; a draining one gets no more payloads."""

    number: int
    websocket: web.WebSocketResponse
    transport: asyncio.Transport | None
    num_sent: int = 0
    num_acked: int = 0
    is_draining: bool = False


class SocketHub:
    """All Socket Mode connections, and the transport over them."""

    def __init__(self, settings: Settings, changes: Changes) -> None:
        self.connections: list[Connection] = []
        self.stray_acks: list[Json] = []
        self.num_opened = 0
        self.num_refused = 0
        self.is_refusing = False
        self._settings = settings
        self._changes = changes
        self._tickets: set[str] = set()
        self._num_tickets = 0
        self._num_turns = 0
        self._waiting: dict[str, tuple[Delivery, Attempt]] = {}

    def issue_ticket(self) -> str:
        """Return a ticket that opens one connection."""
        self._num_tickets += 1
        ticket = f"ticket-{self._num_tickets}"
        self._tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket until it closes; a ticket opens one, and only one."""
        ticket = request.query.get("ticket", "")
        if self.is_refusing:
            self.num_refused += 1
            self._changes.touch()
            return web.Response(status=503)
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.remove(ticket)
        websocket = web.WebSocketResponse(
            heartbeat=self._settings.ping_interval_s, timeout=_CLOSE_S
        )
        await websocket.prepare(request)
        if len(self.connections) >= MAX_CONNECTIONS:
            await websocket.send_json(_disconnect("too_many_websockets"))
            await websocket.close()
            return websocket
        self.num_opened += 1
        connection = Connection(
            number=self.num_opened, websocket=websocket, transport=request.transport
        )
        await websocket.send_json(self._hello())
        await self._serve(connection)
        return websocket

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections) + 1,
            "connection_info": {"app_id": self._settings.app_id},
            "debug_info": {
                "host": _HOST,
                "build_number": 1,
                "approximate_connection_time": 3600,
            },
        }

    async def _serve(self, connection: Connection) -> None:
        self.connections.append(connection)
        self._changes.touch()
        try:
            async for message in connection.websocket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take_ack(connection, message.data)
        finally:
            self.connections.remove(connection)
            self._changes.touch()

    def _take_ack(self, connection: Connection, text: str) -> None:
        try:
            ack = json.loads(text)
            delivery, attempt = self._waiting[ack["envelope_id"]]
        except (ValueError, TypeError, KeyError):
            self.stray_acks.append({"text": text})
            return
        connection.num_acked += 1
        payload = ack.get("payload")
        delivery.accept(attempt, payload if isinstance(payload, dict) else None)
        self._changes.touch()

    def wait_before_s(self, _number: int) -> float:
        """Return 0: the wait was the one for the ack."""
        return 0.0

    async def offer(self, delivery: Delivery, attempt: Attempt) -> None:
        """Send the envelope to the next connection and wait for the ack of any of its tries."""
        is_sent = await self._send(delivery, attempt)
        try:
            async with asyncio.timeout(self._settings.retry_after_s):
                await delivery.acked.wait()
        except TimeoutError:
            attempt.outcome = "timeout" if is_sent else "no_connection"

    async def _send(self, delivery: Delivery, attempt: Attempt) -> bool:
        live = [c for c in self.connections if not c.is_draining]
        if not live:
            return False
        connection = live[self._num_turns % len(live)]
        self._num_turns += 1
        self._waiting[attempt.envelope_id] = (delivery, attempt)
        attempt.connection = connection.number
        connection.num_sent += 1
        with contextlib.suppress(ConnectionError):  # it broke: nobody will ack, so it is sent again
            await connection.websocket.send_json(_envelope(delivery, attempt))
        return True

    async def disconnect(
        self,
        reason: str,
        close_after_s: float,
        spawn: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        """Announce the end of every connection and close those still open after `close_after_s`.

        After `warning` payloads go on coming; after any other reason they do not.
        """
        for connection in list(self.connections):
            connection.is_draining = reason != "warning"
            with contextlib.suppress(ConnectionError):
                await connection.websocket.send_json(_disconnect(reason))
            spawn(_close_later(connection, close_after_s))

    def drop(self) -> int:
        """Break every connection without a word and return how many there were."""
        dropped = list(self.connections)
        for connection in dropped:
            if connection.transport is not None:
                connection.transport.abort()
        return len(dropped)

    async def close(self) -> None:
        """Close every connection politely."""
        closing = [c.websocket.close(code=aiohttp.WSCloseCode.GOING_AWAY) for c in self.connections]
        await asyncio.gather(*closing, return_exceptions=True)


async def _close_later(connection: Connection, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await connection.websocket.close()


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": _HOST}}


def _envelope(delivery: Delivery, attempt: Attempt) -> Json:
    envelope: Json = {
        "type": delivery.kind,
        "envelope_id": attempt.envelope_id,
        "payload": delivery.payload,
        "accepts_response_payload": delivery.kind == "slash_commands"
        or delivery.payload.get("type") == "view_submission",
    }
    if delivery.is_event:
        reason = "timeout" if attempt.number else ""
        envelope |= {"retry_attempt": attempt.number, "retry_reason": reason}
    return envelope
