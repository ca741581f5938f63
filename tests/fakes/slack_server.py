"""A fake Slack: a real server on the loopback interface for a bot's own SDK to talk to.

    async with FakeSlack() as slack:
        slack.add_channel("C1", "general")
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        ...
        await slack.say("C1", "U1", "<@U0PARLEY> hello")
        answer = await slack.wait_for_message("C1", user="U0PARLEY")

It holds the Web API, Socket Mode and the signed Events API of one workspace with one app, keeps
every request, shows what users would see, and fails when it is asked to. It knows nothing of any
particular bot. `python -m tests.fakes.slack_server` runs it alone; SLACK.md lists the controls.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web

from tests.fakes import slack_events as events
from tests.fakes.late_answers import pause
from tests.fakes.slack_calls import ApiError, Call, read_call
from tests.fakes.slack_control import add_control_routes
from tests.fakes.slack_delivery import Delivery, Dispatcher, HttpAnswer, HttpPoster, Transport
from tests.fakes.slack_faults import (
    SERVER_ERROR,
    Answer,
    FaultKind,
    FaultPlan,
    refused,
)
from tests.fakes.slack_files import FileHost
from tests.fakes.slack_installing import ACCESS
from tests.fakes.slack_methods_other import METHODS
from tests.fakes.slack_people import People
from tests.fakes.slack_responses import ResponseUrl, ResponseUrls
from tests.fakes.slack_scopes import missing_scopes
from tests.fakes.slack_settings import Json, Settings
from tests.fakes.slack_sockets import Connection, SocketHub
from tests.fakes.slack_store import Changes, File, Message, Status, Store, View
from tests.patience import PATIENCE_S

OPEN_CONNECTION = "apps.connections.open"
_MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(kw_only=True, eq=False)
class ApiRequest:
    """One Web API request as it came, and what was answered; `answer` is None if nothing was."""

    method: str
    arguments: Json
    token: str | None
    http_verb: str
    headers: dict[str, str]
    body: bytes
    at_s: float
    answer: Json | None = None
    status: int | None = None


@dataclass(kw_only=True, eq=False)
class FakeSlack(Settings, People, FaultPlan):
    """A Slack workspace with one app: the constructor takes what `Settings` lists, by name.

    What people do (`say`, ...) comes from slack_people.py, the faults (`fail_next`, ...) from
    slack_faults.py; here are the server, what there is to see, and the sockets. `requests` has
    every Web API request, oldest first.
    """

    requests: list[ApiRequest] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._changes = Changes()
        FaultPlan.__init__(self, self.clock)
        self._sockets = SocketHub(self, self._changes)
        self._http = HttpPoster(self)
        self._dispatcher = Dispatcher(
            self, self._changes, self._choose_transport, self._show_response
        )
        self._store = Store(self, self._changes, self._publish)
        self._store.base_url = lambda: self.base_url
        responses = ResponseUrls(self._store, lambda: self.base_url)
        People.__init__(self, self._store, self._dispatcher, responses)
        self._runner: web.AppRunner | None = None
        self._bound_port: int | None = None

    # Life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen on 127.0.0.1, on a free port unless one was given."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/api/{method}", self._serve_method)
        app.router.add_get("/link/", self._sockets.handle)
        app.router.add_post("/response/{key}", self._responses.handle)
        FileHost(self._store).add_routes(app)
        add_control_routes(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self._bound_port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop deliveries, close all connections and stop listening."""
        await self._dispatcher.close()
        await self._sockets.close()
        await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """The server's address, with a slash at its end."""
        if self._bound_port is None:
            raise RuntimeError("the fake Slack has not been started")
        return f"http://127.0.0.1:{self._bound_port}/"

    @property
    def api_url(self) -> str:
        """The `base_url` for slack_sdk's clients."""
        return f"{self.base_url}api/"

    # What there is to see

    @property
    def deliveries(self) -> list[Delivery]:
        """Every event, command and interaction sent to the app, with its tries."""
        return self._dispatcher.deliveries

    @property
    def connections(self) -> list[Connection]:
        """The Socket Mode connections that are open."""
        return self._sockets.connections

    @property
    def num_connections_opened(self) -> int:
        """How many Socket Mode connections there have been."""
        return self._sockets.num_opened

    @property
    def num_connections_refused(self) -> int:
        """How many websockets were turned away after `refuse_sockets`."""
        return self._sockets.num_refused

    @property
    def statuses(self) -> list[Status]:
        """Every status written, oldest first; the last one of a thread is what users see."""
        return self._store.statuses

    @property
    def files(self) -> list[File]:
        """Every file, announced, uploaded or shared."""
        return list(self._store.files.values())

    @property
    def file_requests(self) -> list[dict[str, str]]:
        """The headers of every request for a file's bytes."""
        return self._store.file_requests

    @property
    def views(self) -> list[View]:
        """Every view published or opened."""
        return self._store.views

    def messages(self, channel: str) -> list[Message]:
        """Return all messages of a channel, deleted and ephemeral ones too, oldest first."""
        return self._store.messages(channel)

    def reads(self, channel: str, ts: str, user: str) -> str:
        """Return what a member reads in a message now: a stream to another shows its beginning."""
        message = self._message_at(channel, ts)
        stream = message.stream
        is_for_another = stream is not None and stream.recipient_user_id not in {None, user}
        if is_for_another and self._store.is_streaming(message):
            return [*message.edits, message.text][0]
        return message.text

    def calls(self, method: str) -> list[ApiRequest]:
        """Return the requests for one method."""
        return [request for request in self.requests if request.method == method]

    def deliveries_of(self, ts: str) -> list[Delivery]:
        """Return the deliveries of events about the message `ts`."""
        return [d for d in self.deliveries if d.event.get("ts") == ts]

    async def wait_for(self, is_met: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Return as soon as `is_met()` is true, looking again at every change here.

        Raises `TimeoutError`. For conditions on the bot's own state see `touch`.
        """
        await self._changes.wait_for(is_met, timeout_s)

    async def wait_for_message(
        self,
        channel: str,
        *,
        containing: str = "",
        user: str | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Message:
        """Return the first visible message that says this, once there is one."""

        def found() -> Message | None:
            for message in self.messages(channel):
                is_by = user is None or message.user == user
                if is_by and containing in message.text and not message.deleted:
                    return message
            return None

        await self.wait_for(found, timeout_s)
        message = found()
        assert message is not None  # nothing ran since wait_for saw it
        return message

    async def wait_for_connections(self, at_least: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Return once so many Socket Mode connections take payloads."""
        await self.wait_for(
            lambda: sum(not c.is_draining for c in self.connections) >= at_least, timeout_s
        )

    def touch(self) -> None:
        """Make every `wait_for` look again, when what it waits for is outside this server."""
        self._changes.touch()

    # Sockets

    def refuse_sockets(self, *, is_refusing: bool = True) -> None:
        """Answer 503 to new websockets from now on; those open stay, tickets stay good."""
        self._sockets.is_refusing = is_refusing

    async def disconnect_sockets(
        self, reason: str = "refresh_requested", close_after_s: float = 2.0
    ) -> None:
        """Tell every connection to reconnect: `refresh_requested`, `warning`, `link_disabled`."""
        await self._sockets.disconnect(reason, close_after_s, self._dispatcher.spawn)

    def drop_sockets(self) -> int:
        """Break every Socket Mode connection without a word; return how many there were."""
        return self._sockets.drop()

    # HTTP by hand

    async def send_raw(
        self,
        body: str | bytes | Json,
        *,
        timestamp: str | None = None,
        signature: str | None = None,
        without: Collection[str] = (),
        content_type: str = "application/json",
    ) -> HttpAnswer:
        """POST a request to `events_url`, signed rightly in all that is not given otherwise.

        `without` names headers to leave out, such as `X-Slack-Signature`.
        """
        if isinstance(body, dict):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        headers = self._http.signed_headers(
            data, timestamp=timestamp, signature=signature, without=without
        )
        return await self._http.post(data, headers | {"Content-Type": content_type})

    def envelope(self, event: Json) -> Json:
        """Return `event` as the body of an Events API request, for `send_raw`."""
        return events.event_callback(self._store, event)

    async def challenge(self) -> bool:
        """Send `url_verification`; return whether the app answered it rightly."""
        word = self._store.next_id("challenge")
        body: Json = {"type": "url_verification", "token": "unused", "challenge": word}
        answer = await self.send_raw(body)
        return answer.status == 200 and word in answer.body

    # Inside

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        """Answer one Web API request, with the faults asked for, in the order of a real request."""
        call = await read_call(request.match_info["method"], request)
        record = await self._record(call, request)
        if delay := self._take_fault(call.method, FaultKind.DELAY):
            await asyncio.sleep(delay.delay_s)
        if self._take_fault(call.method, FaultKind.DROP_BEFORE):
            return _hang_up(request)
        answer = self._refusal(call.method, call.text("channel")) or self._answer(call)
        if self._take_fault(call.method, FaultKind.DROP_AFTER):
            return _hang_up(request)
        if self._take_fault(call.method, FaultKind.ERROR_AFTER):
            answer = refused(None, SERVER_ERROR, None)
        if delay := self._take_fault(call.method, FaultKind.DELAY_AFTER):
            await pause(request, delay.delay_s)
        record.answer, record.status = answer.body, answer.status
        self._changes.touch()
        headers = {"x-oauth-scopes": ",".join(sorted(self.scopes))} | answer.headers
        return web.json_response(answer.body, status=answer.status, headers=headers)

    async def _record(self, call: Call, request: web.Request) -> ApiRequest:
        record = ApiRequest(
            method=call.method,
            arguments=call.arguments,
            token=call.token,
            http_verb=request.method,
            headers=dict(request.headers),
            body=await request.read(),
            at_s=self.clock(),
        )
        self.requests.append(record)
        self._changes.touch()
        return record

    def _answer(self, call: Call) -> Answer:
        try:
            return Answer({"ok": True} | self._result(call))
        except ApiError as error:
            return Answer(error.body)

    def _result(self, call: Call) -> Json:
        if call.method != OPEN_CONNECTION and call.method not in METHODS:
            raise ApiError("unknown_method", req_method=call.method)
        if "_error" in call.arguments:
            raise ApiError(call.arguments["_error"])
        if call.method == ACCESS:  # the app's secret is what it is known by
            return METHODS[call.method](self._store, call)
        self._check_token(call)
        if call.method == OPEN_CONNECTION:
            ticket = self._sockets.issue_ticket()
            address = self.base_url.replace("http:", "ws:", 1)
            return {"url": f"{address}link/?ticket={ticket}&app_id={self.app_id}"}
        if needed := missing_scopes(call.method, self.scopes):
            provided = ",".join(sorted(self.scopes))
            raise ApiError("missing_scope", needed=",".join(needed), provided=provided)
        return METHODS[call.method](self._store, call)

    def _check_token(self, call: Call) -> None:
        """Refuse no token, a strange token, and the app's other token."""
        if call.token is None:
            raise ApiError("not_authed")
        if call.token in self._store.tokens and call.method != OPEN_CONNECTION:
            return
        if call.token not in (self.bot_token, self.app_token):
            raise ApiError("invalid_auth")
        wanted = self.app_token if call.method == OPEN_CONNECTION else self.bot_token
        if call.token != wanted:
            raise ApiError("not_allowed_token_type")

    def _choose_transport(self) -> Transport:
        return self._http if self.events_url else self._sockets

    def _publish(self, event: Json) -> None:
        """Send an event, unless it is from a conversation that the bot is not in."""
        channel_id = (
            event.get("channel") or event.get("channel_id") or event.get("item", {}).get("channel")
        )
        if self.bot_user_id in self._store.channel(channel_id).members:
            self._dispatcher.start("events_api", events.event_callback(self._store, event))

    def _show_response(self, delivery: Delivery) -> None:
        """Show what the app answered to a slash command in its ack.

        Without words of its own `in_channel` shows the command to everybody
        (docs.slack.dev/interactivity/implementing-slash-commands).
        """
        if delivery.kind == "slash_commands" and delivery.response:
            payload = delivery.payload
            target = ResponseUrl(channel=payload["channel_id"], user=payload["user_id"])
            if delivery.response.get("response_type") == "in_channel":
                self._responses.show_command(target, f"{payload['command']} {payload['text']}")
            if any(delivery.response.get(part) for part in ("text", "blocks", "attachments")):
                self._responses.show(target, delivery.response)


def _hang_up(request: web.Request) -> web.Response:
    """Close the TCP connection; the response returned has nowhere to go."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with FakeSlack(port=arguments.port, retry_after_s=arguments.retry_after_s) as slack:
        ready = {
            "api_url": slack.api_url,
            "control_url": f"{slack.base_url}_control/",
            "bot_token": slack.bot_token,
            "app_token": slack.app_token,
            "signing_secret": slack.signing_secret,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Run until SIGINT or SIGTERM; print the addresses as one line of JSON once ready."""
    parser = argparse.ArgumentParser(description="A fake Slack on the loopback interface.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--retry-after-s", type=float, default=1.0, help="wait for an ack")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
