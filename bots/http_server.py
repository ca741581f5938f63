"""The bots' HTTP port: health, metrics and, without Socket Mode, Slack's events."""

import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType

import prometheus_client
import redis
from aiohttp import web

from bots.store import AsyncStore
from shared.errors import PortInUseError, SettingsError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 1_000_000


@contextlib.asynccontextmanager
async def http_server(
    host: str,
    port: int,
    store: AsyncStore,
    registry: prometheus_client.CollectorRegistry,
    posts: Mapping[str, Handler],
    gets: Mapping[str, Handler] = MappingProxyType({}),
) -> AsyncIterator[None]:
    """Serve while the block runs.

    Args:
        host: address to listen on.
        port: port to listen on.
        store: checked for health.
        registry: what ``/metrics`` shows.
        posts: path -> handler of POST requests.
        gets: path -> handler of GET requests, besides health and metrics.

    Raises:
        PortInUseError: another process listens there.
    """

    async def health(_request: web.Request) -> web.Response:
        try:
            await store.client.ping()
        except (redis.RedisError, OSError, TimeoutError):
            return web.json_response({"redis": "away"}, status=503)
        return web.json_response({"redis": "ok"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=prometheus_client.generate_latest(registry),
            headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        )

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/healthz", health)
    app.router.add_get("/metrics", metrics)
    for path, handler in posts.items():
        app.router.add_post(path, handler)
    for path, handler in gets.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise SettingsError(
                f"PARLEY_HTTP_HOST {host} is not an address of this machine."
            ) from error
        raise PortInUseError(
            f"Port {port} on {host} is in use: end what listens there, or set PARLEY_HTTP_PORT."
        ) from error
