"""The gateway: websocket connections, the sessions they carry, and what goes wrong with them.

A session outlives its connection and keeps every event, so that RESUME can replay what was
missed. Source: Gateway, Gateway Events, and Opcodes and Status Codes (Gateway).
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable

from aiohttp import WSMessage, WSMsgType, web

from tests.fakes import discord_payloads as payloads
from tests.fakes import discord_settings as limits
from tests.fakes.discord_compression import make_stream
from tests.fakes.discord_session import Close, Connection, Op, Session
from tests.fakes.discord_settings import Json
from tests.fakes.discord_world import Event, World

API_VERSION = 10
# Gateway (Hello Event): "there is already tolerance" in the interval; the figure is ours.
HEARTBEAT_TOLERANCE = 1.5
# A client that was stopped does not read; whoever drives the fake must not hang with it.
MAX_FLUSH_S = 1.0


class Gateway:
    """All connections and sessions of one fake."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._settings = world.settings
        self._token = token
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.received: list[Json] = []
        self.identified_at_s: list[float] = []
        self.num_resumes = 0
        world.listeners.append(self._dispatch)

    # ------------------------------------------------------------------ for the driver

    @property
    def num_connected(self) -> int:
        """How many sessions have a connection now."""
        return sum(session.connection is not None for session in self.sessions.values())

    def drop(self) -> None:
        """Cut every connection; the sessions stay."""
        for connection in list(self.connections):
            self._detach(connection)
            connection.abort()

    def close_all(self, code: int) -> None:
        """Close every connection with a code; the sessions stay."""
        for connection in list(self.connections):
            self._detach(connection)
            connection.close(code)

    def invalidate(self, *, resumable: bool) -> None:
        """Send INVALID_SESSION everywhere; unless resumable the sessions are gone."""
        for connection in list(self.connections):
            session = connection.session
            if session is not None and not resumable:
                self.sessions.pop(session.id, None)
            self._detach(connection)
            connection.send(Op.INVALID_SESSION, resumable)
        if not resumable:
            self.sessions.clear()
        self._world.changes.notify()

    def revoke_token(self) -> None:
        """Accept the token no more and close everything; the sessions are gone."""
        self._world.is_token_reset = True
        self.sessions.clear()
        self.close_all(Close.AUTHENTICATION_FAILED)

    def request_reconnect(self) -> None:
        """Send RECONNECT everywhere; the sessions stay."""
        for connection in list(self.connections):
            self._detach(connection)
            connection.send(Op.RECONNECT)

    async def flush(self) -> None:
        """Wait until all queued frames are handed to the network, or a client does not read."""
        joins = [connection.queue.join() for connection in self.connections]
        with contextlib.suppress(TimeoutError):
            # Not wait_for, which in Python 3.11 may lose a cancellation.
            async with asyncio.timeout(MAX_FLUSH_S):
                await asyncio.gather(*joins)

    def session_start_limit(self) -> Json:
        """Return the Session Start Limit object."""
        left = max(0, self._settings.identify_limit - len(self.identified_at_s))
        return {
            "total": self._settings.identify_limit,
            "remaining": left,
            "reset_after": 86_400_000,
            "max_concurrency": self._settings.max_concurrency,
        }

    # ------------------------------------------------------------------ one connection

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket until it ends."""
        if self._settings.is_gateway_down:
            return web.Response(status=503, text="no healthy upstream")
        socket = web.WebSocketResponse(max_msg_size=0, timeout=1.0)
        await socket.prepare(request)
        stream = make_stream(request.query.get("compress", ""))
        connection = Connection(socket, request.transport, stream)
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write())
        try:
            await self._converse(connection, request.query.get("v", ""))
        finally:
            self._end(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _converse(self, connection: Connection, version: str) -> None:
        interval_s = self._settings.heartbeat_interval_s
        if version not in {"", str(API_VERSION)}:
            connection.close(Close.INVALID_VERSION)
        else:
            connection.send(Op.HELLO, {"heartbeat_interval": int(interval_s * 1000)})
        while True:
            try:
                message = await connection.socket.receive(interval_s * HEARTBEAT_TOLERANCE)
            except TimeoutError:
                connection.close(Close.SESSION_TIMED_OUT)
                continue
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                return
            self._receive(connection, message)

    def _receive(self, connection: Connection, message: WSMessage) -> None:
        try:
            frame = json.loads(message.data)
            op, data = int(frame["op"]), frame.get("d")
        except (ValueError, TypeError, KeyError):
            connection.close(Close.DECODE_ERROR)
            return
        if op != Op.HEARTBEAT and not isinstance(data, dict):
            connection.close(Close.DECODE_ERROR)
            return
        if self._is_flooding(connection):
            connection.close(Close.RATE_LIMITED)
            return
        self.received.append(frame)
        self._answer(connection, op, data)
        self._world.changes.notify()

    def _is_flooding(self, connection: Connection) -> bool:
        now_s = self._settings.clock()
        sent = connection.sent_at_s
        sent.append(now_s)
        while sent[0] <= now_s - self._settings.gateway_sends_window_s:
            sent.popleft()
        return len(sent) > self._settings.max_gateway_sends

    def _answer(self, connection: Connection, op: int, data: Json) -> None:
        anonymous: dict[int, Callable[[Connection, Json], None]] = {
            Op.HEARTBEAT: self._heartbeat,
            Op.IDENTIFY: self._identify,
            Op.RESUME: self._resume,
        }
        if answer := anonymous.get(op):
            answer(connection, data)
        elif op not in {Op.PRESENCE, Op.VOICE_STATE, Op.REQUEST_MEMBERS}:
            connection.close(Close.UNKNOWN_OPCODE)
        elif connection.session is None:
            connection.close(Close.NOT_AUTHENTICATED)
        elif op == Op.REQUEST_MEMBERS:
            self._send_members(connection.session, data)

    def _heartbeat(self, connection: Connection, _data: Json) -> None:
        connection.send(Op.HEARTBEAT_ACK)

    # ------------------------------------------------------------------ identify, resume

    def _identify(self, connection: Connection, data: Json) -> None:
        if code := self._find_refusal(connection, data):
            connection.close(code)
            return
        if not self._take_identify():
            connection.send(Op.INVALID_SESSION, data=False)
            return
        shard_id, shard_count = data.get("shard") or (0, 1)
        session = Session(secrets.token_hex(16), shard_id, shard_count, int(data["intents"]))
        self.sessions[session.id] = session
        self._attach(connection, session)
        session.dispatch("READY", self._ready_json(session))
        for guild in self._world.guilds.values():
            if not guild.is_foreign:
                self._dispatch_to(session, self._world.guild_event(guild))

    def _find_refusal(self, connection: Connection, data: Json) -> Close | None:
        """Return the code to close with if this IDENTIFY is not acceptable."""
        if not self._is_token(data):
            return Close.AUTHENTICATION_FAILED
        if connection.session is not None:
            return Close.ALREADY_AUTHENTICATED
        intents = data.get("intents")
        if not isinstance(intents, int) or not 0 <= intents < limits.INTENT_MAX:
            return Close.INVALID_INTENTS
        if intents & self._settings.refused_intents:
            return Close.DISALLOWED_INTENTS
        return self._find_shard_refusal(data.get("shard") or [0, 1])

    def _find_shard_refusal(self, shard: list[int]) -> Close | None:
        match shard:
            case [int(shard_id), int(count)] if 0 <= shard_id < count:
                pass
            case _:
                return Close.INVALID_SHARD
        if len(self._world.guilds) > self._settings.max_guilds_per_shard * count:
            return Close.SHARDING_REQUIRED
        return None

    def _is_token(self, data: Json) -> bool:
        return data.get("token") == self._token and not self._world.is_token_reset

    def _take_identify(self) -> bool:
        """Count an IDENTIFY; past the daily limit the token is reset and everything closed."""
        now_s = self._settings.clock()
        recent_s = now_s - self._settings.identify_interval_s
        num_recent = sum(at_s > recent_s for at_s in self.identified_at_s)
        self.identified_at_s.append(now_s)
        if len(self.identified_at_s) > self._settings.identify_limit:
            self.revoke_token()
            return False
        return num_recent < self._settings.max_concurrency or not self._settings.identify_interval_s

    def _ready_json(self, session: Session) -> Json:
        ours = [guild for guild in self._world.guilds.values() if not guild.is_foreign]
        guilds = [guild for guild in ours if session.wants(self._in_guild(guild.id))]
        return {
            "v": API_VERSION,
            "user": payloads.own_user_json(self._world.bot),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": [session.shard_id, session.shard_count],
            "application": {
                "id": str(self._world.application_id),
                "flags": self._settings.application_flags,
            },
            "private_channels": [],
        }

    @staticmethod
    def _in_guild(guild_id: int) -> Event:
        return Event("", lambda _: {}, guild_id)

    def _resume(self, connection: Connection, data: Json) -> None:
        if not self._is_token(data):
            connection.close(Close.AUTHENTICATION_FAILED)
            return
        session = self.sessions.get(data.get("session_id", ""))
        if session is None or self._is_expired(session):
            connection.send(Op.INVALID_SESSION, data=False)
            return
        seq = int(data.get("seq") or 0)
        if seq > session.seq:
            connection.close(Close.INVALID_SEQ)
            return
        self.num_resumes += 1
        self._attach(connection, session)
        for number, (name, event) in enumerate(session.events[seq:], start=seq + 1):
            connection.send(Op.DISPATCH, event, seq=number, name=name)
        session.dispatch("RESUMED", {})

    def _is_expired(self, session: Session) -> bool:
        if session.connection is not None:
            return False
        gone_s = self._settings.clock() - session.missed_since_s
        return gone_s > self._settings.session_lifetime_s

    def _send_members(self, session: Session, data: Json) -> None:
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        wanted = [int(user) for user in data.get("user_ids") or guild.members]
        prefix = str(data.get("query") or "")
        found = [i for i in wanted if i in guild.members]
        found = [i for i in found if self._world.users[i].name.startswith(prefix)]
        members = [payloads.member_with_user_json(self._world, guild, user) for user in found]
        chunk = {
            "guild_id": str(guild.id),
            "members": members[: data.get("limit") or None],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [str(user) for user in wanted if user not in guild.members],
            "nonce": data.get("nonce"),
        }
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)

    # ------------------------------------------------------------------ sessions and events

    def _attach(self, connection: Connection, session: Session) -> None:
        if session.connection is not None:
            session.connection.session = None
            session.connection.close(Close.UNKNOWN_ERROR)
        connection.session = session
        session.connection = connection

    def _detach(self, connection: Connection) -> None:
        """Part a connection from its session, so that events from now on are missed."""
        session, connection.session = connection.session, None
        if session is not None:
            session.connection = None
            session.missed_since_s = self._settings.clock()
        self._world.changes.notify()

    def _end(self, connection: Connection) -> None:
        """Clean up; a client that said goodbye with 1000 or 1001 gives up its session."""
        session = connection.session
        self._detach(connection)
        self.connections.remove(connection)
        if session is not None and connection.socket.close_code in {1000, 1001}:
            self.sessions.pop(session.id, None)
        self._world.changes.notify()

    def _dispatch(self, event: Event) -> None:
        for session in self.sessions.values():
            self._dispatch_to(session, event)

    @staticmethod
    def _dispatch_to(session: Session, event: Event) -> None:
        if session.wants(event):
            session.dispatch(event.name, event.build(session.intents))
