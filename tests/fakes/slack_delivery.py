"""Brings events, slash commands and interactions to the app, and again until it has taken them.

`Dispatcher` holds the retry rule; how one try is made is the transport's: Socket Mode in
`slack_sockets.py`, signed HTTP here. Only events are tried again, as with Slack.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

import aiohttp

from tests.fakes.slack_settings import Json, Settings
from tests.fakes.slack_store import Changes

ACKED = "acked"


@dataclass(kw_only=True, eq=False)
class Attempt:
    """One try; `outcome` is `acked` or why not: `timeout`, `no_connection`, `http_error`, ..."""

    number: int
    retry_reason: str
    envelope_id: str
    at_s: float
    outcome: str = "waiting"
    connection: int | None = None
    http_status: int | None = None


@dataclass(kw_only=True, eq=False)
class Delivery:
    """One payload on its way to the app; `kind` is the Socket Mode type of its envelope.

    `state` goes from `waiting` to `acked` or `failed`; `response` is what the app answered.
    """

    kind: str
    payload: Json
    attempts: list[Attempt] = field(default_factory=list)
    state: str = "waiting"
    response: Json | None = None
    acked: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def is_event(self) -> bool:
        """Whether Slack tries it again."""
        return self.kind == "events_api"

    @property
    def event(self) -> Json:
        """The inner event, empty for everything else."""
        event: Json = self.payload.get("event", {}) if self.is_event else {}
        return event

    def accept(self, attempt: Attempt, response: Json | None) -> None:
        """Note that the app took it."""
        attempt.outcome = ACKED
        self.response = response
        self.acked.set()


class Transport(Protocol):
    """A way to the app."""

    def wait_before_s(self, number: int) -> float:
        """Return how long to wait before try `number`, where 0 is the first."""

    async def offer(self, delivery: Delivery, attempt: Attempt) -> None:
        """Make one try; return when it was taken or came to nothing, with the outcome noted."""


class Dispatcher:
    """Runs each delivery in a task of its own."""

    def __init__(
        self,
        settings: Settings,
        changes: Changes,
        choose_transport: Callable[[], Transport],
        on_response: Callable[[Delivery], None],
    ) -> None:
        self.deliveries: list[Delivery] = []
        self._settings = settings
        self._changes = changes
        self._choose_transport = choose_transport
        self._on_response = on_response
        self._tasks: set[asyncio.Task[None]] = set()
        self._num_envelopes = 0

    def start(self, kind: str, payload: Json) -> Delivery:
        """Begin a delivery and return its record."""
        delivery = Delivery(kind=kind, payload=payload)
        self.deliveries.append(delivery)
        self.spawn(self._deliver(delivery))
        self._changes.touch()
        return delivery

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` beside everything else, until it ends or the server closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop all deliveries under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        reason = ""
        for number in range(self._settings.max_retries + 1 if delivery.is_event else 1):
            transport = self._choose_transport()
            await asyncio.sleep(transport.wait_before_s(number))
            attempt = self._new_attempt(number, reason)
            delivery.attempts.append(attempt)
            await transport.offer(delivery, attempt)
            self._changes.touch()
            if delivery.acked.is_set() or attempt.outcome == "no_retry":
                break
            reason = attempt.outcome
        delivery.state = ACKED if delivery.acked.is_set() else "failed"
        self._changes.touch()
        if delivery.response:
            self._on_response(delivery)

    def _new_attempt(self, number: int, reason: str) -> Attempt:
        self._num_envelopes += 1
        return Attempt(
            number=number,
            retry_reason=reason,
            envelope_id=f"00000000-0000-4000-8000-{self._num_envelopes:012d}",
            at_s=self._settings.clock(),
        )


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the app answered to an HTTP request."""

    status: int
    body: str
    headers: dict[str, str]


class HttpPoster:
    """Signs requests and POSTs them to `settings.events_url`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to the app."""
        if self._session is not None:
            await self._session.close()

    def wait_before_s(self, number: int) -> float:
        """Return Slack's wait before try `number`."""
        delays_s = self._settings.http_retry_delays_s
        return delays_s[min(number, len(delays_s)) - 1] if number and delays_s else 0.0

    async def offer(self, delivery: Delivery, attempt: Attempt) -> None:
        """POST once; any 2xx in time is an ack (docs.slack.dev/apis/events-api#retries)."""
        body, content_type = encode(delivery)
        headers = self.signed_headers(body) | {"Content-Type": content_type}
        if attempt.number:
            headers["X-Slack-Retry-Num"] = str(attempt.number)
            headers["X-Slack-Retry-Reason"] = attempt.retry_reason
        try:
            answer = await self.post(body, headers)
        except TimeoutError:
            attempt.outcome = "http_timeout"
        except aiohttp.ClientError:
            attempt.outcome = "connection_failed"
        else:
            _judge(delivery, attempt, answer)

    async def post(self, body: bytes, headers: dict[str, str]) -> HttpAnswer:
        """POST this; raise `TimeoutError` or `aiohttp.ClientError` if nothing comes back."""
        if self._settings.events_url is None:
            raise RuntimeError("set events_url first")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        timeout = aiohttp.ClientTimeout(total=self._settings.http_timeout_s)
        async with self._session.post(
            self._settings.events_url,
            data=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as answer:
            return HttpAnswer(answer.status, await answer.text(), dict(answer.headers))

    def signed_headers(
        self,
        body: bytes,
        *,
        timestamp: str | None = None,
        signature: str | None = None,
        without: Collection[str] = (),
    ) -> dict[str, str]:
        """Return the headers of a request, right in all that is not given otherwise."""
        timestamp = str(int(time.time())) if timestamp is None else timestamp
        if signature is None:
            signature = sign(self._settings.signing_secret, timestamp, body)
        headers = {
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature,
        }
        return {name: value for name, value in headers.items() if name not in without}


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the v0 signature (docs.slack.dev/authentication/verifying-requests-from-slack)."""
    signed = b":".join((b"v0", timestamp.encode(), body))
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def encode(delivery: Delivery) -> tuple[bytes, str]:
    """Return the HTTP body and content type of a delivery: JSON for events, else a form."""
    if delivery.is_event:
        return json.dumps(delivery.payload).encode(), "application/json"
    is_command = delivery.kind == "slash_commands"
    fields = delivery.payload if is_command else {"payload": json.dumps(delivery.payload)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


def _judge(delivery: Delivery, attempt: Attempt, answer: HttpAnswer) -> None:
    attempt.http_status = answer.status
    if 200 <= answer.status < 300:
        delivery.accept(attempt, None if delivery.is_event else _read_response(answer.body))
        return
    names = {name.lower() for name in answer.headers}
    attempt.outcome = "no_retry" if "x-slack-no-retry" in names else "http_error"


def _read_response(body: str) -> Json | None:
    """Return the answer to a command or an interaction, which may be plain text."""
    try:
        response = json.loads(body)
    except ValueError:
        return {"text": body} if body else None
    return response if isinstance(response, dict) else None
