"""What the gateway is made of: opcodes, close codes, a connection and the session it carries.

A connection only queues and writes frames; a session numbers events and keeps them all. Who may
identify and what is replayed is decided elsewhere. Source: Opcodes and Status Codes (Gateway).
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from aiohttp import web

from tests.fakes.discord_compression import Stream
from tests.fakes.discord_model import SNOWFLAKE_SHIFT
from tests.fakes.discord_settings import Json
from tests.fakes.discord_world import Event


class Op(IntEnum):
    """Gateway Opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE_STATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Close(IntEnum):
    """Gateway Close Event Codes, and 1001 for a server that goes away."""

    GOING_AWAY = 1001
    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


@dataclass(eq=False)
class Connection:
    """One websocket. What is queued here goes out in order: a frame, or the code to close with."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    stream: Stream | None
    queue: asyncio.Queue[Json | int] = field(default_factory=asyncio.Queue)
    session: "Session | None" = None
    sent_at_s: deque[float] = field(default_factory=deque)
    is_over: bool = False

    def send(self, op: Op, data: object = None, *, seq: int | None = None, name: str = "") -> None:
        """Queue a frame."""
        if not self.is_over:
            self.queue.put_nowait({"op": int(op), "d": data, "s": seq, "t": name or None})

    def close(self, code: int) -> None:
        """Queue the end."""
        if not self.is_over:
            self.queue.put_nowait(int(code))

    def abort(self) -> None:
        """Cut the line without a closing handshake."""
        if self.transport is not None:
            self.transport.abort()

    async def write(self) -> None:
        """Send what is queued until the end of the connection."""
        try:
            while not self.is_over:
                item = await self.queue.get()
                try:
                    await self._write_item(item)
                finally:
                    self.queue.task_done()
        except ConnectionError:
            return
        finally:
            self.is_over = True
            while not self.queue.empty():
                self.queue.get_nowait()
                self.queue.task_done()

    async def _write_item(self, item: Json | int) -> None:
        if isinstance(item, int):
            self.is_over = True
            await self.socket.close(code=item)
        elif self.stream is None:
            await self.socket.send_str(json.dumps(item))
        else:
            await self.socket.send_bytes(self.stream.pack(json.dumps(item)))


@dataclass(eq=False)
class Session:
    """What a client identified as, and all events it was or will be sent.

    `missed_since_s` is set while no connection carries the session.
    """

    id: str
    shard_id: int
    shard_count: int
    intents: int
    events: list[tuple[str, Json]] = field(default_factory=list)
    connection: Connection | None = None
    missed_since_s: float = 0.0

    @property
    def seq(self) -> int:
        """The number of the last event; the first is 1."""
        return len(self.events)

    def dispatch(self, name: str, data: Json) -> None:
        """Number an event, keep it, and send it if there is a connection."""
        self.events.append((name, data))
        if self.connection is not None:
            self.connection.send(Op.DISPATCH, data, seq=self.seq, name=name)

    def wants(self, event: Event) -> bool:
        """Whether an event is for this shard and these intents."""
        if event.intent and not event.intent & self.intents:
            return False
        if event.guild_id is None:
            return self.shard_id == 0
        return (event.guild_id >> SNOWFLAKE_SHIFT) % self.shard_count == self.shard_id
