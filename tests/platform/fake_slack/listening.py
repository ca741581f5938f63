"""A real bolt app that listens to the fake Slack by Socket Mode or by HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_server import FakeSlack

Way = Callable[["Listener"], AbstractAsyncContextManager["Listener"]]


class Connector:
    """The part of bolt's Socket Mode handler that is used here, with types."""

    def __init__(self, listener: "Listener", ping_interval: float = 1) -> None:
        self._handler: Any = AsyncSocketModeHandler(
            listener.app, listener.slack.app_token, ping_interval=ping_interval
        )

    async def connect(self) -> None:
        await self._handler.connect_async()

    async def close(self) -> None:
        await self._handler.close_async()


class Listener:
    """A bolt app that keeps what it hears; it raises on the first `num_failures` events."""

    def __init__(self, slack: FakeSlack, num_failures: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.num_failures = num_failures
        self.slack = slack
        self.app = AsyncApp(
            signing_secret=slack.signing_secret,
            client=AsyncWebClient(slack.bot_token, base_url=slack.api_url),
            process_before_response=True,
        )
        self.app.event("message")(self.hear)
        self.app.event("app_mention")(self.hear)
        self.app.error(self.fail)
        self.app.command("/ask")(self.obey)
        self.app.action("stop")(self.obey)
        self.app.shortcut("summarize")(self.obey)

    async def hear(self, body: dict[str, Any]) -> None:
        if self.num_failures:
            self.num_failures -= 1
            raise RuntimeError("cannot take this now")
        self.note(body)

    async def obey(self, body: dict[str, Any], ack: Callable[..., Awaitable[None]]) -> None:
        self.note(body)
        await ack()

    async def fail(self, error: Exception) -> None:
        """Let bolt answer 500 without the traceback in the log."""

    def note(self, body: dict[str, Any]) -> None:
        self.heard.append(body)
        self.slack.touch()

    def types(self) -> list[str]:
        return sorted(body["event"]["type"] for body in self.heard)


@asynccontextmanager
async def by_socket(listener: Listener) -> AsyncIterator[Listener]:
    slack = listener.slack
    before = len(slack.connections)
    connector = Connector(listener)
    await connector.connect()
    await slack.wait_for_connections(before + 1)
    try:
        yield listener
    finally:
        await connector.close()


@asynccontextmanager
async def by_http(listener: Listener) -> AsyncIterator[Listener]:
    runner = web.AppRunner(listener.app.web_app(path="/slack/events"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield listener
    finally:
        await runner.cleanup()
