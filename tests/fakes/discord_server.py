"""A fake Discord: the HTTP API, the gateway, and the controls that a test drives it with.

    async with FakeDiscord() as server:
        guild = server.add_guild()
        channel = server.add_channel(guild)
        await server.say(channel, server.add_user("ada"), f"<@{server.bot_user_id}> hello")
        await server.wait_for(lambda: server.messages(channel)[1:], 5)

As a process of its own, driven over HTTP: `python -m tests.fakes.discord_server --port 0`. See
DISCORD.md beside this file.
"""

import argparse
import asyncio
import json
import signal
import sys
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakes.discord_control import Controls
from tests.fakes.discord_driver import Driver
from tests.fakes.discord_http import API_PREFIX, Answer, Call, Pipeline, Route
from tests.fakes.discord_rates import RateLimiter
from tests.fakes.discord_rest import Rest
from tests.fakes.discord_session import Close
from tests.fakes.discord_settings import (
    APPLICATION_ID,
    BOT_USER_ID,
    MAX_REQUEST_BYTES,
    TOKEN,
    Settings,
)
from tests.fakes.discord_world import World

HOST = "127.0.0.1"
SHUTDOWN_S = 1.0


class FakeDiscord(Driver):
    """One fake Discord with one bot. Use it as an async context manager, or start and close it.

    The driving methods and the records of what the bot did are those of Driver.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        application_id: int = APPLICATION_ID,
        bot_user_id: int = BOT_USER_ID,
        port: int = 0,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(World(settings or Settings(), application_id, bot_user_id), token)
        self._port = port
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------------ start and close

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen. The addresses are known afterwards."""
        runner = web.AppRunner(self._make_app(), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        await web.TCPSite(runner, HOST, self._port).start()
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        self.gateway.url = self.gateway_url
        self.world.attachments_url = f"http://{HOST}:{self._port}/attachments"

    async def close(self) -> None:
        """Close all connections and stop listening."""
        if self._runner is not None:
            self.gateway.close_all(Close.GOING_AWAY)
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        """The root of the HTTP API, for `discord.http.Route.BASE`."""
        return f"http://{HOST}:{self._port}{API_PREFIX}"

    @property
    def gateway_url(self) -> str:
        """The gateway, for `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`."""
        return f"ws://{HOST}:{self._port}/gateway"

    @property
    def control_url(self) -> str:
        """The root of the controls over HTTP."""
        return f"http://{HOST}:{self._port}/_control"

    def _make_app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        pipeline = Pipeline(self.world, self.token, self._faults, RateLimiter(self.settings))
        routes = [*Rest(self.world, self.gateway).routes(), *self._interactions.routes()]
        for route in routes:
            path = API_PREFIX + route.path
            app.router.add_route(route.method, path, pipeline.endpoint(route))
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{channel_id}/{file_id}/{filename}", self._send_file)
        app.router.add_post("/_control/{action}", Controls(self).handle)
        unknown = Route("*", "/{tail:.*}", _refuse_unknown, is_open=True)
        app.router.add_route("*", API_PREFIX + unknown.path, pipeline.endpoint(unknown))
        return app

    async def _send_file(self, request: web.Request) -> web.Response:
        wanted = int(request.match_info["file_id"])
        self.world.downloads.append(request.match_info["filename"])
        if not self.settings.hands_out_files:
            return web.Response(status=404, text="This content is no longer available.")
        if given := self.world.uploads.get(wanted):
            return web.Response(body=given.content, content_type=given.content_type)
        for message in self.world.messages_in(int(request.match_info["channel_id"])):
            for file in message.attachments:
                if file.id == wanted and not message.deleted:
                    return web.Response(body=file.content, content_type=file.content_type)
        return web.Response(status=404, text="This content is no longer available.")


def _refuse_unknown(_call: Call) -> Answer:
    return Answer({"message": "404: Not Found", "code": 0}, 404)


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with FakeDiscord(token=options.token, port=options.port) as server:
        ready = {
            "api_url": server.api_url,
            "gateway_url": server.gateway_url,
            "control_url": server.control_url,
            "token": server.token,
            "application_id": str(server.application_id),
            "bot_user_id": str(server.bot_user_id),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> None:
    """Serve until a signal; print one line of JSON with the addresses when ready."""
    parser = argparse.ArgumentParser(description="A fake Discord on the loopback interface.")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--token", default=TOKEN, help="the bot's token")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
